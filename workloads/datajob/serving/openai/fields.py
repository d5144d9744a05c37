"""Which fields of requests are accepted, ignored or refused, and errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from datajob.serving.openai.errors import ApiError, invalid, quoted, unsupported
from datajob.suggest import nearest

IGNORED = frozenset({
    "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "prediction",
})  # fmt: skip
"""Fields that do not change the answer."""
_HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "moderation": (),
    "suffix": ("",),
    "echo": (False,),
    "best_of": (1,),
}
"""Fields that are refused unless they have one of these values, which have no effect."""
_Model = TypeVar("_Model", bound="Fields")


class Fields(BaseModel):
    """A part of a request. Values are not converted: the text "5" is not a number."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def read(kind: type[_Model], body: Mapping[str, Any]) -> _Model:
    """The fields of a request. Null means that a field is missing. Raises ApiError that names the first invalid field."""
    values = {name: value for name, value in body.items() if value is not None and name not in IGNORED}
    for name in [name for name in values if name not in kind.model_fields]:
        _check_refused(kind, name, values.pop(name))
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _invalid(error) from None


def _check_refused(kind: type[Fields], name: str, value: Any) -> None:
    if name not in _HARMLESS:
        similar = nearest(name, kind.model_fields)
        hint = f" Did you mean `{similar}`?" if similar else ""
        raise invalid(f"Unrecognized request argument: {quoted(name)}.{hint}", quoted(name), "unknown_parameter")
    if not any(value == allowed and type(value) is type(allowed) for allowed in _HARMLESS[name]):
        raise unsupported(name, f"`{name}` is not supported by this service. Remove it from the request.")


def _invalid(error: ValidationError) -> ApiError:
    """The first problem, without the value: it may contain a prompt."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if len(problem["loc"]) > 1 and str(problem["loc"][1]).startswith(("str", "list[")):  # a field with several types
        name = str(problem["loc"][0])
        return invalid(f"`{name}` has none of its permitted types.", name)
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])[1:]
    if problem["type"] == "missing":
        return invalid(f"You must provide `{param}`.", param, "missing_required_parameter")
    if problem["type"] == "extra_forbidden":
        return invalid(f"Unrecognized request argument: {quoted(param)}.", quoted(param), "unknown_parameter")
    return invalid(f"Invalid value of `{quoted(param)}`: {problem['msg'][:300]}.", quoted(param))
