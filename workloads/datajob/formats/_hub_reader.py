"""The reader of the files of a data set, with the settings in its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datajob.errors import InputError, InvalidJob
from datajob.formats._hub_configs import Config
from datajob.formats.base import FileReader, InputFile
from datajob.formats.registry import all_readers

_SETTINGS = {
    "csv": {
        "sep": "delimiter", "delimiter": "delimiter", "names": "names", "column_names": "names", "quotechar": "quote",
        "escapechar": "escape", "comment": "comment", "encoding": "encoding", "skipinitialspace": "skipBlanks",
    },
    "text": {"encoding": "encoding"},
}  # fmt: skip
"""Parameters of `datasets` with the same meaning as one of the reader."""
_CHANGE_ROWS = {
    "csv": {
        "header", "skiprows", "nrows", "na_values", "keep_default_na", "thousands", "decimal", "quoting", "skipfooter",
        "index_col", "usecols", "true_values", "false_values", "dialect", "prefix", "lineterminator", "doublequote",
        "encoding_errors", "on_bad_lines", "date_format",
    },
    "text": {"sample_by", "keep_linebreaks", "encoding_errors"},
    "json": {"field", "encoding", "encoding_errors"},
    "parquet": {"columns", "filters", "on_bad_files"},
    "webdataset": set(),
}  # fmt: skip
"""Other parameters of `datasets` that change the rows. They are refused."""
_DECLARED = {"bool", "string", "float32", "float64"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
"""Types in cards that readers of text formats are given."""


def reader_of(
    config: Config, files: Sequence[InputFile], columns: tuple[str, ...] | None, include_path: str | None, place: str
) -> FileReader:
    """The reader. Raises InputError if the card contains settings that are not supported."""
    settings = _settings(config, place)
    if config.format in ("csv", "json"):
        settings["schema"] = _types(config.features, columns)
    if columns is not None:
        if config.format == "text":
            raise InvalidJob("huggingface: `columns` cannot be set for a data set of text files; they have the column `text`.")
        settings["columns"] = columns
    if include_path is not None:
        settings["includePath"] = include_path
    reader = all_readers()[config.format].model_validate({"paths": [file.path for file in files[:1]], **settings})
    assert isinstance(reader, FileReader)
    return reader


def _settings(config: Config, place: str) -> dict[str, Any]:
    known = _SETTINGS.get(config.format, {})
    found: dict[str, Any] = {}
    for name, value in config.settings.items():
        if name in known:
            found[known[name]] = value
        elif name == "header" and config.format == "csv" and value in (None, 0, "infer"):
            if value != "infer":
                found["header"] = value == 0
        elif name == "sample_by" and value in ("line", "document"):
            found["mode"] = "line" if value == "line" else "file"
        elif name in _CHANGE_ROWS[config.format]:
            raise InputError(
                f"{place}: its card sets `{name}`, which this source does not support. Read the files with the source "
                f"`{config.format}`, with paths that start with {place}/."
            )
    if "names" in found:  # replace no header, unless the card states that there is one
        found.setdefault("header", config.settings.get("header") == 0)
    if config.format == "csv" and config.suffix == ".tsv":
        found.setdefault("delimiter", "\t")
    return found


def _types(features: Mapping[str, Any], columns: Sequence[str] | None) -> dict[str, str]:
    """The types that the card declares for columns of plain values."""
    return {
        name: feature["dtype"]
        for name, feature in features.items()
        if isinstance(feature, dict)
        and feature.get("_type") == "Value"
        and feature.get("dtype") in _DECLARED
        and (columns is None or name in columns)
    }
