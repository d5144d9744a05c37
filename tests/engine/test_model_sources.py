"""All kinds of image sources for the llava step, with a real (tiny) model: each gives the captions of the plain files."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.formats.folder import Folder
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.models.photos import jpeg

COUNT = 6
Source = tuple[dict[str, Any], dict[str, Any]]
"""A source, and what the step has to know."""


def images(folder: Path) -> Source:
    for i in range(COUNT):
        (folder / f"{i}.jpg").write_bytes(jpeg(i))
    return {"images": {"paths": [str(folder)]}}, {"image": "image"}


def webdataset(folder: Path) -> Source:
    with tarfile.open(folder / "photos.tar", "w") as file:
        for i in range(COUNT):
            info = tarfile.TarInfo(f"{i}.jpg")
            info.size = len(jpeg(i))
            file.addfile(info, io.BytesIO(jpeg(i)))
    return {"webdataset": {"paths": [str(folder / "photos.tar")]}}, {"image": "jpg"}


def parquet(folder: Path) -> Source:
    pq.write_table(pa.table({"image": [jpeg(i) for i in range(COUNT)]}), folder / "photos.parquet")
    return {"parquet": {"paths": [str(folder / "photos.parquet")]}}, {}


def hugging_face(folder: Path) -> Source:
    """Parquet as `datasets` writes it: structs of bytes and path."""
    rows = [{"image": {"bytes": jpeg(i), "path": f"{i}.jpg"}} for i in range(COUNT)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "photos.parquet")
    return {"parquet": {"paths": [str(folder / "photos.parquet")]}}, {}


def listed(folder: Path, names: list[str], **step: Any) -> Source:
    (folder / "list.jsonl").write_text("".join(json.dumps({"file": name}) + "\n" for name in names))
    return {"json": {"paths": [str(folder / "list.jsonl")]}}, {"image": "file", **step}


def paths(folder: Path) -> Source:
    images(folder)
    return listed(folder, [str(folder / f"{i}.jpg") for i in range(COUNT)])


def names_below_a_folder(folder: Path) -> Source:
    images(folder)
    return listed(folder, [f"{i}.jpg" for i in range(COUNT)], imageFolder=str(folder))


LOCAL: dict[str, Callable[[Path], Source]] = {
    "image files": images,
    "a WebDataset shard": webdataset,
    "Parquet with bytes": parquet,
    "Parquet of Hugging Face": hugging_face,
    "JSON lines with paths": paths,
    "JSON lines with names below a folder": names_below_a_folder,
}


def captions(model: Path, out: Path, source: Source, **spec: Any) -> list[str]:
    reader, more = source
    ask = {"llava": {"model": str(model), "maxNewTokens": 8, **more}}
    run(make_job(Path(), out, [ask, {"select": {"columns": ["caption"]}}], sources=[reader], **spec), shard_bytes=None)
    return [row["caption"] for row in read_manifest(out)]


@pytest.fixture(scope="module")
def expected(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "in").mkdir()
    found = captions(tiny, folder / "out", images(folder / "in"))
    assert len(set(found)) == COUNT
    return found


@pytest.mark.parametrize("way", LOCAL)
def test_every_kind_of_source_gives_the_same_captions(way: str, tiny: Path, tmp_path: Path, expected: list[str]) -> None:
    (folder := tmp_path / "in").mkdir()
    assert captions(tiny, tmp_path / "out", LOCAL[way](folder)) == expected


@pytest.mark.s3
@pytest.mark.parametrize("way", ["URLs", "names below a URL"])
def test_lists_name_images_in_object_storage(way: str, tiny: Path, tmp_path: Path, expected: list[str], bucket: str) -> None:
    for i in range(COUNT):
        Folder(bucket).write(f"photos/{i}.jpg", jpeg(i))
    if way == "URLs":
        source = listed(tmp_path, [f"{bucket}/photos/{i}.jpg" for i in range(COUNT)])
    else:
        source = listed(tmp_path, [f"{i}.jpg" for i in range(COUNT)], imageFolder=f"{bucket}/photos")
    assert captions(tiny, tmp_path / "out", source) == expected


def test_a_missing_image_of_a_list_fails_its_row_only(tiny: Path, tmp_path: Path, expected: list[str]) -> None:
    (folder := tmp_path / "in").mkdir()
    images(folder)
    source = listed(folder, ["0.jpg", "gone.jpg", "2.jpg"], imageFolder=str(folder))
    errors = {"policy": "quarantine", "path": str(tmp_path / "bad"), "maxRatio": 0.5}
    assert captions(tiny, tmp_path / "out", source, errors=errors) == [expected[0], expected[2]]
    (bad,) = pq.read_table(tmp_path / "bad").to_pylist()
    assert bad["file"] == "gone.jpg" and "it does not exist" in bad["_error"]
