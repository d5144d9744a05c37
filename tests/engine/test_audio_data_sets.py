"""Audio steps between the layouts of data sets: folders, WebDataset, Hugging Face, NeMo, Kaldi and metadata files."""

from __future__ import annotations

import io
import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from datajob.formats.json import JsonReader
from datajob.formats.webdataset import WebdatasetReader
from datajob.media.values import media_type
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.rows import read
from tests.support.sounds import decoded, file, noise, silence

LEFT = ["0", "1"]
"""Of the rows, those that pass: the others are short, silent, equal or damaged."""


@cache
def recordings() -> list[bytes]:
    first, second = noise(3, seed=1), noise(2, seed=2)
    flac = file(second, "flac")
    return [file(first), flac, file(second[:4000]), file(silence(3), "mp3"), flac, flac[: len(flac) // 2]]


def steps(column: str) -> list[dict[str, Any]]:
    of = {"column": column}
    return [
        {"audioDuration": {**of, "min": 1, "output": "seconds"}},
        {"loudness": {**of, "output": "loudness"}},
        {"audioDedup": of},
        {"resampleAudio": {**of, "rate": 8000, "format": "flac"}},
    ]


def write(form: str, folder: Path) -> tuple[dict[str, Any], str]:
    """The recordings in a layout: the source, and the column of the audio."""
    folder.mkdir()
    names = [f"{i}.wav" for i in range(len(recordings()))]
    if form == "webdataset":
        with tarfile.open(folder / "a.tar", "w") as tar:
            for i, (name, data) in enumerate(zip(names, recordings(), strict=True)):
                for member, content in ((name, data), (f"{i}.txt", f"text {i}".encode())):
                    info = tarfile.TarInfo(member)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        return {"webdataset": {"paths": [str(folder)]}}, "wav"
    if form == "hugging face":
        rows = {"id": list(map(str, range(len(names)))), "audio": [{"bytes": d, "path": None} for d in recordings()]}
        features = datasets.Features(id=datasets.Value("string"), audio=datasets.Audio(sampling_rate=16_000))
        datasets.Dataset(pa.table(rows, features.arrow_schema)).to_parquet(folder / "a.parquet")
        return {"parquet": {"paths": [str(folder / "a.parquet")]}}, "audio"
    for name, data in zip(names, recordings(), strict=True):
        (folder / name).write_bytes(data)
    if form in ("folder", "references"):
        load = "reference" if form == "references" else "bytes"
        return {"audio": {"paths": [str(folder)], "includePath": "id", "load": load}}, "audio"
    if form == "metadata":
        (folder / "metadata.csv").write_text("file_name,id\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names)))
        return {"csv": {"paths": [str(folder / "metadata.csv")], "types": {"id": "string"}}}, "file_name"
    lines = [json.dumps({"audio_filepath": name, "duration": 9.9, "text": "a b", "id": str(i)}) for i, name in enumerate(names)]
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return {"json": {"paths": [str(folder / "manifest.jsonl")]}}, "audio_filepath"


def key(row: dict[str, Any]) -> str:
    return Path(str(row.get("id", row.get("__key__")))).stem


@pytest.mark.parametrize("form", ["folder", "references", "webdataset", "hugging face", "nemo", "metadata"])
def test_audio_steps_process_every_layout(form: str, tmp_path: Path) -> None:
    source, column = write(form, tmp_path / "in")
    made = steps(column)
    if form in ("nemo", "metadata"):
        made = [{name: {**step, "folder": str(tmp_path / "in")}} for one in made for name, step in one.items()]
    job = make_job(tmp_path, tmp_path / "out", made, sources=[source], errors={"policy": "drop"})
    progress = run(job).progress
    rows = read_manifest(tmp_path / "out")
    assert [key(row) for row in rows] == LEFT
    assert (progress.rows_in, progress.rows_out, progress.rows_failed) == (6, 2, 1)
    for row, seconds in zip(rows, (3, 2), strict=True):
        samples, rate = decoded(row[column] if isinstance(row[column], bytes) else row[column]["bytes"])
        assert (len(samples), rate, row["seconds"]) == (8000 * seconds, 8000, seconds)
        assert row["loudness"] == pytest.approx(-20, abs=5)


@pytest.mark.parametrize("form", ["webdataset", "json", "parquet", "audio"])
def test_results_of_audio_steps_are_written_in_every_layout(form: str, tmp_path: Path) -> None:
    source, column = write("folder", tmp_path / "in")
    sink = {form: {"path": str(tmp_path / "out")}}
    run(make_job(tmp_path, tmp_path / "out", steps(column), sources=[source], sink=sink, errors={"policy": "drop"}))
    if form == "webdataset":
        files = [row["flac"] for row in read(WebdatasetReader(paths=(str(tmp_path / "out"),))).to_pylist()]
    elif form == "json":
        rows = read(JsonReader(paths=(str(tmp_path / "out"),))).to_pylist()
        paths = [row["audio"]["path"] if isinstance(row["audio"], dict) else row["audio"] for row in rows]
        files = [(tmp_path / "out" / path).read_bytes() for path in paths]
    elif form == "audio":
        files = [Path(path).read_bytes() for path in sorted(path for path, _ in audio_folder(tmp_path / "out"))]
    else:
        names = sorted(map(str, (tmp_path / "out").glob("*.parquet")))
        found = datasets.load_dataset("parquet", data_files=names, split="train", cache_dir=str(tmp_path / "cache"))
        assert isinstance(found.features["audio"], datasets.Audio)
        files = [row["audio"]["bytes"] for row in found.cast_column("audio", datasets.Audio(decode=False))]
    assert [(len(samples), rate) for samples, rate in map(decoded, files)] == [(24_000, 8000), (16_000, 8000)]


def audio_folder(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The rows of a folder as Hugging Face's AudioFolder reads them, without its decoder, which is not installed."""
    found = datasets.load_dataset("audiofolder", data_dir=str(folder), split="train", streaming=True)
    assert isinstance(found.features["audio"], datasets.Audio)
    return [(row["audio"], row) for _, row in found._ex_iterable]


def test_a_folder_of_hugging_face_is_read_and_written_again(tmp_path: Path) -> None:
    values = [{"bytes": data, "path": "same.wav"} for data in recordings()[:2]] + [None]
    rows = {"audio": pa.array(values, media_type()), "text": ["eins", "zwei", "drei"], "n": [1, 2, 3]}
    parquet.write_table(pa.table(rows), tmp_path / "in.parquet")
    source = {"parquet": {"paths": [str(tmp_path / "in.parquet")]}}
    run(make_job(tmp_path, tmp_path / "out", sources=[source], sink={"audio": {"path": str(tmp_path / "out")}}))
    first = audio_folder(tmp_path / "out")
    assert [(row["text"], row["n"], path and Path(path).suffix) for path, row in first] == [
        *[("eins", 1, ".wav"), ("zwei", 2, ".flac"), ("drei", 3, None)],
    ]
    [metadata] = (tmp_path / "out").rglob("metadata.jsonl")
    source = {"json": {"paths": [str(metadata)]}}
    loud = {"loudness": {"column": "file_name", "folder": str(metadata.parent), "output": "loudness"}}
    changed = {"resampleAudio": {"column": "file_name", "folder": str(metadata.parent), "rate": 8000, "format": "flac"}}
    sink = {"audio": {"path": str(tmp_path / "again"), "audio": "file_name"}}
    run(make_job(tmp_path, tmp_path / "again", [loud, changed], sources=[source], sink=sink, errors={"policy": "drop"}))
    again = audio_folder(tmp_path / "again")
    assert [(row["text"], row["n"], decoded(Path(path).read_bytes())[1]) for path, row in again] == [
        ("eins", 1, 8000),
        ("zwei", 2, 8000),
    ]


def measured(tmp_path: Path, source: dict[str, Any], made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    last = {"loudness": {"min": None, "max": None, "output": "loudness"}}
    run(
        make_job(tmp_path, tmp_path / "out", [*made, last], sources=[source], sink={"parquet": {"path": str(tmp_path / "out")}})
    )
    return read_manifest(tmp_path / "out")


def test_the_offset_of_a_nemo_manifest_becomes_a_part_of_the_file(tmp_path: Path) -> None:
    loud, quiet = noise(2, level=-20), noise(2, level=-40)
    for name, samples in (("loud", loud), ("quiet", quiet)):
        (tmp_path / f"{name}.wav").write_bytes(file(samples))
    (tmp_path / "both.wav").write_bytes(file(np.concatenate([loud, quiet])))
    path = str(tmp_path / "both.wav")
    lines = [{"audio_filepath": path, "offset": offset, "duration": 2.0, "text": "a"} for offset in (0.0, 2.0)]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    part = "audio_filepath || '#t=' || \"offset\" || ',' || (\"offset\" + duration)"
    source = {"json": {"paths": [str(tmp_path / "manifest.jsonl")]}}
    rows = measured(tmp_path, source, [{"compute": {"columns": {"audio": part}}}])
    alone = measured(tmp_path / "alone", {"audio": {"paths": [str(tmp_path / f"{n}.wav") for n in ("loud", "quiet")]}}, [])
    assert [row["loudness"] for row in rows] == pytest.approx([row["loudness"] for row in alone], abs=0.01)


def test_the_files_of_kaldi_are_joined(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(file(noise(5)))
    (tmp_path / "wav.scp").write_text(f"rec1 {tmp_path}/a.wav\n")
    (tmp_path / "segments").write_text("utt1 rec1 0.5 2.0\nutt2 rec1 2.0 4.5\n")
    (tmp_path / "text").write_text("utt1 the first one\nutt2 and another\n")

    def table(name: str, names: list[str]) -> dict[str, Any]:
        return {"csv": {"paths": [str(tmp_path / name)], "delimiter": " ", "quote": "", "header": False, "names": names}}

    made = [
        {"compute": {"columns": {"utterance": "split_part(line, ' ', 1)", "words": "regexp_replace(line, '^[^ ]+ ', '')"}}},
        {"join": {"right": table("segments", ["utterance", "recording", "start", "end"]), "by": ["utterance"]}},
        {"join": {"right": table("wav.scp", ["recording", "path"]), "by": ["recording"]}},
        {"compute": {"columns": {"audio": "path || '#t=' || start || ',' || \"end\""}}},
    ]
    rows = measured(tmp_path, {"text": {"paths": [str(tmp_path / "text")], "column": "line"}}, made)
    found = {row["utterance"]: (row["words"], row["audio"], row["loudness"]) for row in rows}
    assert found == {
        "utt1": ("the first one", f"{tmp_path}/a.wav#t=0.5,2.0", pytest.approx(-20, abs=5)),
        "utt2": ("and another", f"{tmp_path}/a.wav#t=2.0,4.5", pytest.approx(-20, abs=5)),
    }
