"""Which files of a data set belong to which split: by the same rules as the library `datasets`."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets.data_files import DataFilesDict, get_data_patterns, sanitize_patterns
from datasets.features import Features
from datasets.load import _ALL_ALLOWED_EXTENSIONS, infer_module_for_data_files
from datasets.packaged_modules import _MODULE_TO_EXTENSIONS

from datajob.errors import InputError
from datajob.formats._hub_configs import Config, resolve
from datajob.formats._hub_features import card_features, json_features

LAYOUTS = {
    "sharded": "data/train-00000-of-00002.parquet data/train-00001-of-00002.parquet data/my_split-00000-of-00001-ab12.parquet",
    "sharded and others": "data/test-00000-of-00001.parquet data/extra.parquet train.csv",
    "files by split": "train.csv test.csv README.md",
    "numbered files": "train_0.jsonl train_1.jsonl.gz dev-1.jsonl val.jsonl",
    "keyword in the middle": "my-train-set.json my.eval.json other.json",
    "not a keyword": "trained.json latest.json",
    "folders": "data/train/a.parquet data/test/b.parquet data/other/c.parquet",
    "folders with suffixes": "x/train-1/a.csv x/eval_2/deep/er/b.csv",
    "one file": "records.parquet LICENSE.txt .gitattributes",
    "hidden": ".hidden/train.csv __pycache__/train.csv a/.b.csv data.csv config.json",
    "mixed": "a.parquet b.parquet c.jsonl notes.txt",
    "draw": "a.parquet b.jsonl",
    "tables": "train.tsv",
    "webdataset": "shard-000.tar shard-001.tar",
    "compressed": "a.json.gz b.json.zst",
    "names": "data/tr ain@é%20.csv data/b[1].csv",
    "deep": "en/2024/train/0.parquet de/2024/train/0.parquet",
}


def in_datasets(folder: Path, patterns: Any) -> dict[str, list[str]]:
    """The files of each split in the library."""
    found = DataFilesDict.from_patterns(patterns, base_path=str(folder), allowed_extensions=_ALL_ALLOWED_EXTENSIONS)
    module, _ = infer_module_for_data_files(found)
    chosen = found.filter(extensions=_MODULE_TO_EXTENSIONS[module])
    return {split: [str(Path(file).relative_to(folder)) for file in files] for split, files in chosen.items()}


def write(folder: Path, layout: str) -> list[str]:
    paths = [path.replace("|", " ") for path in layout.split()]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    return paths


def ours(paths: list[str], card: str = "", config: str | None = None) -> Config:
    return resolve(card, sorted(paths), config, "hf://datasets/org/name")


def as_sets(splits: Any) -> dict[str, set[str]]:
    return {split: set(files) for split, files in splits.items()}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_files_without_a_card(layout: str, tmp_path: Path) -> None:
    paths = write(tmp_path, layout)
    theirs = in_datasets(tmp_path, get_data_patterns(str(tmp_path)))
    found = ours(paths).splits
    assert as_sets(found) == as_sets(theirs)
    assert list(found) == list(theirs)


PATTERNS = {
    "a file": "a.csv",
    "files": ["a.csv", "sub/*.csv"],
    "all": "**",
    "folder": "sub/**",
    "splits": [{"split": "train", "path": "*.csv"}, {"split": "odd.one", "path": ["sub/*", "sub/deep/*.csv"]}],
    "set": "[ab].csv",
    "hidden": ".h/*.csv",
    "starts with a point": "./a.csv",
}


@pytest.mark.parametrize("patterns", PATTERNS.values(), ids=PATTERNS.keys())
def test_files_of_the_patterns_in_a_card(patterns: Any, tmp_path: Path) -> None:
    import yaml

    paths = write(
        tmp_path, "a.csv b.csv sub/c.csv sub/deep/d.csv .h/e.csv sub/.f.csv README.md sub/notes.md x__/g.csv __x/h.csv"
    )
    card = f"---\n{yaml.safe_dump({'configs': [{'config_name': 'one', 'data_files': patterns}]})}---\n# A data set\n"
    assert as_sets(ours(paths, card).splits) == as_sets(in_datasets(tmp_path, sanitize_patterns(patterns)))


CARD = """---
configs:
- config_name: en
  data_dir: en
