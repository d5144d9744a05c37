"""Base of the steps with a speech model: windows of audio, decoded in the isolated process, become requests.

Long audio is decoded and sent in groups of windows: while the model processes one group, the next one is decoded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr

from datajob.errors import InputError
from datajob.media.lists import listed
from datajob.media.values import MediaValue, accepts, flat, is_list, is_null, item_counts, media_type, media_values
from datajob.operators.base import Batch, Inferred, ModelOutputCache
from datajob.operators.inference._engines.base import Answer, Options, Request, RequestError, Settings, SpeechOptions
from datajob.operators.inference._model_step import ModelStep
from datajob.operators.media.audio_steps import MAX_SECONDS
from datajob.parameters import Column

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

    from datajob.operators.inference._engines.speech import SpeechEngine
    from datajob.operators.media.speech_windows import Group, Window

PIECE_ROWS = 32
"""Rows whose first groups are decoded at once, while the model processes those of the rows before."""
FIRST_SECONDS, GROUP_SECONDS = 60.0, 600.0
"""Duration of the first group of a row, and of the others, of which one is decoded at a time."""


@dataclass
class Heard:
    """What the model recognized in a window."""

    start: float
    """Seconds since the start of the audio."""
    answer: Answer


@dataclass
class _Recording:
    """The audio of a row in progress."""

    value: MediaValue
    position: float = 0.0
    """Start of the current group in seconds."""
    windows: list[Window] = field(default_factory=list)
    """Windows of the current group that have not been sent."""
    next: float | None = None
    """Start of the next group; None if there is none."""
    sent: list[tuple[float, str]] = field(default_factory=list)
    """Start and key of each window in the model."""
    heard: list[Heard] = field(default_factory=list)
    error: RequestError | None = None
    new: bool = False
    """Whether the answer to a window was not known."""


class _Calls:
    """Requests to the model, and answers that are known."""

    def __init__(self, model: SpeechEngine, cache: ModelOutputCache | None) -> None:
        self._model, self._cache = model, cache
        self._known = {} if cache is None else cache.known
        self._futures: dict[str, Future[Answer]] = {}
        self._answers: dict[str, Answer] = {}

    def send(self, recording: _Recording, options: SpeechOptions, tokens: int, most: int | None = None) -> None:
        """Send at most some of the windows whose answers are not known, and release all that were sent."""
        windows, recording.windows = recording.windows[:most], [] if most is None else recording.windows[most:]
        for window in windows:
            key = _key(window.samples, options, tokens)
            recording.sent.append((recording.position + window.start, key))
            if key in self._known:
                continue
            recording.new = True
            if key not in self._futures:
                request = Request("", Options(tokens, chat=False, speech=options), samples=window.samples)
                self._futures[key] = self._model.submit([request])[0]

    def collect(self, recording: _Recording) -> None:
        """Wait for the answers of a recording. The first window that fails ends it."""
        sent, recording.sent = recording.sent, []
        for start, key in sent:
            try:
                recording.heard.append(Heard(start, self._answer(key)))
            except RequestError as error:
                recording.error = recording.error or error

    def _answer(self, key: str) -> Answer:
        if key in self._known:
            return Answer(**self._known[key])
        if key not in self._answers:
            self._answers[key] = self._futures[key].result()
            if self._cache is not None:
                self._cache.store({key: asdict(self._answers[key])})
        return self._answers[key]


class SpeechModel(ModelStep):
    """Base of the steps with a speech model."""

    abstract: ClassVar[bool] = True

    column: Column = Field(
        default="audio",
        description="Column with audio or a list of audio: encoded bytes, a path or URL, or a struct of both. For a list, the "
        "new columns contain one value per item.",
    )
    folder: str | None = Field(default=None, min_length=1, description="Base folder or URL of relative paths.")
    max_duration: float = Field(
        default=MAX_SECONDS, gt=0, le=10 * MAX_SECONDS, description="Maximum number of seconds to process; longer audio fails."
    )
    batch_rows: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Maximum number of windows per batch. By default, 32 on accelerators, 8 on CPUs.",
    )

    _measures_only: bool = PrivateAttr(default=False)
    """Whether rows that cannot be measured remain."""

    def settings(self) -> Settings:
        """The model: steps with the same model share one copy."""
        return Settings("speech", self.model, self.revision, "transformers", self.dtype, batch_rows=self.batch_rows)

    def speech_options(self, model: SpeechEngine) -> SpeechOptions:
        """What to recognize. Raises InvalidJob if the model does not support it."""
        raise NotImplementedError

    def max_tokens(self) -> int:
        """Maximum number of tokens of a window."""
        return 1_000_000

    def first_only(self) -> bool:
        """Whether only the first window with speech is needed."""
        return False

    def silence_is_skipped(self) -> bool:
        """Whether windows without speech are not sent."""
        return True

    def finish(self, rows: Sequence[list[Heard] | None]) -> dict[str, pa.Array]:
        """The columns for what was heard in each row: an empty list if there is no speech, None if the row failed."""
        raise NotImplementedError

    def infer(self, batch: Batch, model: SpeechEngine, cache: ModelOutputCache | None = None) -> Inferred:
        """The columns for all rows. A row fails with its first item that cannot be processed."""
        import numpy as np
        import pyarrow as pa

        column: Any = batch.array(self.column)
        lists = is_list(column.type)
        items: Any = flat(column) if lists else column
        if not (accepts(items.type) or is_null(items.type)) or is_list(items.type):
            raise InputError(
                f"column `{self.column}` contains {column.type}, but `{self.key}` needs audio or lists of audio: bytes, "
                "paths, or structs of both."
            )
        rows = np.repeat(np.arange(len(column)), item_counts(column)) if lists else np.arange(len(column))
        missing = [isinstance(value, MediaValue) and value.missing for value in media_values(items)]
        at = np.flatnonzero(~np.array(missing, dtype=bool)) if lists else rows  # nulls of lists have no result
        present = Batch(pa.table({self.column: items.take(pa.array(at)) if lists else items}))
        found = self._recognized(present, model, cache)
        columns = self.finish([None if recording.error is not None else recording.heard for recording in found])
        if lists:
            columns = {name: listed(column, values, at) for name, values in columns.items()}
        failed: dict[int, str] = {}
        reused = dict.fromkeys(rows[at].tolist(), True)
        for row, recording in zip(rows[at].tolist(), found, strict=True):
            if recording.error is not None:
                failed.setdefault(row, str(recording.error))
            reused[row] &= bool(recording.heard) and not recording.new and recording.error is None
        return Inferred(columns, {} if self._measures_only else failed, sum(reused.values()))

    def _recognized(self, batch: Batch, model: SpeechEngine, cache: ModelOutputCache | None) -> list[_Recording]:
        """Decode the audio of some rows while the model processes that of the rows before."""
        options = self.speech_options(model)
        calls = _Calls(model, cache)
        done: list[_Recording] = []
        waiting: list[_Recording] = []
        for start in range(0, len(batch), PIECE_ROWS):
            piece = self._started(Batch(batch.table.slice(start, PIECE_ROWS)), model, calls, options)
            self._completed(waiting, model, calls, options)
            done, waiting = done + waiting, piece
        self._completed(waiting, model, calls, options)
        return done + waiting

    def _started(self, batch: Batch, model: SpeechEngine, calls: _Calls, options: SpeechOptions) -> list[_Recording]:
        """The recordings of some rows, with their first window with speech in the model."""
        values: Any = media_values(batch.array(self.column))
        recordings = [_Recording(value) for value in values]
        for recording, group in zip(recordings, self._groups(batch, model, FIRST_SECONDS), strict=True):
            self._take(recording, group)
        for recording in recordings:
            while not recording.windows and recording.next is not None:
                self._continue(recording, model)
            calls.send(recording, options, self.max_tokens(), most=1)
        return recordings

    def _completed(self, recordings: Sequence[_Recording], model: SpeechEngine, calls: _Calls, options: SpeechOptions) -> None:
        """Process all other windows, in the language of the first."""
        chosen: list[SpeechOptions] = []
        for recording in recordings:
            calls.collect(recording)
            chosen.append(options)
            if self.first_only() or recording.error is not None or not recording.heard:
                recording.windows, recording.next = [], None
                continue
            if options.language is None and model.languages:
                chosen[-1] = SpeechOptions(**{**asdict(options), "language": recording.heard[0].answer.language})
            calls.send(recording, chosen[-1], self.max_tokens())
        for recording, how in zip(recordings, chosen, strict=True):
            while recording.next is not None and recording.error is None:
                self._continue(recording, model)
                calls.collect(recording)  # of the group before, while this one was decoded
                calls.send(recording, how, self.max_tokens())
            calls.collect(recording)

    def _continue(self, recording: _Recording, model: SpeechEngine) -> None:
        """Decode the next group of a recording."""
        assert recording.next is not None
        recording.position = recording.next
        if recording.position >= self.max_duration:
            recording.error = RequestError(f"tooLong: the audio is longer than {self.max_duration:,.0f} seconds (maxDuration)")
            recording.windows, recording.next = [], None
            return
        [group] = self._groups(_from(recording.value, recording.position, self.column), model, GROUP_SECONDS)
        self._take(recording, group)

    def _take(self, recording: _Recording, group: Group | RequestError) -> None:
        if isinstance(group, RequestError):
            recording.error, recording.windows, recording.next = group, [], None
            return
        recording.windows = [window for window in group.windows if window.speech or not self.silence_is_skipped()]
        recording.next = None if group.next is None else recording.position + group.next

    def _groups(self, batch: Batch, model: SpeechEngine, seconds: float) -> list[Group | RequestError]:
        """The first windows of each value."""
        from datajob.operators.media.speech_windows import SpeechWindows

        step = SpeechWindows(
            column=self.column, folder=self.folder, max_duration=self.max_duration, window=model.window_seconds, group=seconds
        )
        signed = step.signed(batch)
        return [
            group or RequestError(batch.failures.get(row, "the audio cannot be decoded")) for row, group in enumerate(signed)
        ]


def _from(value: MediaValue, seconds: float, column: str) -> Batch:
    """A batch with the part of a value that starts after some seconds."""
    import pyarrow as pa

    from datajob.media.references import Reference

    start, end = value.time_span or (0.0, None)
    reference = Reference(value.path or "", value.byte_range, (start + seconds, end))
    data = None if value.data is None else bytes(value.data)
    return Batch(pa.table({column: pa.array([{"bytes": data, "path": str(reference)}], media_type())}))


def _key(samples: Any, options: SpeechOptions, tokens: int) -> str:
    digest = hashlib.blake2b(f"{options} {tokens}\0".encode(), digest_size=16)
    digest.update(samples)
    return digest.hexdigest()
