"""The configurations of a data set: what its card declares about files, splits and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datajob.errors import InputError
from datajob.formats._hub_features import json_features
from datajob.formats._hub_patterns import OTHERS, SPLIT, TRAIN, default_patterns, formats_of, main_format, matching
from datajob.suggest import nearest

DEFAULT = "default"
CARD = "README.md"
_FILES_PARAMETERS = {"config_name", "data_files", "data_dir", "default", "features", "version", "description"}


@dataclass(frozen=True)
class Config:
    """A configuration."""

    name: str
    splits: Mapping[str, Sequence[str]]
    """The files of each split."""
    format: str
    suffix: str
    """The suffix that indicates the format."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the reader in the card."""
    features: Mapping[str, Any] = field(default_factory=dict)
    """Features of columns in the card."""


def card_parts(text: str) -> tuple[dict[str, Any], str]:
    """The metadata and the text of a card. Raises ValueError if the metadata is not a YAML mapping."""
    import yaml

    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0] != "---" or "---" not in lines[1:]:
        return {}, text
    end = lines.index("---", 1)
    try:
        found = yaml.safe_load("\n".join(lines[1:end]))
    except yaml.YAMLError as error:
        raise ValueError(f"its metadata is not valid YAML: {error}") from error
    if not isinstance(found, dict | None):
        raise ValueError("its metadata is not a mapping")
    return found or {}, "\n".join(lines[end + 1 :])


