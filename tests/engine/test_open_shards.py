"""Which shards are open on which workers, without processes: calls of workers return when the test says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import ray

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.counts.tally import Tally
from datajob.engine.executors.open_shards import AT_ONCE, SMALL_AT_ONCE, SMALL_BYTES, OpenShards
from datajob.engine.executors.placement import Pool
from datajob.engine.executors.processes import Member
from datajob.engine.executors.shard_workers import ShardWorkers
from datajob.engine.plan.steps import Step
from datajob.operators.inference.llava import Llava

SHARDS = 40


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> ShardWorkers:
    """Two workers that load a model that runs on CPUs."""
    monkeypatch.setattr(ray, "cluster_resources", dict)
    monkeypatch.setattr(ray, "put", lambda value: value)
    model = Step("llava", Llava(model="none", engine="fake"))
    found = ShardWorkers(Pool(models=(model,)), True, (), frozenset())
    actor: Any = SimpleNamespace(run=SimpleNamespace(remote=lambda *_: object()))
    found.members = [Member(actor, None, object(), node="here") for _ in range(2)]
    return found


@pytest.mark.parametrize(
    ("weight", "most"), [(1, SMALL_AT_ONCE), (SMALL_BYTES // 6, 6), (SMALL_BYTES, AT_ONCE)], ids=["small", "medium", "large"]
)
def test_workers_with_a_model_have_several_shards_until_the_end(workers: ShardWorkers, weight: int, most: int) -> None:
    shards = OpenShards(workers, {})
    shards.begin(SimpleNamespace(stage="rows"), [Shard(i, str(i), weight) for i in range(SHARDS)])  # type: ignore[arg-type]
    done = 0
    while shards:
        shards.open()
        open_at = [len(member.running) for member in workers.members]
        if len(shards.waiting) >= most * len(workers.members):
            assert open_at == [most, most], f"after {done} shards"
        assert max(open_at) - min(open_at) <= 1 or not shards.waiting
        member = max(workers.members, key=lambda member: len(member.running))
        ref, opened = next(iter(member.running.items()))
        assert isinstance(shards.returned(member, ref, Record(opened.shard.index, opened.shard.key, Tally())), Record)
        done += 1
    assert done == SHARDS
