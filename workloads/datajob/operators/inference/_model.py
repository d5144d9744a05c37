"""What all steps that run a model share: which model, which engine, where, and how rows become requests and answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from datajob.operators.base import Batch, Device, Inferred, Model, ModelCache, ModelResources
from datajob.operators.inference._engines.base import Answer, Engine, Request, RequestError, Settings
from datajob.parameters import FilePath, NewColumn, Parameters

if TYPE_CHECKING:
    import pyarrow as pa

KEEP_SECONDS = 0.5
"""How long answers wait for others before they are kept, and may be lost with their process."""
BARE_PROCESS = 1 << 30
"""Bytes of a process with torch and transformers, before it loads a model."""


class Actors(Parameters):
    """The processes that hold the model, each with one copy of it."""

    min: int | None = Field(
        default=None, ge=1, le=10_000, description="Fewest actors; by default what the hardware's minimum holds."
    )
    max: int | None = Field(
        default=None, ge=1, le=10_000, description="Most actors; by default what the hardware's maximum holds."
    )
    accelerators: float = Field(
        default=1.0,
        gt=0,
        le=64,
        description="Accelerators of each: a share such as 0.5 puts two on one, 2 spreads each over two (tensor parallel).",
    )
    cpus: float = Field(default=1.0, gt=0, le=256, description="Cores of each; without accelerators also its threads.")

    @model_validator(mode="after")
    def _whole_above_one(self) -> Actors:
        if self.accelerators > 1 and self.accelerators != int(self.accelerators):
            raise ValueError("`accelerators` above 1 is a whole number")
        if self.min and self.max and self.min > self.max:
            raise ValueError(f"min ({self.min}) is above max ({self.max})")
        return self


class InferenceStep(Model):
    """Base of the steps that send rows to an engine."""

    abstract: ClassVar[bool] = True

    model: FilePath = Field(
        description="Name on the Hugging Face hub, or a folder that every worker sees; a folder begins with `/`, `./` or `~`.",
    )
    revision: str | None = Field(
        default=None, min_length=1, description="Commit, tag or branch of the hub; the commit that was used is in the report."
    )
    engine: Literal["auto", "transformers", "vllm", "ascend", "fake"] = Field(
        default="auto",
        description="`auto`: vLLM where it is installed and there is an accelerator, else transformers; the report names it. "
        "`fake` answers with digests, for tests.",
    )
    device: Literal["auto", "cpu"] = Field(
        default="auto",
        description="`auto`: the accelerators that the job asks for; `datajob run` takes those of the machine, or its CPU. "
        "`cpu`: the CPU, on a cluster the CPU workers; for small models.",
    )
    dtype: Literal["float16", "bfloat16", "float32"] | None = Field(
        default=None, description="Type of the weights; by default float16 on accelerators and float32 on the CPU."
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field(
        default="auto", description="Kernel of the attention, for the engine transformers."
    )
    quantization: Literal["none", "int8", "int4"] = Field(
        default="none", description="Quantise the weights while loading (bitsandbytes, on GPUs)."
    )
    batch_tokens: int | None = Field(
        default=None,
        ge=1,
        le=100_000_000,
        description="Most tokens of a batch, padding and answers included; by default 65,536 on accelerators, else 16,384.",
    )
    batch_rows: int | None = Field(
        default=None, ge=1, le=65_536, description="Most rows of a batch; by default 64 on accelerators, 16 on the CPU."
    )
    actors: Actors = Field(default=Actors(), description="How many copies of the model there are, and what each is given.")
    tokens_column: NewColumn | None = Field(default=None, description="Column for the number of tokens.")
    seconds_column: NewColumn | None = Field(
        default=None, description="Column for the row's share of its batch's time, in seconds."
    )

    def accelerated(self) -> bool:
        """Every model runs on the accelerators, but the fake one and those that are told not to."""
        return self.engine != "fake" and self.device == "auto"

    def needs(self) -> ModelResources:
        """As `actors` says."""
        a = self.actors
        return ModelResources(a.accelerators, a.cpus, a.min, a.max, BARE_PROCESS if self.engine == "fake" else self._memory())

    def _memory(self) -> int | None:
        """Bytes of a process with a copy on the CPU, from the files of a model that is a folder here."""
        files = list(Path(self.model).expanduser().glob("*.safetensors"))
        bare = 2 * BARE_PROCESS if self.engine == "vllm" else BARE_PROCESS  # measured: 1.9 GB, not 1.4
        return bare + 2 * sum(f.stat().st_size for f in files) if files else None

    def settings(self) -> Settings:
        """What decides what is loaded."""
        raise NotImplementedError

    def loads(self) -> str:
        """Steps with the same settings share one copy of the model."""
        return repr(self.settings())

    def setup(self, device: Device) -> Engine:
        """Start the engine."""
        from datajob.operators.inference._engines.choosing import start_engine

        return start_engine(self.settings(), device)

    def requests(self, batch: Batch) -> list[Request | RequestError]:
        """What each row asks, or why it cannot."""
        raise NotImplementedError

    def answered(self, answers: list[Answer]) -> dict[str, pa.Array]:
        """The columns of the answers, one per row (of failed rows an empty one)."""
        raise NotImplementedError

    def infer(self, batch: Batch, model: Engine, memory: ModelCache | None = None) -> Inferred:
        """Send the rows to the engine that were not answered before, and gather the answers."""
        asked = self.requests(batch)
        keys = [content_key(a) if memory is not None and isinstance(a, Request) else "" for a in asked]
        known = {} if memory is None else memory.known
        new = [i for i, a in enumerate(asked) if isinstance(a, Request) and keys[i] not in known]
        futures = dict(zip(new, model.submit([a for i in new if isinstance(a := asked[i], Request)]), strict=True))
        if memory is not None:
            _keep(memory, {future: keys[i] for i, future in futures.items()})
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
        return Inferred({**self.answered(answers), **self._measures(answers)}, failed, reused)

    def _measures(self, answers: list[Answer]) -> dict[str, pa.Array]:
        import pyarrow as pa

        columns: dict[str, pa.Array] = {}
        if self.tokens_column:
            columns[self.tokens_column] = pa.array([a.tokens for a in answers], pa.int32())
        if self.seconds_column:
            columns[self.seconds_column] = pa.array([a.seconds for a in answers], pa.float32())
        return columns


def _keep(memory: ModelCache, waiting: dict[Future[Answer], str]) -> None:
    """Wait for the answers and keep them as they come."""
    while waiting:
        done, _ = wait(waiting, KEEP_SECONDS)
        found = {key: asdict(f.result()) for f in done if (key := waiting.pop(f)) and f.exception() is None}
        if found:
            memory.keep(found)


def rows_of(batch: Batch, columns: tuple[str, ...]) -> list[Mapping[str, Any]]:
    """The rows of a batch as mappings of the columns named."""
    if not columns:
        return [{}] * len(batch)
    return list(batch.table.select(list(columns)).to_pylist())


def seed_of(seed: int, prompt: str, images: tuple[Any, ...]) -> int:
    """The seed of a row, from its content: the same wherever it stands."""
    return int.from_bytes(_digest(f"{seed}\0{prompt}", images, 7), "big")


def content_key(request: Request) -> str:
    """Stands for what is asked: requests of a step with the same key have the same answer."""
    return _digest(request.prompt, request.images, 16).hex()


def _digest(text: str, images: tuple[Any, ...], size: int) -> bytes:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size)
    for image in images:
        content = image.tobytes() if hasattr(image, "tobytes") else image if isinstance(image, bytes) else repr(image).encode()
        digest.update(f"\0{getattr(image, 'shape', len(content))}\0".encode())
        digest.update(content)
    return digest.digest()