def config_entries(card: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The entries of `configs` in a card by name. Raises ValueError if they are invalid."""
    entries = card.get("configs") or []
    if not isinstance(entries, list) or not all(isinstance(one, dict) and one.get("config_name") for one in entries):
        raise ValueError("`configs` must be a list of entries with a `config_name`")
    return {str(one["config_name"]): one for one in entries}


def patterns_of(entry: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """The patterns of `data_files` by split, or None if there are none. Raises ValueError if they are invalid."""
    files = entry.get("data_files")
    if files is None:
        return None
    if isinstance(files, str) or (isinstance(files, list) and all(isinstance(one, str) for one in files)):
        return {TRAIN: [files] if isinstance(files, str) else files}
    found: dict[str, list[str]] = {}
    for one in files if isinstance(files, list) else [None]:
        path = one.get("path") if isinstance(one, dict) else None
        patterns = [path] if isinstance(path, str) else path
        split = str(one["split"]) if isinstance(one, dict) and "split" in one else ""
        if not isinstance(patterns, list) or not SPLIT.fullmatch(split) or split in found:
            raise ValueError("`data_files` must be a list of entries with a `split`, each once, and a `path`")
        found[split] = [str(pattern) for pattern in patterns]
    return found


def split_files(entry: Mapping[str, Any], paths: Sequence[str]) -> dict[str, list[str]]:
    """The files of each split of an entry. Raises ValueError if a split has none."""
    folder = str(entry.get("data_dir") or "").strip("/")
    declared = patterns_of(entry)
    found = {}
    for split, patterns in (default_patterns(paths, folder) if declared is None else declared).items():
        for pattern in patterns:
            if "://" in pattern:
                raise ValueError(f"`data_files` contains the address {pattern}; only files of the data set itself are read")
        files = dict.fromkeys(path for pattern in patterns for path in matching(pattern, paths, folder))
        if not files:
            raise ValueError(f"no data file matches {', '.join(patterns)}")
        found[split] = list(files)
    return found


def choose_config(card: Mapping[str, Any], wanted: str | None, place: str) -> tuple[str, Mapping[str, Any]]:
    """The configuration `wanted`, or the default one. Raises InputError if there is none or if the choice is not clear."""
    entries = dict(config_entries(card)) or {DEFAULT: {}}
    if wanted is not None:
        if wanted not in entries:
            near = nearest(wanted, entries)
            raise InputError(f"{place}: has no configuration {wanted}{f'; did you mean {near}?' if near else _listed(entries)}")
        return wanted, entries[wanted]
    default = [name for name, entry in entries.items() if len(entries) == 1 or name == DEFAULT or entry.get("default")]
    if len(default) != 1:
        raise InputError(f"{place}: has several configurations; choose one in `config`{_listed(entries)}")
    return default[0], entries[default[0]]


def choose_splits(splits: Mapping[str, Sequence[str]], wanted: str | None, place: str) -> list[str]:
    """The files of `wanted`: a split, several (`train+test`) or `all`. Raises InputError."""
    if wanted is None and len(splits) > 1:
        raise InputError(f"{place}: has several splits; choose one in `split`, or `all`{_listed(splits)}")
    names = list(splits) if wanted in (None, "all") else [part.strip() for part in str(wanted).split("+")]
    for name in names:
        if "[" in name:
            raise InputError(f"{place}: parts of splits such as {name} cannot be read. Use a `sample` or `limit` step.")
        if name not in splits:
            near = nearest(name, splits)
            raise InputError(f"{place}: has no split {name}{f'; did you mean {near}?' if near else _listed(splits)}")
    return list(dict.fromkeys(file for name in names for file in splits[name]))


def resolve(card_text: str, paths: Sequence[str], wanted: str | None, place: str) -> Config:
    """The configuration to read. Raises InputError."""
    _refuse_script(paths, place)
    try:
        card, _ = card_parts(card_text)
        name, entry = choose_config(card, wanted, place)
        splits = split_files(entry, paths)
        features = _features(card, name, entry)
    except ValueError as error:
        raise InputError(f"{place}: cannot be read by its card ({CARD}): {error}.") from error
    format_, suffix = _format(splits, entry, place)
    declared = patterns_of(entry) is not None
    chosen = {split: _of_format(files, format_, declared, place) for split, files in splits.items()}
    settings = {key: value for key, value in entry.items() if key not in _FILES_PARAMETERS}
    return Config(name, chosen, format_, suffix, settings, features)


def _format(splits: Mapping[str, Sequence[str]], entry: Mapping[str, Any], place: str) -> tuple[str, str]:
    found = {main_format(files) for files in splits.values()} - {None}
    if not found:
        raise InputError(f"{place}: contains no data files.")
    if len({one[0] for one in found if one}) > 1:
        names = ", ".join(sorted(one[0] for one in found if one))
        raise InputError(f"{place}: its splits have several formats ({names}). Read them with the sources of these formats.")
    format_, suffix = sorted(one for one in found if one)[0]
    if format_ in OTHERS.values():
        advice = (
            f"Use the source `{format_}` with paths such as {place}/**"
            if format_ in ("images", "audio", "video")
            else "Set `revision: refs/convert/parquet` if the Hub has converted it to Parquet"
        )
        raise InputError(f"{place}: its files ({suffix}) have the format {format_}, which this source does not read. {advice}.")
    return format_, suffix


def _of_format(files: Sequence[str], format_: str, declared: bool, place: str) -> list[str]:
    """The files of the format. Files of others are refused if the card names them, as otherwise rows would be missing."""
    other = [file for file in files if format_ not in formats_of(file)]
    if other and declared:
        raise InputError(f"{place}: the card declares files of several formats, such as {format_} and {other[0]}.")
    return [file for file in files if format_ in formats_of(file)]


def _refuse_script(paths: Sequence[str], place: str) -> None:
    script = f"{place.rsplit('/', 1)[-1]}.py"
    if script in paths:
        raise InputError(
            f"{place}: is loaded by the script {script}, which is not run. Set `revision: refs/convert/parquet` if the Hub has "
            "converted the data set to Parquet."
        )


def _features(card: Mapping[str, Any], name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    infos = card.get("dataset_info") or []
    of_config = [
        one
        for one in (infos if isinstance(infos, list) else [infos])
        if isinstance(one, dict) and str(one.get("config_name", DEFAULT)) == name
    ]
    declared = entry.get("features") or (of_config[0].get("features") if of_config else None)
    return json_features(declared) if declared else {}


def _listed(names: Mapping[str, Any]) -> str:
    return f": {', '.join(names)}." if names else "."
