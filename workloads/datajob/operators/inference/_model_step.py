"""Base of the steps that load a model: which one, on which device, and in how many processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from datajob.operators.base import Device, Model, ModelResources
from datajob.operators.inference._engines.base import Engine, Settings
from datajob.parameters import FilePath, Parameters

BARE_PROCESS = 1 << 30
"""Memory of a process with torch and transformers before it loads a model, in bytes."""


class Actors(Parameters):
    """The processes that load the model, each with one copy."""

    min: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Minimum number of actors. By default, what fits the minimum of the hardware.",
    )
    max: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Maximum number of actors. By default, what fits the maximum of the hardware.",
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


class ModelStep(Model):
    """Base of the steps that load a model from the Hugging Face Hub or a folder."""

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
    device: Literal["auto", "cpu"] = Field(
        default="auto",
        description="Device to run on. `auto` uses the accelerators of the job; `datajob run` uses those of the machine, or "
        "its CPU. `cpu` uses the CPU, on a cluster the CPU workers; it suits small models.",
    )
    dtype: Literal["float16", "bfloat16", "float32"] | None = Field(
        default=None, description="Data type of the weights. By default, float16 on accelerators and float32 on CPUs."
    )
    batch_rows: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="Maximum number of rows per batch. By default, 64 on accelerators, 16 on CPUs.",
    )
    actors: Actors = Field(default=Actors(), description="Number and resources of the processes that load the model.")

    def accelerated(self) -> bool:
        """Unless the device is the CPU."""
        return self.device == "auto"

    def needs(self) -> ModelResources:
        """The resources of `actors`."""
        a = self.actors
        return ModelResources(a.accelerators, a.cpus, a.min, a.max, self._memory())

    def _memory(self) -> int | None:
        """Memory of a process with a copy on the CPU in bytes, from the files of a model in a local folder."""
        files = list(Path(self.model).expanduser().glob("*.safetensors"))
        return self._bare_memory() + 2 * sum(f.stat().st_size for f in files) if files else None

    def _bare_memory(self) -> int:
        return BARE_PROCESS

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
