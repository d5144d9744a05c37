"""Every operator is found by where it lives."""

import subprocess
import sys
from pathlib import Path

import pytest

from datajob.operators.registry import MODALITIES, all_operators, modality


@pytest.mark.parametrize("key", all_operators())
def test_a_module_holds_the_one_operator_it_is_named_after(key: str) -> None:
    assert all_operators()[key].key == key


@pytest.mark.parametrize("key", all_operators())
def test_an_operator_has_a_file_of_tests(key: str) -> None:
    operator = all_operators()[key]
    module = operator.__module__.rpartition(".")[2]
    tests = Path(__file__).parent / modality(operator) / f"test_{module}.py"
    assert tests.is_file(), f"write {tests}"
    assert "def test_" in tests.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", all_operators())
def test_an_operator_and_its_parameters_are_described(key: str) -> None:
    operator = all_operators()[key]
    assert operator.__doc__ and operator.__doc__ != (operator.__base__ or object).__doc__
    assert [name for name, field in operator.model_fields.items() if not field.description] == []


def test_operators_are_ordered_by_modality_and_key() -> None:
    places = [(MODALITIES.index(modality(operator)), key) for key, operator in all_operators().items()]
    assert places == sorted(places)


def test_an_unknown_operator_is_not_found() -> None:
    assert "nonsense" not in all_operators() and all_operators().get("nonsense") is None


def test_only_the_operators_that_are_used_are_imported() -> None:
    program = """
import sys
from datajob.operators.registry import all_operators
assert "gopherQuality" in all_operators() and len(all_operators()) > 20
all_operators()["gopherQuality"]
assert "datajob.operators.text.gopher_quality" in sys.modules
assert "datajob.operators.text.gopher_repetition" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
