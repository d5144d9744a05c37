"""The model of a service: the block of a step of a DataJob, without what belongs to a row."""

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field, create_model

from datajob.one_of import Choice, choice
from datajob.operators.inference._model_step import ModelStep
from datajob.operators.registry import all_operators
from datajob.parameters import FilePath, Parameters

KEYS = ("visionLanguage", "textGeneration", "embed")
"""The steps whose model a service can serve."""
OF_ROWS = frozenset({
    "prompt", "image", "image_folder", "column", "output", "finish_reason_column", "tokens_column", "seconds_column",
})  # fmt: skip
"""Fields of the steps that refer to the rows of a job."""
OF_JOBS = frozenset({"actors", "endpoint", "service"})
"""Fields of the steps that state where a job runs its model. A replica of a service runs one copy."""
_FILLED = {"prompt": "-", "column": "text"}
"""Values of required fields of rows, for a step that is only used to load its model."""
_MODEL = "Model: a name on the Hugging Face Hub or a folder, which starts with `/` and must be accessible to every replica."
_DESCRIPTIONS = {
    "device": "Device to run on. `auto` uses the accelerators of the service; `datajob serve` uses those of the machine, or "
    "its CPU. `cpu` uses the CPU; it suits small models.",
    "revision": "Commit, tag or branch on the Hub. Set a commit to serve the same weights after each restart.",
    "system": "System prompt of conversations without one.",
    "max_new_tokens": "Maximum number of tokens of an answer if a request does not state one.",
    "temperature": "Sampling temperature if a request does not state one; 0 always takes the most likely token.",
    "top_p": "Sample from the most likely tokens with this total probability, if a request does not state it.",
    "seed": "Seed of the sampling if a request does not state one.",
    "chat_template": "Whether the model has a chat template. Otherwise, only `/v1/completions` is available.",
    "prefix": "Prefix for each text, such as `query: `, if the model expects one.",
    "batch_rows": "Maximum number of requests per batch. By default, 64 on accelerators, 16 on CPUs.",
}
"""Descriptions that differ from those of the steps, which refer to rows and jobs."""


def _served(key: str) -> type[Parameters]:
    """The block of a step, without the fields of rows."""
    fields: dict[str, Any] = {"model": (FilePath, Field(description=_MODEL))}
    for name, info in all_operators()[key].model_fields.items():
        if name not in (*OF_ROWS, *OF_JOBS, "model"):
            field = copy(info)
            field.description = _DESCRIPTIONS.get(name, info.description)
            fields[name] = (info.annotation, field)
    doc = f"The model of the step `{key}`."
    made = cast(type[Parameters], create_model(f"Served{key[:1].upper()}{key[1:]}", __base__=Parameters, __doc__=doc, **fields))
    made.hints = _hints(key)
    return made


def _hints(key: str) -> dict[str, str]:
    """Suggestions for the fields of the step that a service does not have."""
    step = all_operators()[key]
    aliases = {name: field.alias or name for name, field in step.model_fields.items()}
    rows = {aliases[name]: "remove it: it belongs to the steps of a DataJob" for name in OF_ROWS & aliases.keys()}
    inputs = {aliases[name]: "remove it: each request contains its own" for name in ("prompt", "image") if name in aliases}
    loads = "remove it: a service loads its model itself, and other servers cannot be used"
    return {**rows, **inputs, "actors": "use `spec.replicas`", "endpoint": loads, "service": loads}


ALTERNATIVES: Mapping[str, type[Parameters]] = {key: _served(key) for key in KEYS}

if TYPE_CHECKING:

    class ServedModel(Choice): ...

else:
    ServedModel = choice("ServedModel", "model", ALTERNATIVES, "The model: exactly one key of a step with its parameters.")
    ServedModel.hints = {"llava": "use `visionLanguage`, which serves the same models"}


def as_step(model: ServedModel) -> ModelStep:
    """The step of a DataJob with the same model, for its settings and its engine. Its fields of rows are placeholders."""
    step = all_operators()[model.key]
    filled = {name: value for name, value in _FILLED.items() if name in step.model_fields}
    chosen = model.chosen
    values = {name: getattr(chosen, name) for name in type(chosen).model_fields if name in chosen.model_fields_set}
    made = step(**filled, **values)
    assert isinstance(made, ModelStep)
    return made
