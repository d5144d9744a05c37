"""Runs that write data sets of Hugging Face to a folder, with cards that the library `datasets` reads."""

import io
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("huggingface_hub")

from PIL import Image

from datajob.errors import InvalidJob, SinkError
from datajob.formats.huggingface import HuggingfaceWriter
from tests.support.hub_jobs import PLAIN, ROWS, card, job, loaded, write_input
from tests.support.local_jobs import make_job, read_manifest, run


def test_splits_are_added(tmp_path: Path) -> None:
    write_input(tmp_path, ROWS)
    run(job(tmp_path, partitionBy=["part"]))
    run(job(tmp_path, partitionBy=["part"], mode="append"))
    assert {split: len(rows) for split, rows in loaded(tmp_path / "out").items()} == {"train": 40, "test": 40, "dev.new": 40}
    write_input(tmp_path, [row for row in ROWS if row["part"] == "test"], "test")
    run(job(tmp_path, "test", partitionBy=["part"], mode="overwrite", overwrite="partitions"))
    assert {split: len(rows) for split, rows in loaded(tmp_path / "out").items()} == {"train": 40, "test": 20, "dev.new": 40}
    run(job(tmp_path, mode="append", config="plain"))
    with pytest.raises(InvalidJob, match=r"the data set has a column part, but a column in `partitionBy` is not stored"):
        run(job(tmp_path, partitionBy=["part"], mode="append", config="plain"))


def test_splits_of_a_folder(tmp_path: Path) -> None:
    write_input(tmp_path, ROWS)
    run(job(tmp_path, partitionBy=["part"]))
    expected = {name: [PLAIN[i] for i in range(60) if ROWS[i]["part"] == name] for name in ("train", "test", "dev.new")}
    assert loaded(tmp_path / "out") == expected
    assert sorted(read_manifest(tmp_path / "out"), key=lambda row: row["id"]) == PLAIN
    info = card(tmp_path / "out")["dataset_info"]
    assert {split["name"]: split["num_examples"] for split in info["splits"]} == dict.fromkeys(expected, 20)
    with pytest.raises(SinkError, match="already contains a table"):
        run(job(tmp_path))


