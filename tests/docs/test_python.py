"""Every Python block of a page runs, from top to bottom, and prints what the page shows."""

import ast
import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_commands import plain
from tests.support.pages import ROOT, Block, blocks

PAGE = "docs/python.md"


@pytest.mark.slow
def test_the_blocks_of_the_page_print_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifests").symlink_to(ROOT / "manifests")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "my_steps", raising=False)
    names: dict[str, Any] = {}
    printed = ""
    for block in blocks(PAGE, "yaml", "python", "text"):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            printed = output(block, names)
        else:
            lines = [plain(line) for line in printed.splitlines()]
            for shown in filter(None, map(plain, block.text.splitlines())):
                assert shown == "..." or shown in lines, f"{PAGE}:{block.line}: not printed:\n{shown}\nbut:\n{printed}"


def output(block: Block, names: dict[str, Any]) -> str:
    """What a block prints as the cell of a notebook: the value of a last expression is printed, too."""
    tree = ast.parse(block.text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, f"{block.page}:{block.line}", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"{block.page}:{block.line}", "eval"), names)
            print(repr(value) if value is not None else "")
    return printed.getvalue()
