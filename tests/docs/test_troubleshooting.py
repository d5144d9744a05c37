"""The messages of the troubleshooting page are those that the code says."""

import re

import pytest

from tests.support.pages import ROOT, read

HEADINGS = [line for line in read("docs/troubleshooting.md").splitlines() if line.startswith("### ")]
MESSAGES = [message for line in HEADINGS for message in re.findall(r"`([^`]+)`", line)]


def said() -> str:
    """All sources as one text, with literals that go on in the next line put together and what is filled in as `…`."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "workloads").rglob("*.py")))
    text = re.sub(r"\"\s*\n\s*f?\"", "", text)
    return " ".join(re.sub(r"`?\{[^{}]*\}`?", "…", text).split())


SAID = said()


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_on_the_page_is_one_of_ours(message: str) -> None:
    assert message in SAID
