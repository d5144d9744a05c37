"""Data sets of the Hugging Face Hub as the input of runs."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("huggingface_hub")

from datajob.errors import DataJobError, InputError, InvalidJob, StorageUnavailable
from datajob.formats.huggingface import HuggingfaceReader
from tests.support import interrupted
from tests.support.hub import Hub
from tests.support.local_jobs import Rows, make_job, read_manifest, run


def parquet(rows: Rows, features: dict[str, Any] | None = None) -> bytes:
    table = pa.Table.from_pylist(rows)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    data = io.BytesIO()
    pq.write_table(table, data)
    return data.getvalue()


def numbered(first: int, last: int) -> Rows:
    return [{"id": i, "text": f"row {i}"} for i in range(first, last)]


def job(tmp_path: Path, steps: Any = (), name: str = "org/name", **source: Any) -> Any:
    return make_job(tmp_path, tmp_path / "out", steps, sources=[{"huggingface": {"path": name, **source}}])


def rows_of(tmp_path: Path, **source: Any) -> Rows:
    run(
        make_job(
            tmp_path,
            tmp_path / "out",
            sources=[{"huggingface": {"path": "org/name", **source}}],
            sink={"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}},
        )
    )
    return read_manifest(tmp_path / "out")


def add_splits(hub: Hub, **facts: Any) -> None:
    hub.add(
        "org/name",
        {
            "data/train-00000-of-00002.parquet": parquet(numbered(0, 40)),
            "data/train-00001-of-00002.parquet": parquet(numbered(40, 80)),
            "data/test-00000-of-00001.parquet": parquet(numbered(80, 90)),
        },
        **facts,
    )


def test_splits(hub: Hub, tmp_path: Path) -> None:
    add_splits(hub)
    with pytest.raises(InputError, match="has several splits; choose one in `split`, or `all`: train, test"):
        rows_of(tmp_path)
    assert rows_of(tmp_path, split="train") == numbered(0, 80)
    assert rows_of(tmp_path, split="test+train") == numbered(80, 90) + numbered(0, 80)
    assert rows_of(tmp_path, split="all", columns=["text"]) == [{"text": row["text"]} for row in numbered(0, 90)]
    for split, words in {
        "trian": "no split trian; did you mean train",
        "train[:10%]": r"parts of splits such as train\[:10%\]",
    }.items():
        with pytest.raises(InputError, match=words):
            rows_of(tmp_path, split=split)


CARD = """---
configs: [{config_name: default, data_files: "%s"%s}]
dataset_info: {features: [{name: id, dtype: %s}, {name: text, dtype: string}]}
---
"""


@pytest.mark.parametrize(
    ("file", "data", "settings", "kind"),
    [
        ("a.jsonl", '{"id": 1, "text": "a"}\n{"id": 2, "text": "b"}\n', "", "float64"),
        ("a.csv", "id;text\n1;a\n2;007\n", ", sep: ';'", "int16"),
        ("a.csv", "1,a\n2,b\n", ", names: [id, text]", "int64"),
        ("a.tsv", "id\ttext\n1\ta\n2\tb\n", "", "string"),
    ],
)
def test_formats_with_the_settings_and_types_in_the_card(
    hub: Hub, tmp_path: Path, file: str, data: str, settings: str, kind: str
) -> None:
    hub.add("org/name", {file: data, "README.md": CARD % (file, settings, kind)})
    rows = rows_of(tmp_path)
    assert rows == [{"id": str(row["id"]) if kind == "string" else row["id"], "text": row["text"]} for row in rows]
    assert [float(row["id"]) for row in rows] == [1, 2]
    (written,) = (tmp_path / "out").glob("*.parquet")
    assert str(pq.read_schema(written).field("id").type) == {"float64": "double"}.get(kind, kind)


def test_settings_that_change_rows_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", {"a.csv": "x\n1\n", "README.md": CARD % ("a.csv", ", skiprows: 2", "int64")})
    with pytest.raises(InputError, match=r"its card sets `skiprows`, which this source does not support. Read the files with"):
        rows_of(tmp_path)


def test_text_and_samples_of_web_datasets(hub: Hub, tmp_path: Path) -> None:
    import tarfile

    hub.add("org/name", {"a.txt": "one\ntwo\n"})
    assert rows_of(tmp_path) == [{"text": "one"}, {"text": "two"}]
    with pytest.raises(InvalidJob, match="`columns` cannot be set for a data set of text files"):
        rows_of(tmp_path, columns=["text"])
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for i in range(3):
            info = tarfile.TarInfo(f"{i}.txt")
            info.size = 1
            tar.addfile(info, io.BytesIO(b"%d" % i))
    hub.add("org/name", {"shard-0.tar": data.getvalue()})
    assert rows_of(tmp_path) == [{"__key__": str(i), "txt": str(i)} for i in range(3)]


def test_features_of_cards_and_files_are_kept(hub: Hub, tmp_path: Path) -> None:
    label = {"names": ["no", "yes"], "_type": "ClassLabel"}
    card = "---\nconfigs: [{config_name: default, data_files: '*.parquet'}]\ndataset_info:\n  features:\n"
    card += "  - {name: label, dtype: {class_label: {names: {'0': no, '1': yes}}}}\n---\n"
    image = {"bytes": b"\xff\xd8\xff", "path": "a.jpg"}
    data = parquet([{"label": 1, "picture": image}], {"picture": {"_type": "Image"}})
    hub.add("org/name", {"a.parquet": data, "README.md": card.replace("no,", "'no',").replace("yes}", "'yes'}")})
    assert rows_of(tmp_path) == [{"label": 1, "picture": image}]
    (written,) = (tmp_path / "out").glob("*.parquet")
    assert json.loads(pq.read_schema(written).metadata[b"huggingface"])["info"]["features"] == {
        "label": label,
        "picture": {"_type": "Image"},
    }


def test_a_resumed_run_reads_the_commit_of_its_first_attempt(hub: Hub, tmp_path: Path) -> None:
    files = {f"train-{i}.parquet": parquet(numbered(i * 20, i * 20 + 20)) for i in range(6)}
    repository = hub.add("org/name", dict(files))
    steps = [{"map": {"function": "tests.support.interrupted:messy"}}]
    interrupted.fuse[:], interrupted.calls[:] = [70], []

    def started() -> Any:
        sources = [{"huggingface": {"path": "org/name", "includePath": "path"}}]
        sink = {"parquet": {"path": str(tmp_path / "out"), "mode": "overwrite"}}
        return make_job(tmp_path, tmp_path / "out", steps, sources=sources, sink=sink, errors={"policy": "drop"})

    with pytest.raises(KeyboardInterrupt):
        run(started(), shard_bytes=500)
    interrupted.fuse.clear()
    first = repository.at("main")
    repository.commit({**files, "train-0.parquet": parquet(numbered(900, 920)), "train-9.parquet": parquet(numbered(990, 999))})
    calls = len(interrupted.calls)
    run(started(), shard_bytes=500)
    rows = read_manifest(tmp_path / "out")
    assert [row["id"] for row in rows] == [i for i in range(120) if i % 97 != 13]
    assert {row["path"] for row in rows} == {f"hf://datasets/org/name/{file}" for file in files}
    assert json.loads((tmp_path / "out" / "_datajob" / "run.json").read_text())["versions"] == {
        "hf://datasets/org/name@main": first.sha  # type: ignore[union-attr]
    }
    assert len(interrupted.calls) < calls + 120 - 40  # results of the first attempt are reused

    interrupted.calls.clear()
    run(started(), shard_bytes=500)  # a new run reads the new commit, and processes only what has changed
    assert {row["id"] for row in read_manifest(tmp_path / "out")} >= {900, 990}
    assert set(interrupted.calls) == {*range(900, 920), *range(990, 999)}


def test_revisions(hub: Hub, tmp_path: Path) -> None:
    repository = hub.add("org/name", {"a.jsonl": '{"id": 1}\n'})
    old = repository.at("main")
    repository.commit({"a.jsonl": b'{"id": 2}\n'})
    repository.commit({"a.jsonl": b'{"id": 3}\n'}, branch="refs/convert/parquet")
    assert rows_of(tmp_path) == [{"id": 2}]
    assert rows_of(tmp_path, revision=old.sha) == [{"id": 1}]  # type: ignore[union-attr]
    assert rows_of(tmp_path, path="hf://datasets/org/name@refs/convert/parquet") == [{"id": 3}]
    with pytest.raises(InputError, match=r"hf://datasets/org/name@v2: the data set has no such revision"):
        rows_of(tmp_path, revision="v2")
    with pytest.raises(InvalidJob, match="in `path` or in `revision`, not in both"):
        rows_of(tmp_path, path="org/name@a", revision="b")
    with pytest.raises(ValueError, match=r"not the name of a data set.*use the source of their format"):
        HuggingfaceReader(path="hf://datasets/org/name/data/x.parquet")


def test_tokens_come_from_the_environment_and_appear_nowhere(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add_splits(hub, private=True)
    with pytest.raises(InputError, match=r"does not exist or is private. Check its name; for a private one, set HF_TOKEN"):
        rows_of(tmp_path, split="test")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(InputError, match="the Hub refuses the token in HF_TOKEN") as refused:
        rows_of(tmp_path, split="test")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    caplog.set_level("DEBUG")
    assert rows_of(tmp_path, split="test") == numbered(80, 90)
    everything = caplog.text.encode() + str(refused.value).encode()
    everything += b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert hub.token.encode() not in everything
    assert b"hf_wrong" not in everything
    hub.repositories["org/name"] = hub.add("org/gated", {"a.txt": "x"}, gated=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match=r"the data set is gated. Request access on its page, and set HF_TOKEN"):
        rows_of(tmp_path)


@pytest.mark.parametrize("request_", [r"revision", r"tree", r"HEAD.*resolve", r"GET /datasets.*parquet"])
def test_requests_are_retried_when_the_hub_asks_for_it(hub: Hub, tmp_path: Path, request_: str) -> None:
    add_splits(hub)
    hub.failures += [(request_, 503, {}), (request_, 429, {"Retry-After": "17"})]
    assert rows_of(tmp_path, split="test") == numbered(80, 90)
    assert hub.slept == [1.0, 18.0]
    assert not hub.failures


@pytest.mark.parametrize(("status", "kind", "words"), [
    (429, StorageUnavailable, "the Hub limits the number of requests"),
    (502, StorageUnavailable, "the Hub refuses the request"),
    (403, InputError, "permission denied"),
])  # fmt: skip
@pytest.mark.parametrize("request_", [r"revision", r"HEAD.*resolve", r"GET /datasets.*parquet"])
def test_failures_are_reported(
    hub: Hub, tmp_path: Path, request_: str, status: int, kind: type[DataJobError], words: str
) -> None:
    add_splits(hub)
    hub.failures += [(request_, status, {})] * 6
    with pytest.raises(kind, match=f"hf://datasets/org/name.*{words}"):
        rows_of(tmp_path, split="test")


def test_a_hub_that_cannot_be_reached(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_splits(hub)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match=r"hf://datasets/org/name@main: the Hub cannot be reached"):
        rows_of(tmp_path, split="test")


def test_offline_mode(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    add_splits(hub)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    huggingface_hub.close_session()
    try:
        with pytest.raises(InputError, match="cannot be used, because HF_HUB_OFFLINE is set"):
            rows_of(tmp_path, split="test")
    finally:
        monkeypatch.undo()
        huggingface_hub.close_session()


def test_other_sources_read_files_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    add_splits(hub)
    out = tmp_path / "out"
    run(make_job(tmp_path, out, sources=[{"parquet": {"paths": ["hf://datasets/org/name/data/train-*.parquet"]}}]))
    assert read_manifest(out) == numbered(0, 80)
