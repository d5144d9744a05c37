"""Features of Hugging Face in the two forms that they have: in the metadata of Parquet files (JSON) and in cards (YAML)."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob
from datajob.formats._columns import rebuilt

if TYPE_CHECKING:
    import pyarrow as pa

_LISTS = {"List": "list", "LargeList": "large_list", "Sequence": "sequence"}
_OBJECTS = {
    "image": "Image",
    "audio": "Audio",
    "video": "Video",
    "pdf": "Pdf",
    "json": "Json",
    "nifti": "Nifti",
    "mesh": "Mesh",
}
"""Features without parameters, whose names in cards look like types."""


def json_features(listed: Any) -> dict[str, Any]:
    """The features of a card in the form of Parquet files. Raises ValueError if they are invalid."""
    try:
        return {str(one["name"]): _to_json({key: v for key, v in one.items() if key != "name"}) for one in listed}
    except (TypeError, KeyError, AttributeError, StopIteration) as error:
        raise ValueError(f"the features of its columns are invalid: {error!r}") from error


def _to_json(feature: dict[str, Any]) -> Any:
    kind, value = next(iter(feature.items()))
    rest = {key: other for key, other in feature.items() if key != kind}
    if kind in _LISTS.values():
        inner = {"dtype": value} if isinstance(value, str) else {"struct": value} if isinstance(value, list) else value
        if kind == "sequence" and isinstance(value, list):  # a list of structs is stored as a struct of lists
            return {name: {"feature": of, **rest, "_type": "List"} for name, of in json_features(value).items()}
        name = "LargeList" if kind == "large_list" else "List"
        return {"feature": _to_json(inner), **rest, "_type": name}
    if kind == "struct":
        return json_features(value)
    if kind == "dtype" and isinstance(value, str):
        if value in _OBJECTS:
            return {"_type": _OBJECTS[value]}
        return {**feature, "_type": "Value"}
    if kind == "dtype":
        return _to_json(value)
    parameters = copy.deepcopy(value)
    if kind == "class_label" and isinstance(parameters.get("names"), dict):
        parameters["names"] = [parameters["names"][key] for key in sorted(parameters["names"], key=int)]
    return {**parameters, "_type": "".join(part.capitalize() for part in kind.split("_"))}


def card_features(features: dict[str, Any]) -> list[dict[str, Any]]:
    """The features of Parquet files in the form of cards."""
    return [{"name": name, **_to_card(feature)} for name, feature in features.items()]


def _to_card(feature: Any) -> dict[str, Any]:
    kind = feature.get("_type") if isinstance(feature.get("_type"), str) else None
    rest = {key: value for key, value in feature.items() if key != "_type"}
    if kind is None:
        return {"struct": card_features(feature)}
    if kind in _LISTS:
        inner = _to_card(rest.pop("feature"))
        only = next(iter(inner)) if len(inner) == 1 else ""
        return {_LISTS[kind]: inner[only] if only in ("dtype", "struct") and _is_short(inner) else inner, **rest}
    if kind == "Value":
        return rest
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    if not rest:
        return {"dtype": name}
    if kind == "ClassLabel" and isinstance(rest.get("names"), list):
        rest["names"] = {str(number): label for number, label in enumerate(rest["names"])}
    return {"dtype": {name: rest}}


def _is_short(inner: dict[str, Any]) -> bool:
    return isinstance(inner.get("dtype", ""), str)


def wide_decimals(schema: pa.Schema) -> pa.Schema:
    """The schema with decimals of 128 bits in place of shorter ones, which features do not have."""
    import pyarrow as pa
    import pyarrow.types as t

    def leaf(kind: Any) -> Any:
        short = t.is_decimal32(kind) or t.is_decimal64(kind)
        return pa.decimal128(kind.precision, kind.scale) if short else kind

    return pa.schema([field.with_type(rebuilt(field.type, leaf)) for field in schema])


def features_of(schema: pa.Schema, known: dict[str, Any]) -> dict[str, Any]:
    """The features of all columns: those that are known, and those that types state. Raises InvalidJob for other types."""
    return {field.name: known.get(field.name) or _of_type(field.type, field.name) for field in schema}


def _of_type(kind: Any, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_struct(kind):
        return {field.name: _of_type(field.type, name) for field in kind}
    if t.is_fixed_size_list(kind):
        return {"feature": _of_type(kind.value_type, name), "length": kind.list_size, "_type": "List"}
    if t.is_list(kind):
        return {"feature": _of_type(kind.value_type, name), "_type": "List"}
    if isinstance(kind, pa.JsonType):
        return {"_type": "Json"}
    if t.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
        raise InvalidJob(
            f"sink.huggingface: column {name} contains the type {kind}, which data sets of Hugging Face do not have. Convert "
            f"it with a `compute` step, as in `to_json({name})`."
        )
    return {"dtype": _dtype(kind), "_type": "Value"}


def _dtype(kind: Any) -> str:
    import pyarrow.types as t

    known = {"halffloat": "float16", "float": "float32", "double": "float64", "date32[day]": "date32", "date64[ms]": "date64"}
    return f"fixed_size_binary[{kind.byte_width}]" if t.is_fixed_size_binary(kind) else known.get(str(kind), str(kind))
