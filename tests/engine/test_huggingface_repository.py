"""Runs that write data sets to the Hugging Face Hub: one commit for a run through every crash, and other writers."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("huggingface_hub")

from datajob.api.checks import check
from datajob.errors import DataJobError, SinkError
from datajob.formats import _hub_commit
from datajob.formats._hub_configs import card_parts
from datajob.formats._hub_places import FolderPlace, RepositoryPlace
from tests.support.hub import Hub
from tests.support.hub_jobs import PLAIN, ROWS, from_hub, job, write_input
from tests.support.killed import Killed, killed_at
from tests.support.local_jobs import make_job, read_manifest, run, write_parts


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


@pytest.mark.s3
def test_files_of_s3_are_uploaded(logged_in: Hub, tmp_path: Path, bucket: str) -> None:
    write_input(tmp_path, ROWS)
    sink = {"path": f"{bucket}/out", "repository": "org/name", "partitionBy": ["part"], "mode": "append"}
    for _ in range(2):
        run(job(tmp_path, **sink))
    files = logged_in.repositories["org/name"].at("main").files  # type: ignore[union-attr]
    found = [
        row for path, data in files.items() if path.endswith(".parquet") for row in pq.read_table(io.BytesIO(data)).to_pylist()
    ]
    assert sorted(found, key=lambda row: row["id"]) == sorted(PLAIN * 2, key=lambda row: row["id"])


def test_tokens_appear_nowhere(logged_in: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    write_input(tmp_path, PLAIN[:3])
    run(job(tmp_path, repository="org/name"))
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert logged_in.token.encode() not in stored + caplog.text.encode()


def test_plain_files_are_not_written_to_the_hub(tmp_path: Path) -> None:
    for place in ({"sink": {"parquet": {"path": "hf://datasets/org/name"}}}, {"rejects": {"path": "hf://datasets/org/name"}}):
        (problem,) = check(make_job(tmp_path / "in", tmp_path / "out", **place))
        assert "use the sink `huggingface` with `repository`" in str(problem)
