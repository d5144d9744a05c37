"""Models with one optional key per alternative, of which exactly one is set (the idiom of a Pod's volumes)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

from pydantic import Field, create_model, model_serializer, model_validator

from workloads.parameters import Parameters


class Choice(Parameters):
    """Exactly one of its keys is set."""

    what: ClassVar[str] = "key"

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and (known := [k for k in value if k in cls.model_fields]) != list(value) and not known:
            return value  # unknown keys only: their own error says more
        if isinstance(value, Mapping) and len(value) != 1:
            found = ", ".join(map(str, value)) or "none"
            raise ValueError(f"needs exactly one {cls.what} key, found {len(value)}: {found}")
        return value

    @property
    def key(self) -> str:
        """The key that is set."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def chosen(self) -> Any:
        """The parameters under that key."""
        return getattr(self, self.key)

    @model_serializer(mode="wrap")
    def _only_the_chosen(self, handler: Any) -> dict[str, Any]:
        return {k: v for k, v in handler(self).items() if v is not None}

    @classmethod
    def of(cls, parameters: Parameters) -> Self:
        """The choice that holds `parameters`."""
        name = next(n for n, f in cls.model_fields.items() if type(parameters).__name__ in str(f.annotation))
        return cls(**{name: parameters})


def choice(name: str, what: str, alternatives: Mapping[str, type[Parameters]], doc: str) -> type[Choice]:
    """A `Choice` model with one optional field per alternative, described by its class docstring."""
    fields: dict[str, Any] = {
        key: (model | None, Field(default=None, description=summary(model))) for key, model in alternatives.items()
    }
    base = type(f"_{name}", (Choice,), {"what": what, "__module__": __name__})
    return cast(type[Choice], create_model(name, __base__=base, __doc__=doc, **fields))


def summary(model: type[Any]) -> str:
    """The first paragraph of a class docstring on one line."""
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())
