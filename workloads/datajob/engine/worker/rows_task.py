"""The task that processes rows: read a shard, apply the fused steps, write the rows."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.exchange.byte_files import Places, in_pieces, with_bytes
from datajob.engine.input.inputs import FragmentInput
from datajob.engine.plan.steps import Step
from datajob.engine.worker import model_registry
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.chain import Chain
from datajob.engine.worker.checkpoints import Checkpoints
from datajob.engine.worker.intake import Intake
from datajob.engine.worker.model_outputs import ShardModelOutputs
from datajob.engine.worker.outputs import RowOutput
from datajob.engine.worker.rejects import CollectedRejects, RejectFolders
from datajob.engine.worker.shard_chain import ShardChain
from datajob.engine.worker.sharing import Patience, Share
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

    def run(self, shard: Shard, patience: Patience | None = None, doubtful: bool = False) -> Record:
        """Process a shard and commit it, in turn with the other shards of this process."""
        use_python_path(self.python_path)
        with model_registry.hold_slot():
            places = Places()
            chain = self._chain(shard, places, patience)
            record = self._process(shard, chain, places)
            self.commit(record, doubtful)
            chain.forget()
            if self._runs_model():
                self._model_outputs(shard).forget()
            return record

    def run_share(self, shard: Shard, share: Share) -> None:
        """Process a share of a shard, and store the results. What is counted here is counted again when the shard runs."""
        use_python_path(self.python_path)
        chain = self._chain(shard, Places())
        unwritten = Accounting(self.policy, CollectedRejects(stores_rejected=False, stores_failed=False))
        for table in self.intake.tables(shard, unwritten, for_model=False, new_files=self._new_files()):
            chain.apply_share(table, share)

    def _process(self, shard: Shard, chain: ShardChain, places: Places) -> Record:
        """Read, apply the steps, write."""
        accounting, rejects = chain.accounting, chain.rejects
        output = self.output.open(shard, accounting, places)
        rows, schema = 0, None
        try:
            for table in self.intake.tables(shard, accounting, self._runs_model(), self._new_files()):
                result = chain.apply(table)
                rows += result.num_rows
                for piece in in_pieces(result) if result.num_rows else ():
                    written = with_bytes(piece, self.output.needs(), places)
                    schema = schema or _describe(written.schema)
                    output.write(written)
                places.forget()
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

    def _chain(self, shard: Shard, places: Places, patience: Patience | None = None) -> ShardChain:
        outputs = self._model_outputs(shard) if self._runs_model() else None
        rejects = self.rejects.open(f"{self.stage}-{shard.prefix}")
        columns = {step.name: () if step.operator.runs_user_code() else step.operator.inputs() for step in self.steps}
        return ShardChain(
            lambda counts: Chain(self.steps, counts, outputs, places),
            Accounting(self.policy, rejects, columns=columns, folders=_media_folders(self.steps)),
            rejects,
            Checkpoints(self.sink, self.stage, shard.key),
            self._call_rows(),
            shard.weight,
            None if self._runs_model() else patience,
        )

    def _call_rows(self) -> int | None:
        """Unit of the slices of a table; None if tables are not sliced: the cost of a row is known, or that of a model."""
        unknown = [step.operator for step in self.steps if step.operator.cost_unknown()]
        if not unknown or self._runs_model():
            return None
        return max(operator.rows_per_call() for operator in unknown)

    def files(self, shard: Shard) -> list[str]:
        """Paths of the input files that the shard reads."""
        return self.intake.source.files(shard) if isinstance(self.intake.source, FragmentInput) else []

    @property
    def finds_bad_rows(self) -> bool:
        """Whether failed rows are omitted."""
        return self.policy != "fail"

    def _model_outputs(self, shard: Shard) -> ShardModelOutputs:
        return ShardModelOutputs(self.sink, self.stage, shard.key)

    def _new_files(self) -> set[tuple[str, str | None]]:
        """The columns and folders of the media of which steps write new files into the rows."""
        return {found for step in self.steps if (found := step.operator.new_files()) is not None}

    def _runs_model(self) -> bool:
        return any(isinstance(s.operator, Model) for s in self.steps)


def _describe(schema: pa.Schema) -> str:
    return b64encode(schema.remove_metadata().serialize()).decode()


def _media_folders(steps: Sequence[Step[Operator]]) -> dict[str, str | None]:
    """The columns that steps read as media, with the folder of their paths. Steps on media have both parameters."""
    operators = [step.operator for step in steps if {"column", "folder"} <= type(step.operator).model_fields.keys()]
    return {operator.column: operator.folder for operator in operators}  # type: ignore[attr-defined]
