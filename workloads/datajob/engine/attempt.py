"""One attempt at a run: everything that is fixed once the input is listed, and what derives from it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from datajob import __version__
from datajob.api.datajob import DataJob
from datajob.engine.commit.run_state import RunState
from datajob.engine.commit.shard import digest
from datajob.engine.input.inputs import FragmentInput
from datajob.engine.input.listing import Listing, list_input
from datajob.engine.options import RunOptions
from datajob.engine.plan.fused import StepPlan
from datajob.engine.stage import Context
from datajob.engine.worker.rejects import RejectFolders
from datajob.errors import InputError
from datajob.formats._table_sink import TableWriter
from datajob.formats.base import Writer
from datajob.formats.folder import Folder
from datajob.operators.base import Global


@dataclass(frozen=True)
class Attempt:
    """A job, its plan and its input, and the run that they belong to."""

    job: DataJob
    plan: StepPlan
    options: RunOptions
    sink: Folder
    state: RunState
    listing: Listing
    writer: Writer
    """The writer of the sink, for this run."""

    @property
    def _append_id(self) -> str | None:
        """In mode `append` and for tables, the ID of the run: every run adds its own files."""
        return self.state.run_id if self.writer.mode == "append" or isinstance(self.writer, TableWriter) else None

    @property
    def rejects(self) -> RejectFolders:
        """Where rejected and failed rows are stored."""
        spec = self.job.spec
        owner = digest(self.writer.path, self._append_id)[:8]
        return RejectFolders(spec.rejects.path if spec.rejects else None, spec.errors.path, owner)

    def context(self) -> Context:
        """What all stages share."""
        policy, rejects = self.job.spec.errors.policy, self.rejects
        folders = [rejects.rejects, rejects.quarantine]
        return Context(
            sink=self.writer.path,
            writer=self._described_writer(),
            fingerprint=digest([__version__, self.options.image, policy, folders, self._append_id]),
            policy=policy,
            rejects=rejects,
            python_path=self.options.python_path,
            input_bytes=self.listing.size,
            side_inputs=self.side_inputs,
        )

    def _described_writer(self) -> Writer:
        """The writer, given the features that columns of the sources have. Contradictions are left out."""
        source = self.listing.source
        if type(self.writer).with_features is Writer.with_features:
            return self.writer
        features: dict[str, object] = {}
        first = {shard.source: shard.fragments[0].file for shard in reversed(source.shards)}
        for number, file in sorted(first.items()):
            with suppress(InputError):  # counted when the file is read
                for name, feature in source.readers[number].features([file]).items():
                    features[name] = feature if features.setdefault(name, feature) == feature else None
        return self.writer.with_features(features)

    def side_inputs(self, operator: Global) -> list[FragmentInput]:
        """The further sources of an operator, listed."""
        return [list_input([reader], self.listing.target, False).source for reader in operator.side_sources()]
