"""Signs that processes died for lack of memory. Real kills are in tests/e2e/test_obstacles.py, where containers have limits."""

from pathlib import Path

import pytest

from datajob.api.contract import OUT_OF_MEMORY
from datajob.engine.executors import deaths
from datajob.engine.worker.probation import worker_died
from tests.engine.test_probation import SHARD, Deadly


@pytest.mark.parametrize(
    ("content", "kills"),
    [
        ("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n", 2),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", 7),
        ("oom_kill_disable 0\nunder_oom 0\n", 0),
        ("unreadable", 0),
    ],
    ids=["version-2", "version-1", "old-kernel", "unknown"],
)
def test_the_counter_of_the_kernel_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, kills: int) -> None:
    (tmp_path / "counter").write_text(content)
    monkeypatch.setattr(deaths, "_COUNTERS", (tmp_path / "missing", tmp_path / "counter"))
    assert deaths.memory_kills() == kills


def test_only_a_lack_of_memory_is_stated_as_such() -> None:
    task = Deadly("out", "rows", (1,), ())
    assert worker_died(task, SHARD, "x", memory=True).message.startswith(OUT_OF_MEMORY)
    assert not worker_died(task, SHARD, "x").message.startswith(OUT_OF_MEMORY)