def test_modes_and_configurations(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_input(tmp_path)
    write_input(tmp_path, ROWS, "both")
    run(job(tmp_path))
    assert loaded(out) == {"train": PLAIN}
    run(job(tmp_path, mode="append"))
    assert loaded(out) == {"train": sorted(PLAIN * 2, key=lambda row: row["id"])}
    run(job(tmp_path, mode="append", split="test"))
    assert {split: len(rows) for split, rows in loaded(out).items()} == {"train": 120, "test": 60}
    write_input(tmp_path, PLAIN[:5], "few")
    run(job(tmp_path, "few", mode="overwrite", overwrite="partitions"))
    assert {split: len(rows) for split, rows in loaded(out).items()} == {"test": 60, "train": 5}
    run(job(tmp_path, "both", mode="append", config="second"))  # other columns
    assert loaded(out, "second") == {"train": ROWS}
    (out / "README.md").write_text((out / "README.md").read_text().replace("# out", "# My data\n\nA text."))
    run(job(tmp_path, "few", mode="overwrite"))
    assert loaded(out, "default") == {"train": PLAIN[:5]}
    assert loaded(out, "second") == {"train": ROWS}
    assert "# My data\n\nA text." in (out / "README.md").read_text()
    stored = [str(path.relative_to(out)) for path in out.rglob("*.parquet")]
    patterns = [file["path"] for config in card(out)["configs"] for file in config["data_files"]]
    assert {f"{Path(path).parent}/*.parquet" for path in stored} == {*patterns}  # files of replaced rows are deleted


def test_columns_of_a_data_set_stay_the_same_unless_it_is_requested(tmp_path: Path) -> None:
    write_input(tmp_path, [{"id": 1, "when": None}])
    run(job(tmp_path))
    write_input(tmp_path, [{"id": 2, "more": "x"}], "more")
    with pytest.raises(InvalidJob, match="the table has no column more"):
        run(job(tmp_path, "more", mode="append"))
    run(job(tmp_path, "more", mode="append", schemaMode="merge"))
    assert loaded(tmp_path / "out") == {"train": [{"id": 1, "when": None, "more": None}, {"id": 2, "when": None, "more": "x"}]}
    write_input(tmp_path, [{"id": "text"}], "text")
    with pytest.raises(InvalidJob, match="cannot be stored as int64"):
        run(job(tmp_path, "text", mode="append"))


def test_features(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (7, 5)).save(picture, "PNG")
    features = datasets.Features(
        id=datasets.Value("int64"),
        photo=datasets.Image(),
        label=datasets.ClassLabel(names=["cat", "dog"]),
        nested=datasets.List({"a": datasets.Value("float32"), "b": datasets.List(datasets.Value("string"))}),
        when=datasets.Value("timestamp[us, tz=UTC]"),
        day=datasets.Value("date32"),
        vector=datasets.List(datasets.Value("float32"), length=2),
    )
    row = {"id": 0, "photo": {"bytes": picture.getvalue(), "path": "a.png"}, "label": 1, "nested": [{"a": 1.5, "b": ["x"]}],
           "when": "2026-11-27T00:00:00Z", "day": "2026-11-27", "vector": [1.0, 2.0]}  # fmt: skip
    (tmp_path / "in").mkdir()
    datasets.Dataset.from_list([row], features=features).to_parquet(str(tmp_path / "in" / "a.parquet"))
    run(job(tmp_path))
    found = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert found.features == features
    assert found[0]["photo"].size == (7, 5)
    assert datasets.Features._from_yaml_list(card(tmp_path / "out")["dataset_info"]["features"]) == features


def test_types_that_hugging_face_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(
        pa.table({"id": [1], "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))}), tmp_path / "in/a.parquet"
    )
    with pytest.raises(
        InvalidJob, match=r"column map contains the type map<string, int64>, which data sets of Hugging Face do not"
    ):
        run(job(tmp_path))


@pytest.mark.parametrize(("names", "words"), [(["a-b"], "'a-b', which is not the name"), ([None], "None"), ([1], "is int64")])
def test_invalid_names_of_splits(tmp_path: Path, names: list[Any], words: str) -> None:
    write_input(tmp_path, [{"id": 1, "part": name} for name in names])
    with pytest.raises(InvalidJob, match=words):
        run(job(tmp_path, partitionBy=["part"]))


@pytest.mark.parametrize("mode", ["error", "append", "overwrite"])
def test_results_without_rows(tmp_path: Path, mode: str) -> None:
    write_input(tmp_path)
    if mode != "error":
        run(job(tmp_path, split="test"))
    sink = {"huggingface": {"path": str(tmp_path / "out"), "mode": mode}}
    run(make_job(tmp_path / "in", tmp_path, [{"filter": {"where": "id < 0"}}], sink=sink))
    if mode == "append":  # the library cannot load data sets with a split without rows
        assert loaded(tmp_path / "out") == {"test": PLAIN}
        return
    (file,) = (tmp_path / "out").rglob("*.parquet")
    assert pq.read_table(file).schema.names == ["id", "text"]
    assert [file["split"] for file in card(tmp_path / "out")["configs"][0]["data_files"]] == ["train"]
    assert [one["name"] for one in card(tmp_path / "out")["dataset_info"]["features"]] == ["id", "text"]


def test_parameters_that_contradict_each_other() -> None:
    for parameters, words in (
        ({"partition_by": ("a", "b")}, "only one column"),
        ({"repository": "org/name@main"}, "not the name of a repository"),
        ({"split": "a-b"}, "pattern"),
        ({"overwrite": "partitions"}, "requires `mode: overwrite`"),
    ):
        with pytest.raises(ValueError, match=words):
            HuggingfaceWriter.model_validate({"path": "x", **parameters})
