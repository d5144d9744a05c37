"""Every command on the pages runs, from top to bottom, and prints what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import PAGES, ROOT, Command, blocks, commands

NOT_HERE = ("make ", "pip ", "kubectl ", "helm ", "docker ", "git ", "source ")
"""Commands that set up the checkout or need a cluster. Other tests cover them."""
SHOWING = [page for page in PAGES if blocks(page, "console")]


@pytest.mark.slow
@pytest.mark.parametrize("page", SHOWING)
def test_the_commands_of_a_page_print_what_it_shows(page: str, tmp_path: Path) -> None:
    for name in ("manifests", "workloads", "controller", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    for block in blocks(page, "console", "yaml", "python"):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            code = 0
            for command in commands(block):
                if not command.text.startswith(NOT_HERE):
                    code = check(command, tmp_path, code, f"{page}:{block.line}")


def check(command: Command, folder: Path, before: int, where: str) -> int:
    """Run one command, with `$?` as the previous one left it, and return its exit code."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    shell = ["bash", "-c", f"(exit {before}); {command.text}"]
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    expected_to_fail = any(line.startswith("Error:") or ": invalid" in line for line in command.shown)
    assert (done.returncode != 0) == expected_to_fail, f"{where}: {command.text}\n{printed}"
    lines = [plain(line) for line in printed.splitlines()]
    for shown in filter(None, map(plain, command.shown)):
        assert shown == "..." or shown in lines, f"{where}: {command.text}\ndoes not print\n{shown}\nbut\n{printed}"
    return done.returncode


def plain(line: str) -> str:
    """A line without what varies between machines: times, sizes, speeds, digests and column widths."""
    line = re.sub(r"part-(\d+)-[0-9a-f]{10}", r"part-\1-#", line)
    line = re.sub(r"[\d.,]+ (s|[kMG]?B/s|[kMG]?B)\b", r"# \1", line)
    line = re.sub(r"# [kMG]?B", "# B", line)
    line = re.sub(r"^(\w\S*(?: +[\d,]+){4}) +[\d.,]+$", r"\1 #", line)
    return " ".join(line.split())
