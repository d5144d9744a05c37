"""JSON that is nested too deeply for Python's decoder is decoded nevertheless."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob_controller.runtime.nesting import MAX_DEPTH, cut

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\[]{},:é\n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='k"\\[]{}'), inner),
)
DECODE = """
import json, sys
from datajob_controller.runtime.nesting import tolerate_deep_nesting
tolerate_deep_nesting()
found = json.loads(sys.stdin.read())
print(found["before"], found["after"])
"""


def shallow(value: Any, limit: int) -> Any:
    if isinstance(value, list):
        return None if limit == 0 else [shallow(part, limit - 1) for part in value]
    if isinstance(value, dict):
        return None if limit == 0 else {key: shallow(part, limit - 1) for key, part in value.items()}
    return value


@given(JSON, st.integers(1, 4))
def test_only_deep_parts_become_null(value: Any, limit: int) -> None:
    assert json.loads(cut(json.dumps(value), limit)) == shallow(value, limit)


@pytest.mark.parametrize("depth", [MAX_DEPTH, 1_000, 10_000, 100_000])
@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"a": ', "}"), ('[{"]": ', "}]")], ids=["lists", "objects", "both"]
)
def test_the_process_decodes_any_depth(depth: int, opening: str, closing: str) -> None:
    text = f'{{"before": 1, "deep": {opening * depth}1{closing * depth}, "after": 2}}'
    done = subprocess.run([sys.executable, "-c", DECODE], input=text, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("1 2\n", 0), done.stderr[-500:]
