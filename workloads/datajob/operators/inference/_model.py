"""Base of the steps that send rows to an engine: the conversion of rows to requests and of answers to columns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from datajob.operators.base import Batch, EndpointUse, Inferred, ModelOutputCache
from datajob.operators.inference._engines.base import Answer, Engine, Request, RequestError
from datajob.operators.inference._model_step import BARE_PROCESS, ModelStep
from datajob.operators.inference._tiles import content_digest
from datajob.parameters import NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

KEEP_SECONDS = 0.25
"""How long an answer waits for others before it is stored; if the process dies before, it is lost."""


class InferenceStep(ModelStep):
    """Base of the steps that send rows to an engine."""

    abstract: ClassVar[bool] = True

    engine: Literal["auto", "transformers", "vllm", "ascend", "fake"] = Field(
        default="auto",
        description="Inference engine. `auto` uses vLLM if it is installed and there is an accelerator, otherwise "
        "transformers; the report contains the choice. `fake` answers with digests, for tests.",
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field(
        default="auto", description="Attention implementation of the engine transformers."
    )
    quantization: Literal["none", "int8", "int4"] = Field(
        default="none", description="Quantization of the weights when they are loaded (bitsandbytes, on GPUs)."
    )
    batch_tokens: int | None = Field(
        default=None,
        ge=1,
        le=100_000_000,
        description="Maximum number of tokens per batch, including padding and answers; by default 65,536 on accelerators and "
        "16,384 on CPUs.",
    )
    tokens_column: NewColumn | None = Field(default=None, description="Column (int32) for the number of tokens.")
    seconds_column: NewColumn | None = Field(
        default=None, description="Column (float32) for the share of the row in the time of its batch, in seconds."
    )

    def accelerated(self) -> bool:
        """All models but those of the fake engine and of `device: cpu`."""
        return self.engine != "fake" and super().accelerated()

    def _memory(self) -> int | None:
        return BARE_PROCESS if self.engine == "fake" else super()._memory()

    def _bare_memory(self) -> int:
        return 2 * BARE_PROCESS if self.engine == "vllm" else BARE_PROCESS  # measured: 1.9 GB, not 1.4

    def requests(self, batch: Batch) -> list[Request | RequestError]:
        """The request of each row, or the error that prevents it."""
        raise NotImplementedError

    def output_columns(self, answers: list[Answer]) -> dict[str, pa.Array]:
        """The columns of the answers, one value per row (an empty answer for failed rows)."""
        raise NotImplementedError

    def infer(self, batch: Batch, model: Engine, cache: ModelOutputCache | None = None) -> Inferred:
        """Send the rows without a cached answer to the engine, and collect all answers."""
        asked = self.requests(batch)
        keys = [content_key(a) if cache is not None and isinstance(a, Request) else "" for a in asked]
        known = {} if cache is None else cache.known
        new = [i for i, a in enumerate(asked) if isinstance(a, Request) and keys[i] not in known]
        futures = dict(zip(new, model.submit([a for i in new if isinstance(a := asked[i], Request)]), strict=True))
        if cache is not None:
            _store(cache, {future: keys[i] for i, future in futures.items()})
        found: list[Answer | RequestError] = []
        try:
            for row, question in enumerate(asked):
                try:
                    if isinstance(question, RequestError):
                        raise question
                    found.append(futures[row].result() if row in futures else Answer(**known[keys[row]]))
                except RequestError as error:
                    found.append(error)
        except BaseException:
            if cache is not None:
                cache.flush()
            raise
        failed = {row: str(error) for row, error in enumerate(found) if isinstance(error, RequestError)}
        answers = [Answer() if isinstance(a, RequestError) else a for a in found]
        reused = sum(isinstance(a, Request) for a in asked) - len(new)
        columns = {**self.output_columns(answers), **self._measures(answers)}
        return Inferred(columns, failed, reused, self.used(found))

    def used(self, answers: Sequence[Answer | RequestError]) -> tuple[EndpointUse, ...]:
        """What requests to an endpoint used; nothing for models that the job loads."""
        return ()

    def _measures(self, answers: list[Answer]) -> dict[str, pa.Array]:
        import pyarrow as pa

        columns: dict[str, pa.Array] = {}
        if self.tokens_column:
            columns[self.tokens_column] = pa.array([a.tokens if a.counts_tokens else None for a in answers], pa.int32())
        if self.seconds_column:
            columns[self.seconds_column] = pa.array([a.seconds for a in answers], pa.float32())
        return columns


def _store(cache: ModelOutputCache, waiting: dict[Future[Answer], str]) -> None:
    """Wait for the answers and store them as they arrive."""
    while waiting:
        done, _ = wait(waiting, KEEP_SECONDS)
        answered = {waiting.pop(f): f for f in done}
        found = {key: asdict(f.result()) for key, f in answered.items() if not f.cancelled() and f.exception() is None}
        if found:
            cache.store(found)


def rows_of(batch: Batch, columns: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """The rows of a batch, as mappings of the given columns."""
    if not columns:
        return [{}] * len(batch)
    return list(batch.table.select(list(columns)).to_pylist())


def seed_of(seed: int, prompt: str, images: tuple[Any, ...]) -> int:
    """The seed of a row, from its content, independent of its position."""
    return int.from_bytes(_digest(f"{seed}\0{prompt}", images, 7), "big")


def content_key(request: Request) -> str:
    """The key of a request: requests of a step with equal keys have equal answers."""
    return _digest(request.prompt, request.images, 16).hex()


def _digest(text: str, images: tuple[Any, ...], size: int) -> bytes:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass") + b"\0", digest_size=size)
    for image in images:
        digest.update(content_digest(image))
    return digest.digest()
