"""Runs that write data sets of Hugging Face: one commit for a run through every crash, with cards that `datasets` reads."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("huggingface_hub")

import datasets
from PIL import Image

from datajob.errors import DataJobError, InvalidJob, SinkError
from datajob.formats import _hub_commit
from datajob.formats._hub_configs import card_parts
from datajob.formats._hub_places import FolderPlace, RepositoryPlace
from datajob.formats.huggingface import HuggingfaceWriter
from tests.support.hub import Hub
from tests.support.killed import Killed, killed_at
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "text": f"row {i}", "part": ("train", "test", "dev.new")[i % 3]} for i in range(60)]
PLAIN = [{"id": row["id"], "text": row["text"]} for row in ROWS]


def job(tmp_path: Path, source: str = "in", **sink: Any) -> Any:
    return make_job(tmp_path / source, tmp_path, sink={"huggingface": {"path": str(tmp_path / "out"), **sink}})


def write_input(tmp_path: Path, rows: Rows = PLAIN, name: str = "in") -> None:
    write_parts(tmp_path / name, rows, 3)


def loaded(folder: Path, *config: str) -> dict[str, Rows]:
    """The splits, as the library loads the folder. It checks the numbers of rows in the card."""
    found = datasets.load_dataset(
        str(folder), *config, cache_dir=str(folder.parent / f"cache-{len(list(folder.parent.iterdir()))}")
    )
    return {str(split): sorted(data.to_list(), key=lambda row: row["id"]) for split, data in found.items()}


def card(folder: Path) -> dict[str, Any]:
    return card_parts((folder / "README.md").read_text())[0]


@pytest.fixture
def logged_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return hub


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


LOAD = """
import datasets, json, sys
found = datasets.load_dataset(*sys.argv[1:], cache_dir=sys.argv[1] + "-cache" if "/tmp" in sys.argv[1] else "cache")
print(json.dumps({str(split): sorted(data.to_list(), key=lambda row: row["id"]) for split, data in found.items()}))
"""


def from_hub(hub: Hub, tmp_path: Path, *arguments: str) -> Any:
    """What the library loads from the stand-in, in a process of its own because it reads the address at its start."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": hub.token,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_repository(logged_in: Hub, tmp_path: Path) -> None:
    write_input(tmp_path, ROWS)
    run(job(tmp_path, repository="org/new", partitionBy=["part"]))
    repository = logged_in.repositories["org/new"]
    assert repository.private
    assert [commit.title for commit in repository.branches["main"]] == ["commit", "Add the result of a DataJob"]
    expected = {name: [PLAIN[i] for i in range(60) if ROWS[i]["part"] == name] for name in ("train", "test", "dev.new")}
    assert from_hub(logged_in, tmp_path, "org/new") == expected
    back = make_job(tmp_path, tmp_path / "back", sources=[{"huggingface": {"path": "org/new", "split": "test"}}])
    run(back)
    assert sorted(read_manifest(tmp_path / "back"), key=lambda row: row["id"]) == expected["test"]
    other = tmp_path / "other"
    other.mkdir()
    write_input(other)
    with pytest.raises(SinkError, match="already contains a table"):
        run(job(other, repository="org/new"))
    run(job(other, repository="org/new", mode="overwrite", revision="v2"))
    assert len(repository.branches["main"]) == 2
    assert len(repository.branches["v2"]) == 3
    files = repository.at("v2").files  # type: ignore[union-attr]
    assert {path.split("/")[0][:5] for path in files} == {"READM", ".gita", "data-"}
    assert len({path.split("/")[0] for path in files if path.startswith("data-")}) == 1


def test_a_repository_whose_files_have_no_card(logged_in: Hub, tmp_path: Path) -> None:
    def parquet(first: int) -> bytes:
        data = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([{"id": first, "text": "old"}]), data)
        return data.getvalue()

    hub = logged_in
    hub.add("org/old", {"data/train.parquet": parquet(-1), "data/test.parquet": parquet(-2), "notes.md": "x"})
    write_input(tmp_path, PLAIN[:2])
    run(job(tmp_path, repository="org/old", mode="append"))
    old = [{"id": -1, "text": "old"}]
    assert from_hub(hub, tmp_path, "org/old") == {"train": old + PLAIN[:2], "test": [{"id": -2, "text": "old"}]}
    run(job(tmp_path, repository="org/old", mode="overwrite", overwrite="partitions", split="test"))
    files = hub.repositories["org/old"].at("main").files  # type: ignore[union-attr]
    assert "data/test.parquet" not in files
    assert {"data/train.parquet", "notes.md"} < {*files}


