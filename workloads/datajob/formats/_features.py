"""Features of Hugging Face in the metadata of a schema: which columns `datasets.load_dataset` opens as images, audio or video.

A feature counts only if the type of its column is exactly the storage type of the feature.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob
from datajob.media.signatures import Kind, kind_of
from datajob.media.values import accepts, is_list, is_media, media_values

if TYPE_CHECKING:
    import pyarrow as pa

KEY = b"huggingface"
ROW_GROUP_ROWS = 100
"""Maximum number of rows with media in a row group: viewers read whole row groups."""


def read_features(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """The features in the metadata of a schema; none if there are none or if they cannot be read."""
    try:
        found = json.loads((metadata or {}).get(KEY, b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def media_columns(schema: pa.Schema, declared: Mapping[str, Kind], where: str) -> tuple[str, ...]:
    """The columns of media: those that the job declares, and structs of bytes and a path. Raises InvalidJob."""
    for name in declared:
        if name not in schema.names:
            raise InvalidJob(f"{where}: `features` names a column {name}, which the result does not have.")
        if not accepts(schema.field(name).type):
            raise InvalidJob(
                f"{where}: column {name} in `features` is {schema.field(name).type}, but media are bytes, paths, structs of "
                "`bytes` and `path`, or lists of these."
            )
    return tuple(field.name for field in schema if field.name in declared or is_media(field.type))


def with_features(schema: pa.Schema, known: Mapping[str, Any], declared: Mapping[str, Kind], first: pa.Table) -> pa.Schema:
    """The schema with the features of its columns: those that are known from the sources, and those of media.

    The kind of media is the one that the job declares, that of the source, what the name of the column or the first value
    indicates, or an image. Columns without features are left out: their types state everything.
    """
    features: dict[str, Any] = {}
    for field in schema:
        if is_media(field.type):
            feature = known.get(field.name)
            if field.name in declared or not _is_media_feature(feature, is_list(field.type)):
                feature = _feature(declared.get(field.name) or _kind(field.name, first), field.type)
            features[field.name] = feature
        elif isinstance(known.get(field.name), dict) and known[field.name].get("_type") != "Value":
            features[field.name] = known[field.name]
    if not features:
        return schema
    metadata = {**(schema.metadata or {}), KEY: json.dumps({"info": {"features": features}}).encode()}
    return schema.with_metadata(metadata)


def _feature(kind: Kind, of: Any) -> dict[str, Any]:
    if is_list(of):
        return {"feature": _feature(kind, of.value_type), "_type": "List"}
    return {"_type": kind.capitalize()}


def _is_media_feature(feature: Any, in_list: bool) -> bool:
    if not isinstance(feature, dict):
        return False
    if in_list:
        return feature.get("_type") in ("List", "LargeList", "Sequence") and _is_media_feature(feature.get("feature"), False)
    return feature.get("_type") in ("Image", "Audio", "Video")


def _kind(name: str, first: pa.Table) -> Kind:
    for kind in ("image", "audio", "video"):
        if kind in name.lower():
            return kind
    for cell in media_values(first.column(name)):
        for value in cell if isinstance(cell, tuple) else (cell,):
            if value.data is not None and (found := kind_of(value.data)):
                return found
    return "image"