- config_name: de
  data_files: [{split: train, path: de/*.csv}]
  default: true
  sep: ";"
dataset_info:
- config_name: de
  features: [{name: id, dtype: string}, {name: label, dtype: {class_label: {names: {'0': a, '1': b}}}}]
---
"""
FILES = ["de/1.csv", "en/test.csv", "en/train.csv", "README.md"]


def test_configurations_in_a_card() -> None:
    default = ours(FILES, CARD)
    assert (default.name, default.splits, default.settings) == ("de", {"train": ["de/1.csv"]}, {"sep": ";"})
    assert default.features == {
        "id": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["a", "b"], "_type": "ClassLabel"},
    }
    assert ours(FILES, CARD, "en").splits == {"train": ["en/train.csv"], "test": ["en/test.csv"]}


REFUSED = {
    "no data": (["README.md", "a.bin"], "", None, "contains no data files"),
    "script": (["name.py", "data.csv"], "", None, r"loaded by the script name\.py, which is not run"),
    "images": (["a/1.jpg", "b/2.jpg"], "", None, "have the format images.*Use the source `images`"),
    "arrow": (["a.arrow"], "", None, "have the format arrow"),
    "formats": (["train.csv", "test.json"], "", None, r"several formats \(csv, json\)"),
    "no such configuration": (FILES, CARD, "dee", "no configuration dee; did you mean de"),
    "several configurations": (FILES, CARD.replace("  default: true\n", ""), None, "several configurations.*en, de"),
    "invalid YAML": (FILES, "---\na: [\n---\n", None, "not valid YAML"),
    "no mapping": (FILES, "---\n- a\n---\n", None, "not a mapping"),
    "invalid configs": (FILES, "---\nconfigs: {a: 1}\n---\n", None, "must be a list of entries with a `config_name`"),
    "invalid files": (FILES, "---\nconfigs: [{config_name: a, data_files: [{split: a-b, path: x}]}]\n---\n", None, "a `split`"),
    "missing files": (FILES, "---\nconfigs: [{config_name: a, data_files: [fr/*.csv]}]\n---\n", None, r"matches fr/\*\.csv"),
    "address": (FILES, "---\nconfigs: [{config_name: a, data_files: 'https://x/y.csv'}]\n---\n", None, "the address https"),
    "declared formats": (["a.csv", "b.json"], "---\nconfigs: [{config_name: a, data_files: '*'}]\n---\n", None, "of several"),
    "invalid features": (
        FILES, "---\nconfigs: [{config_name: a, data_dir: de}]\ndataset_info: {config_name: a, features: [1]}\n---\n", None,
        "features of its columns are invalid",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("paths", "card", "config", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused(paths: list[str], card: str, config: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ours(paths, card, config)


def test_features_in_cards_and_in_files() -> None:
    import datasets as d

    features = Features(
        {
            "text": d.Value("string"),
            "when": d.Value("timestamp[us, tz=UTC]"),
            "image": d.Image(),
            "audio": d.Audio(sampling_rate=16000),
            "label": d.ClassLabel(names=["no", "yes"]),
            "numbers": d.List(d.Value("int32")),
            "fixed": d.List(d.Value("float32"), length=3),
            "matrix": d.Array2D(shape=(2, 3), dtype="int8"),
            "images": d.List(d.Image()),
            "struct": {"a": d.Value("bool"), "b": [{"c": d.Value("int8")}]},
            "nested": d.List(d.List(d.Value("string"))),
            "messages": d.List({"role": d.Value("string"), "content": d.Value("string")}),
            "translation": d.Translation(languages=["de", "en"]),
            "large": d.LargeList(d.Value("int64")),
            "json": d.Json(),
        }
    )
    listed = features._to_yaml_list()
    assert Features.from_dict(json_features(listed)) == features
    assert json.loads(json.dumps(card_features(features.to_dict()))) == listed
