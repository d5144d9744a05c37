"""Models with one optional key per alternative, exactly one of which is set, like the volumes of a Pod."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, cast
from warnings import catch_warnings, filterwarnings

from pydantic import (
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    create_model,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from datajob.parameters import Parameters

EXACTLY_ONE = "x-exactly-one"
"""JSON Schema keyword of a mapping in which exactly one key is set; its value is the term for such a key."""


@dataclass(frozen=True, eq=False)
class _OnFirstUse:
    """Imports an alternative and builds its validator on first use, because there are more than a hundred."""

    alternatives: Mapping[str, type[Parameters]]
    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        model = self.alternatives[self.key]
        model.model_rebuild()
        return handler(model.__pydantic_core_schema__)

    def _validate(self, value: Any, info: ValidationInfo) -> Parameters:
        by_name = None if info.context is None else info.context.get("by_name")
        return self.alternatives[self.key].model_validate(value, by_alias=True, by_name=by_name, context=info.context)


def _describe(schema: dict[str, Any], model: type["Choice"]) -> None:
    """Remove null from the types of the keys: one key is present, the others are absent."""
    properties = schema["properties"]
    schema["properties"] = {key: properties[key]["anyOf"][0] for key in properties}
    schema[EXACTLY_ONE] = model.what


class Choice(Parameters):
    """A mapping in which exactly one key is set."""

    model_config = ConfigDict(alias_generator=None, json_schema_extra=_describe)

    what: ClassVar[str] = "key"
    alternatives: ClassVar[Mapping[str, type[Parameters]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, value: Any) -> Any:
        if isinstance(value, Parameters) and not isinstance(value, Choice):
            return cls.keyed(value)
        if not isinstance(value, Mapping):
            return value
        known = [key for key in value if key in cls.alternatives]
        if len(value) > 1 and len(known) == 0:
            return value  # only unknown keys: their own errors are clearer
        if len(value) != 1:
            found = f"{len(value)}: {', '.join(map(str, value))}" if value else "none"
            raise ValueError(f"needs exactly one {cls.what} key, found {found}")
        if known and value[known[0]] is None:
            raise ValueError(f"`{known[0]}` has no value; write `{known[0]}: {{}}` to use the defaults")
        return value

    @classmethod
    def keyed(cls, value: Parameters) -> dict[str, Any]:
        """The block for an alternative that is given without its key, as Python code does. Raises ValueError."""
        key = getattr(value, "key", "")
        if key not in cls.alternatives or not isinstance(value, cls.alternatives[key]):
            raise ValueError(f"{type(value).__name__} is not a built-in {cls.what}")
        return {key: value}

    @property
    def key(self) -> str:
        """The key that is set."""
        return next(name for name in self.alternatives if getattr(self, name) is not None)

    @property
    def chosen(self) -> Any:
        """The parameters under that key."""
        return getattr(self, self.key)

    @model_serializer(mode="wrap")
    def _only_the_chosen(self, handler: Any) -> dict[str, Any]:
        return {k: v for k, v in handler(self).items() if v is not None}


def choice(
    name: str, what: str, alternatives: Mapping[str, type[Parameters]], doc: str, parent: type[Choice] = Choice
) -> type[Choice]:
    """A `Choice` model with one optional field per alternative."""
    fields: dict[str, Any] = {key: (Annotated[Any, _OnFirstUse(alternatives, key)] | None, None) for key in alternatives}
    base = type(f"_{name}", (parent,), {"what": what, "alternatives": alternatives, "__module__": __name__})
    with catch_warnings():
        filterwarnings("ignore", message="Field name .* shadows an attribute")  # `json` is no method of a choice
        return cast(type[Choice], create_model(name, __base__=base, __doc__=doc, **fields))


def summary(model: type[Any]) -> str:
    """The first paragraph of a class docstring on one line."""
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())
