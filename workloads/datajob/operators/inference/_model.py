"""Base of the steps that run a model: its parameters, its placement, and the conversion of rows to requests and answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from datajob.operators.base import Batch, Device, Inferred, Model, ModelOutputCache, ModelResources
from datajob.operators.inference._engines.base import Answer, Engine, Request, RequestError, Settings
from datajob.operators.inference._tiles import content_digest
from datajob.parameters import FilePath, NewColumn, Parameters

if TYPE_CHECKING:
    import pyarrow as pa

KEEP_SECONDS = 0.5
"""How long an answer waits for others before it is stored; if the process dies before, it is lost."""
BARE_PROCESS = 1 << 30
"""Memory of a process with torch and transformers before it loads a model, in bytes."""


class Actors(Parameters):
    """The processes that load the model, each with one copy."""

    min: int | None = Field(
        default=None, ge=1, le=10_000, description="Minimum number of actors; by default what fits the minimum of the hardware."
    )
    max: int | None = Field(
        default=None, ge=1, le=10_000, description="Maximum number of actors; by default what fits the maximum of the hardware."
    )
    accelerators: float = Field(
        default=1.0,
        gt=0,
        le=64,
        description="Number of accelerators per actor. 0.5 puts two actors on one accelerator; 2 splits the model across two "
        "(tensor parallelism).",
    )
    cpus: float = Field(
        default=1.0, gt=0, le=256, description="Number of CPU cores per actor, and of threads without accelerators."
    )

    @model_validator(mode="after")
    def _whole_above_one(self) -> Actors:
        if self.accelerators > 1 and self.accelerators != int(self.accelerators):
            raise ValueError("`accelerators` above 1 must be an integer")
        if self.min and self.max and self.min > self.max:
            raise ValueError(f"`min` ({self.min}) must not exceed `max` ({self.max})")
        return self


class InferenceStep(Model):
    """Base of the steps that send rows to an engine."""

    abstract: ClassVar[bool] = True

    model: FilePath = Field(
        description="Model: a name on the Hugging Face Hub or a folder. A folder starts with `/`, `./` or `~` and must be "
        "accessible to every worker.",
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        description="Commit, tag or branch on the Hub. The report contains the commit that was used.",
    )
    engine: Literal["auto", "transformers", "vllm", "ascend", "fake"] = Field(
        default="auto",
        description="Inference engine. `auto` uses vLLM if it is installed and there is an accelerator, otherwise "
        "transformers; the report contains the choice. `fake` answers with digests, for tests.",
    )
    device: Literal["auto", "cpu"] = Field(
        default="auto",
        description="Device to run on. `auto` uses the accelerators of the job; `datajob run` uses those of the machine, or "
        "its CPU. `cpu` uses the CPU, on a cluster the CPU workers; it suits small models.",
    )
    dtype: Literal["float16", "bfloat16", "float32"] | None = Field(
        default=None, description="Data type of the weights; by default float16 on accelerators and float32 on CPUs."
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
    batch_rows: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="Maximum number of rows per batch; by default 64 on accelerators, 16 on CPUs.",
    )
    actors: Actors = Field(default=Actors(), description="Number and resources of the processes that load the model.")
    tokens_column: NewColumn | None = Field(default=None, description="Column (int32) for the number of tokens.")
    seconds_column: NewColumn | None = Field(
        default=None, description="Column (float32) for the share of the row in the time of its batch, in seconds."
    )

    def accelerated(self) -> bool:
        """All models but those of the fake engine and of `device: cpu`."""
        return self.engine != "fake" and self.device == "auto"

    def needs(self) -> ModelResources:
        """The resources of `actors`."""
        a = self.actors
        return ModelResources(a.accelerators, a.cpus, a.min, a.max, BARE_PROCESS if self.engine == "fake" else self._memory())

    def _memory(self) -> int | None:
        """Memory of a process with a copy on the CPU in bytes, from the files of a model in a local folder."""
        files = list(Path(self.model).expanduser().glob("*.safetensors"))
        bare = 2 * BARE_PROCESS if self.engine == "vllm" else BARE_PROCESS  # measured: 1.9 GB, not 1.4
        return bare + 2 * sum(f.stat().st_size for f in files) if files else None

    def settings(self) -> Settings:
        """The settings that determine what to load."""
        raise NotImplementedError

    def loads(self) -> str:
        """Steps with the same settings share one copy of the model."""
        return repr(self.settings())

    def setup(self, device: Device) -> Engine:
        """Start the engine."""
        from datajob.operators.inference._engines.choosing import start_engine

        return start_engine(self.settings(), device)

    def preparation(self, model: Engine) -> Any:
        """That of the engine."""
        return model.preparation

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
        answers: list[Answer] = []
        failed: dict[int, str] = {}
        for row, question in enumerate(asked):
            try:
                if isinstance(question, RequestError):
                    raise question
                answers.append(futures[row].result() if row in futures else Answer(**known[keys[row]]))
            except RequestError as error:
                failed[row] = str(error)
                answers.append(Answer())
        reused = sum(isinstance(a, Request) for a in asked) - len(new)
        return Inferred({**self.output_columns(answers), **self._measures(answers)}, failed, reused)

    def _measures(self, answers: list[Answer]) -> dict[str, pa.Array]:
        import pyarrow as pa

        columns: dict[str, pa.Array] = {}
        if self.tokens_column:
            columns[self.tokens_column] = pa.array([a.tokens for a in answers], pa.int32())
        if self.seconds_column:
            columns[self.seconds_column] = pa.array([a.seconds for a in answers], pa.float32())
        return columns


def _store(cache: ModelOutputCache, waiting: dict[Future[Answer], str]) -> None:
    """Wait for the answers and store them as they arrive."""
    while waiting:
        done, _ = wait(waiting, KEEP_SECONDS)
        found = {key: asdict(f.result()) for f in done if (key := waiting.pop(f)) and f.exception() is None}
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