@pytest.mark.parametrize("where", ["folder", "repository"])
@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_driver_that_ends_at_any_step_commits_once(
    logged_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, mode: str
) -> None:
    write_parts(tmp_path / "in", PLAIN[:6], 1)
    logged_in.page = 100
    sink = {"mode": mode, **({"repository": "org/name"} if where == "repository" else {})}
    run(job(tmp_path, **sink))
    place = (
        RepositoryPlace(str(tmp_path / "out"), "org/name", "main", True)
        if where == "repository"
        else FolderPlace(str(tmp_path / "out"))
    )

    def rows() -> int:
        content = place.content()
        patterns = [file["path"] for file in card_parts(content.card or "")[0]["configs"][0]["data_files"]]
        folders = {one.rpartition("/")[0] for some in patterns for one in ([some] if isinstance(some, str) else some)}
        infos = card_parts(content.card or "")[0]["dataset_info"]["splits"]
        assert {path.rpartition("/")[0] for path in content.paths if path.endswith(".parquet")} >= folders
        return sum(split["num_examples"] for split in infos)

    for number in range(2, 11):
        before = rows()
        commits = len(logged_in.repositories["org/name"].branches["main"]) if where == "repository" else 0
        with killed_at(number, _hub_commit.Publication, monkeypatch) as steps, pytest.raises(Killed):
            run(job(tmp_path, **sink), run_id=f"run {number}")
        run(job(tmp_path, **sink), run_id=f"run {number}")
        assert rows() == (before + 6 if mode == "append" else 6), steps
        if where == "repository":
            assert len(logged_in.repositories["org/name"].branches["main"]) == commits + 1, steps


def test_another_writer_commits_at_the_same_time(logged_in: Hub, tmp_path: Path) -> None:
    write_input(tmp_path, PLAIN[:3])
    run(job(tmp_path, repository="org/name"))
    repository = logged_in.repositories["org/name"]

    def other() -> None:
        repository.commit({**repository.at("main").files, "notes.txt": b"x"})  # type: ignore[union-attr]

    logged_in.before_commit.append(other)
    run(job(tmp_path, repository="org/name", mode="append"))
    assert "notes.txt" in repository.at("main").files  # type: ignore[union-attr]
    assert [commit.title for commit in repository.branches["main"]][-2:] == ["commit", "Add the result of a DataJob"]
    assert card_parts(repository.at("main").files["README.md"].decode())[0]["dataset_info"]["splits"][0]["num_examples"] == 6  # type: ignore[union-attr]


def test_a_commit_whose_answer_is_lost_is_not_repeated(logged_in: Hub, tmp_path: Path) -> None:
    write_input(tmp_path, PLAIN[:3])
    run(job(tmp_path, repository="org/name"))
    logged_in.lost_answers.append("commit/main")
    with pytest.raises(DataJobError, match="cannot be reached"):
        run(job(tmp_path, repository="org/name", mode="append"))
    run(job(tmp_path, repository="org/name", mode="append"))
    assert len(logged_in.repositories["org/name"].branches["main"]) == 3


@pytest.mark.parametrize(("request_", "status", "code", "words"), [
    ("preupload", 403, 4, "permission denied"),
    ("auth-check", 403, 4, "permission denied"),
    (r"POST.*/commit/", 503, 6, "the Hub refuses the request"),
])  # fmt: skip
def test_failures_of_a_commit(logged_in: Hub, tmp_path: Path, request_: str, status: int, code: int, words: str) -> None:
    write_input(tmp_path, PLAIN[:3])
    logged_in.failures.append((request_, status, {}))
    with pytest.raises(DataJobError, match=f"hf://datasets/org/name@main: {words}") as failed:
        run(job(tmp_path, repository="org/name"))
    assert failed.value.exit_code == code
    run(job(tmp_path, repository="org/name"))
    assert len(logged_in.repositories["org/name"].branches["main"]) == 2


def test_missing_and_wrong_tokens_are_found_before_the_job_starts(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path, PLAIN[:3])
    for token in ("", "hf_wrong"):
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(SinkError, match="HF_TOKEN"):
            run(job(tmp_path, repository="org/name"))
        assert not list((tmp_path / "out").rglob("*.parquet"))


def test_parameters_that_contradict_each_other() -> None:
    for parameters, words in (
        ({"partition_by": ("a", "b")}, "only one column"),
        ({"repository": "org/name@main"}, "not the name of a repository"),
        ({"split": "a-b"}, "pattern"),
        ({"overwrite": "partitions"}, "requires `mode: overwrite`"),
    ):
        with pytest.raises(ValueError, match=words):
            HuggingfaceWriter.model_validate({"path": "x", **parameters})
