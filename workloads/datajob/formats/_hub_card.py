"""The card of a data set after a result became a part of it. Pure functions of the card, the files and the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datajob.formats._hub_configs import DEFAULT, card_parts, config_entries, patterns_of, split_files
from datajob.formats._hub_features import card_features
from datajob.formats._hub_patterns import matching


@dataclass(frozen=True)
class SplitResult:
    """The files of a split in a result."""

    folder: str
    """The folder that contains exactly these files."""
    files: Sequence[str]
    rows: int
    size: int
    """Bytes of the files."""
    memory: int
    """Bytes of the rows without compression."""

    def info(self, name: str) -> dict[str, Any]:
        """The entry in `dataset_info`."""
        return {"name": name, "num_bytes": self.memory, "num_examples": self.rows}


@dataclass(frozen=True)
class CardUpdate:
    """A result as a part of a configuration."""

    name: str
    """Name of the data set, for a new card."""
    config: str
    splits: Mapping[str, SplitResult]
    features: Mapping[str, Any]
    """Features of all columns, in order."""
    replaces: str
    """`config`: all rows of the configuration; `splits`: those of the splits of the result; or `nothing`."""

    def apply(self, text: str | None, paths: Sequence[str]) -> tuple[str, list[str]]:
        """The new card, and the files that are not part of the data set any more. `paths` are the files before the result.

        Raises ValueError if the card cannot be understood.
        """
        card, body = card_parts(text) if text is not None else ({}, f"\n# {self.name}\n")
        entries = dict(config_entries(card))
        if not entries and (implied := split_files({}, paths)):  # the patterns of `datasets` end to apply with `configs`
            entries[DEFAULT] = {"config_name": DEFAULT, "data_files": _listed(implied)}
        old = entries.get(self.config)
        before = split_files(old, paths) if old is not None else {}
        kept = {split: files for split, files in before.items() if not self._replaced(split)}
        entries[self.config] = {**_without_files(old or {"config_name": self.config}), "data_files": self._patterns(old, kept)}
        needed = {file for entry in entries.values() if entry is not entries[self.config] for file in _files(entry, paths)}
        needed |= {file for files in kept.values() for file in files}
        removed = [file for files in before.values() for file in files if file not in needed]
        card["configs"] = [_ordered(entry) for entry in entries.values()]
        card["dataset_info"] = self._infos(card.get("dataset_info"), kept)
        return _text(card, body), removed

    def _replaced(self, split: str) -> bool:
        return self.replaces == "config" or (self.replaces == "splits" and split in self.splits)

    def _patterns(self, old: Mapping[str, Any] | None, kept: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """`data_files` of the configuration: kept patterns, if they do not match new files, and the folders of the result."""
        folder = str((old or {}).get("data_dir") or "").strip("/")
        declared = (patterns_of(old) if old is not None else None) or {}
        new_files = [file for split in self.splits.values() for file in split.files]
        found: dict[str, list[str]] = {}
        for split, files in kept.items():
            patterns = [f"{folder}/{pattern}" if folder else pattern for pattern in declared.get(split, ())]
            clear = patterns and not any(matching(pattern, new_files) for pattern in patterns)
            found[split] = patterns if clear else list(files)
        for split, result in self.splits.items():
            found.setdefault(split, []).append(f"{result.folder}/*.parquet")
        return _listed(found)

    def _infos(self, infos: Any, kept: Mapping[str, Sequence[str]]) -> Any:
        """`dataset_info` with that of the configuration. Without numbers of rows if those of kept files are unknown."""
        listed = [one for one in (infos if isinstance(infos, list) else [infos]) if isinstance(one, dict)]
        others = [one for one in listed if str(one.get("config_name", DEFAULT)) != self.config]
        old = next((one for one in listed if one not in others), {})
        info: dict[str, Any] = {"config_name": self.config, "features": card_features(dict(self.features))}
        known = {str(one.get("name")): one for one in old.get("splits") or [] if isinstance(one, dict)}
        if all(split in known for split in kept):
            splits = [
                _sum(known.get(split) if split in kept else None, split, self.splits.get(split))
                for split in dict.fromkeys([*kept, *self.splits])
            ]
            info["splits"] = splits
            info["dataset_size"] = sum(one["num_bytes"] for one in splits)
            if not kept:
                info["download_size"] = sum(split.size for split in self.splits.values())
        return [*others, info] if others else info


def _sum(known: Mapping[str, Any] | None, name: str, result: SplitResult | None) -> dict[str, Any]:
    added = result.info(name) if result is not None else {"num_bytes": 0, "num_examples": 0}
    before = known or {}
    return {"name": name} | {key: int(before.get(key) or 0) + added[key] for key in ("num_bytes", "num_examples")}


def _listed(files: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    return [{"split": split, "path": some[0] if len(some) == 1 else list(some)} for split, some in files.items()]


def _files(entry: Mapping[str, Any], paths: Sequence[str]) -> set[str]:
    return {file for files in split_files(entry, paths).values() for file in files}


def _without_files(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in ("data_files", "data_dir")}


def _ordered(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"config_name": entry["config_name"], **entry}


def _text(card: Mapping[str, Any], body: str) -> str:
    import yaml

    return f"---\n{yaml.safe_dump(dict(card), sort_keys=False, allow_unicode=True, width=120)}---\n{body.rstrip()}\n"
