"""The task that processes rows: read a shard, apply the fused steps, write the rows."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.input.inputs import FragmentInput
from datajob.engine.plan.steps import Step
from datajob.engine.worker import model_registry
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.chain import Chain
from datajob.engine.worker.intake import Intake
from datajob.engine.worker.model_outputs import ShardModelOutputs
from datajob.engine.worker.outputs import RowOutput
from datajob.engine.worker.rejects import RejectFolders
from datajob.engine.worker.task import Task, use_python_path
from datajob.errors import SinkError
from datajob.formats.storage import storage_errors
from datajob.operators.base import Model, Operator

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class RowsTask(Task):
    """Moves the rows of a shard from an input through the fused steps to an output."""

    intake: Intake
    steps: tuple[Step[Operator], ...]
    output: RowOutput
    policy: str
    rejects: RejectFolders
    python_path: tuple[str, ...] = ()

    def run(self, shard: Shard) -> Record:
        """Process a shard and commit it, in turn with the other shards of this process."""
        use_python_path(self.python_path)
        with model_registry.hold_slot():
            return super().run(shard)

    def process(self, shard: Shard) -> Record:
        """Read, apply the steps, write."""
        rejects = self.rejects.open(f"{self.stage}-{shard.prefix}")
        accounting = Accounting(self.policy, rejects)
        chain = Chain(self.steps, accounting, self._model_outputs(shard) if self._runs_model() else None)
        output = self.output.open(shard, accounting)
        rows, schema = 0, None
        try:
            for table in self.intake.tables(shard, accounting, self._runs_model()):
                result = chain.apply(table)
                rows += result.num_rows
                if result.num_rows:
                    schema = schema or _describe(result.schema)
                    output.write(result)
            reject_files = rejects.close()
            files = output.close()
        except BaseException as error:
            output.abort()
            rejects.abort()
            if isinstance(error, OSError):  # readers turn theirs into InputError
                with storage_errors(self.sink, SinkError, "write the result"):
                    raise
            raise
        return Record(shard.index, shard.key, accounting.tally, rows, files, reject_files, schema)

    def files(self, shard: Shard) -> list[str]:
        """Paths of the input files that the shard reads."""
        return self.intake.source.files(shard) if isinstance(self.intake.source, FragmentInput) else []

    @property
    def finds_bad_rows(self) -> bool:
        """Whether failed rows are omitted."""
        return self.policy != "fail"

    def after_commit(self, shard: Shard) -> None:
        """Delete the stored model outputs."""
        if self._runs_model():
            self._model_outputs(shard).forget()

    def _model_outputs(self, shard: Shard) -> ShardModelOutputs:
        return ShardModelOutputs(self.sink, self.stage, shard.key)

    def _runs_model(self) -> bool:
        return any(isinstance(s.operator, Model) for s in self.steps)


def _describe(schema: pa.Schema) -> str:
    return b64encode(schema.remove_metadata().serialize()).decode()
