"""The messages on the troubleshooting page are in the code."""

import re

import pytest

from tests.support.pages import ROOT, read

HEADINGS = [line for line in read("docs/troubleshooting.md").splitlines() if line.startswith("### ")]
MESSAGES = [message for line in HEADINGS for message in re.findall(r"`([^`]+)`", line)]


def messages_of_the_code() -> str:
    """All sources as one text, with implicitly concatenated literals joined and replacement fields as `…`."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "workloads").rglob("*.py")))
    text = re.sub(r"\"\s*\n\s*f?\"", "", text)
    return " ".join(re.sub(r"`?\{[^{}]*\}`?", "…", text).split())


CODE = messages_of_the_code()


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_on_the_page_is_in_the_code(message: str) -> None:
    assert message in CODE
