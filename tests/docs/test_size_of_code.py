"""Files and functions are short, as CONTRIBUTING.md requires."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
FOLDERS = ("workloads", "controller", "hack", "benchmarks", "tests")
FILE, MEDIAN_FILE, FUNCTION = 300, 120, 50
LINES = {path: path.read_text(encoding="utf-8").splitlines() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}


def long_functions(path: Path, source: str) -> Iterator[str]:
    """Functions whose body, without its docstring, is too long."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > FUNCTION:
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines"


def test_no_file_is_too_long() -> None:
    long = [f"{path.relative_to(ROOT)}: {len(lines)} lines" for path, lines in LINES.items() if len(lines) > FILE]
    assert not long, "\n".join(long)


def test_the_median_file_is_short() -> None:
    lengths = [len(lines) for path, lines in LINES.items() if lines and "tests" not in path.relative_to(ROOT).parts]
    assert len(lengths) > 100
    assert median(lengths) <= MEDIAN_FILE


def test_no_function_is_too_long() -> None:
    long = [found for path, lines in LINES.items() for found in long_functions(path, "\n".join(lines))]
    assert not long, "\n".join(long)


def test_a_long_function_is_found() -> None:
    source = 'def f():\n    """Text."""\n' + "    pass\n" * (FUNCTION + 1)
    assert list(long_functions(ROOT / "f.py", source)) == [f"f.py:1: f has {FUNCTION + 1} lines"]
