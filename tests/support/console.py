"""Runs `datajob` in this process and says what it printed and how it ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest

from datajob.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class DataJobCommand(Protocol):
    """Calls `datajob` with arguments."""

    def __call__(self, *arguments: str) -> Ended: ...


@pytest.fixture
def datajob(capsys: pytest.CaptureFixture[str]) -> Iterator[DataJobCommand]:
    def call(*arguments: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, out, err)

    yield call
