"""Which files belong to the splits of a data set, by the rules of the library `datasets`. Pure functions of paths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import PurePosixPath

TRAIN = "train"
SPLIT = re.compile(r"\w+(\.\w+)*")
_SHARDED = "data/{split}-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9]*.*"
_SHARDED_SPLIT = re.compile(r"(?P<split>.+)-\d{5}-of-\d{5}.*\..*")
_KEYWORDS = {
    TRAIN: ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SEPARATORS = "-._ 0-9"
_IN_FOLDER = ("**/{word}/**", "**/{word}[{sep}]*/**", "**/*[{sep}]{word}/**", "**/*[{sep}]{word}[{sep}]*/**")
_IN_FILE = ("**/{word}[{sep}]*", "**/*[{sep}]{word}[{sep}]*")
_IGNORED = {"README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dummy_data.zip", "dataset_dict.json"}
FORMATS = {
    ".parquet": "parquet", ".geoparquet": "parquet", ".gpq": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".csv": "csv", ".tsv": "csv", ".txt": "text", ".tar": "webdataset",
}  # fmt: skip
"""The format of files by a suffix of their names, for formats that are read."""
_OTHER = {
    "arrow": ".arrow", "archives": ".zip", "hdf5": ".h5 .hdf5", "lance": ".lance", "vortex": ".vortex", "xml": ".xml",
    "conll": ".conll .conllu", "pdf": ".pdf",
    "images": ".jpg .jpeg .png .webp .gif .bmp .tif .tiff .heic .avif",
    "audio": ".wav .mp3 .flac .ogg .opus .m4a .aac .aiff",
    "video": ".mp4 .mkv .avi .mov .webm .mpeg .mpg",
}  # fmt: skip
OTHERS = {suffix: name for name, suffixes in _OTHER.items() for suffix in suffixes.split()}
"""Formats of `datasets` that are not read, by a suffix of the names of their files."""
_ORDER = (".parquet", ".arrow", ".jsonl", ".json", ".csv")
"""Which suffix determines the format of as many files with one suffix as with another."""


def formats_of(path: str) -> list[str]:
    """The formats that the suffixes of a name indicate, such as those of `a.jsonl.gz`."""
    return [format_ for suffix in _suffixes(path) if (format_ := FORMATS.get(suffix) or OTHERS.get(suffix))]


def _suffixes(path: str) -> list[str]:
    return [f".{part.lower()}" for part in PurePosixPath(path).name.split(".")[1:]]


def matching(pattern: str, paths: Sequence[str], folder: str = "") -> list[str]:
    """The data files among `paths` that a pattern below `folder` matches."""
    whole = f"{folder}/{pattern}" if folder else pattern
    whole = whole.removeprefix("./")
    found = _compiled(whole).fullmatch
    ignored = _IGNORED - {PurePosixPath(pattern).name}
    return [
        path
        for path in paths
        if found(f"/{path}")
        and PurePosixPath(path).name not in ignored
        and formats_of(path)
        and _hidden(path) == _hidden(whole)
        and _special(path) == _special(whole)
    ]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    from fsspec.utils import glob_translate

    return re.compile(glob_translate(f"/{pattern}"))


def _hidden(path: str) -> int:
    return sum(part.startswith(".") and bool(part.strip(".")) for part in PurePosixPath(path).parts)


def _special(path: str) -> int:
    return sum(part.startswith("__") for part in PurePosixPath(path).parent.parts)


def default_patterns(paths: Sequence[str], folder: str = "") -> dict[str, list[str]]:
    """The patterns of the splits of a data set whose card has none. Empty if there are no data files."""
    sharded = matching(_SHARDED.replace("{split}", "*"), paths, folder)
    names = {match["split"] for path in sharded if (match := _SHARDED_SPLIT.fullmatch(PurePosixPath(path).name))}
    if names:
        ordered = [*(name for name in _KEYWORDS if name in names), *sorted(names - _KEYWORDS.keys())]
        return {name: [_SHARDED.replace("{split}", name)] for name in ordered}
    for patterns in (_by_keyword(_IN_FOLDER), _by_keyword(_IN_FILE), {TRAIN: ["**"]}):
        found = {split: some for split, some in patterns.items() if any(matching(one, paths, folder) for one in some)}
        if found:
            return found
    return {}


def _by_keyword(patterns: Sequence[str]) -> dict[str, list[str]]:
    return {
        split: [pattern.format(word=word, sep=_SEPARATORS) for word in words for pattern in patterns]
        for split, words in _KEYWORDS.items()
    }


def main_format(paths: Sequence[str]) -> tuple[str, str] | None:
    """The most frequent format of data files, with the suffix that indicates it. None without data files."""
    counts = Counter(suffix for path in paths for suffix in _suffixes(path))

    def rank(item: tuple[str, int]) -> tuple[object, ...]:
        suffix, count = item
        return (count, *(suffix == one for one in _ORDER), suffix)

    for suffix, _ in sorted(counts.items(), key=rank, reverse=True):
        if format_ := FORMATS.get(suffix) or OTHERS.get(suffix):
            return format_, suffix
    return None
