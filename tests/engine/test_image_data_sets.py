"""Image steps between the layouts of data sets: folders, WebDataset, Hugging Face, JSON Lines and interleaved documents."""

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
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datajob.formats.json import JsonReader
from datajob.formats.webdataset import WebdatasetReader
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.pictures import encoded, photo
from tests.support.rows import read

LEFT = ["0", "1", "2"]
"""Of the rows, those that pass: the others are small, near-duplicates or damaged."""


@cache
def images() -> list[bytes]:
    parts = [photo("china").crop((x, 0, x + 200, 150)) for x in (0, 200, 400)]
    small, again = photo("flower").resize((20, 15)), parts[1].resize((180, 135))
    whole = [encoded(image, "JPEG", quality=90) for image in (*parts, small, again)]
    return [*whole, whole[0][:2000]]


def steps(column: str) -> list[dict[str, Any]]:
    of = {"column": column}
    return [
        {"imageSize": {**of, "minSide": 50, "output": "side"}},
        {"sharpness": {**of, "min": None, "output": "sharpness"}},
        {"imageDedup": of},
        {"resizeImage": {**of, "side": 100}},
    ]


def write(form: str, folder: Path) -> tuple[dict[str, Any], str]:
    """The images in a layout: the source, and the column of the images."""
    folder.mkdir()
    names = [f"{i}.jpg" for i in range(len(images()))]
    if form == "webdataset":
        with tarfile.open(folder / "a.tar", "w") as tar:
            for i, (name, data) in enumerate(zip(names, images(), strict=True)):
                for member, content in ((name, data), (f"{i}.txt", f"caption {i}".encode())):
                    info = tarfile.TarInfo(member)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        return {"webdataset": {"paths": [str(folder)]}}, "jpg"
    if form == "hugging face":
        rows = {"id": list(map(str, range(len(names)))), "image": [{"bytes": d, "path": None} for d in images()]}
        features = datasets.Features(id=datasets.Value("string"), image=datasets.Image())
        datasets.Dataset(pa.table(rows, features.arrow_schema)).to_parquet(folder / "a.parquet")
        return {"parquet": {"paths": [str(folder / "a.parquet")]}}, "image"
    for name, data in zip(names, images(), strict=True):
        (folder / name).write_bytes(data)
    if form == "folder":
        return {"images": {"paths": [str(folder)], "includePath": "id"}}, "image"
    lines = [json.dumps({"id": str(i), "image": str(folder / name)}) + "\n" for i, name in enumerate(names)]
    (folder / "a.jsonl").write_text("".join(lines))
    return {"json": {"paths": [str(folder / "a.jsonl")]}}, "image"


def key(row: dict[str, Any]) -> str:
    return Path(str(row.get("id", row.get("__key__")))).stem


@pytest.mark.parametrize("form", ["folder", "webdataset", "hugging face", "json lines"])
def test_image_steps_process_every_layout(form: str, tmp_path: Path) -> None:
    source, column = write(form, tmp_path / "in")
    job = make_job(tmp_path, tmp_path / "out", steps(column), sources=[source], errors={"policy": "drop"})
    progress = run(job).progress
    rows = read_manifest(tmp_path / "out")
    assert [key(row) for row in rows] == LEFT
    assert (progress.rows_in, progress.rows_out, progress.rows_failed) == (6, 3, 1)
    for row in rows:
        value = row[column]
        with Image.open(io.BytesIO(value if isinstance(value, bytes) else value["bytes"])) as image:
            assert (image.size, image.format) == ((100, 75), "JPEG")
        assert row["side"] == 150 and row["sharpness"] > 0


@pytest.mark.parametrize("form", ["webdataset", "json", "parquet"])
def test_results_of_image_steps_are_written_in_every_layout(form: str, tmp_path: Path) -> None:
    source, column = write("json lines", tmp_path / "in")
    sink = {form: {"path": str(tmp_path / "out")}}
    run(make_job(tmp_path, tmp_path / "out", steps(column), sources=[source], sink=sink, errors={"policy": "drop"}))
    if form == "webdataset":
        rows = read(WebdatasetReader(paths=(str(tmp_path / "out"),))).to_pylist()
        files = [row["jpg"] for row in rows]
    elif form == "json":
        rows = read(JsonReader(paths=(str(tmp_path / "out"),))).to_pylist()
        paths = [row["image"]["path"] if isinstance(row["image"], dict) else row["image"] for row in rows]
        files = [(tmp_path / "out" / path).read_bytes() for path in paths]
    else:
        names = sorted(map(str, (tmp_path / "out").glob("*.parquet")))
        found = datasets.load_dataset("parquet", data_files=names, split="train", cache_dir=str(tmp_path / "cache"))
        assert found.features["image"] == datasets.Image()
        files = [encoded(row["image"], "JPEG") for row in found]
    assert [Image.open(io.BytesIO(file)).size for file in files] == [(100, 75)] * 3


DOCUMENTS = {
    "placeholders": ("text", [["<image> a <image>", [0, 3]], ["b <image>", [5]], ["c", []]]),
    "texts": ("texts", [[["a", None, None], [None, 0, 3]], [["b", None], [None, 5]], [["c"], [None]]]),
}
"""Texts, and the numbers of their images."""


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("placeholders", [["<image> a ", 1], ["b ", 0], ["c", 0]]),
        ("texts", [[["a", None], 2], [["b"], 1], [["c"], 1]]),
    ],
)
@pytest.mark.parametrize("references", [False, True])
def test_interleaved_documents_lose_images_with_what_refers_to_them(
    form: str, expected: list[Any], references: bool, tmp_path: Path
) -> None:
    _, _ = write("json lines", tmp_path / "files")
    name, rows = DOCUMENTS[form]

    def image(number: int | None) -> Any:
        stored = None if references or number is None else images()[number]
        return None if number is None else {"bytes": stored, "path": str(tmp_path / "files" / f"{number}.jpg")}

    values = {name: [row[0] for row in rows], "images": [[image(n) for n in row[1]] for row in rows]}
    kind = pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    (tmp_path / "in").mkdir()
    pq.write_table(
        pa.table({name: pa.array(values[name]), "images": pa.array(values["images"], kind)}), tmp_path / "in" / "a.parquet"
    )
    of = {"column": "images", "keep": "each", name: name}
    made = [
        {"imageSize": {**of, "minSide": 50, "output": "sides"}},
        {"brightness": {**of, "min": None, "max": None, "output": "brightness"}},
        {"resizeImage": {"column": "images", "side": 100}},
    ]
    report = run(make_job(tmp_path / "in", tmp_path / "out", made))
    found = read_manifest(tmp_path / "out")
    assert [[row[name], len(row["images"])] for row in found] == expected
    assert report.progress.rows_out == 3
    for row in found:
        present = [image is not None for image in row["images"]]
        assert [value is not None for value in row["sides"]] == present == [value is not None for value in row["brightness"]]
    sizes = [np.shape(Image.open(io.BytesIO(image["bytes"]))) for row in found for image in row["images"] if image]
    assert sizes == [(75, 100, 3)]
