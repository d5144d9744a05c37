"""Images that CPU workers prepare for a model: the same inputs, answers and keys as those of the encoded images."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datajob.operators.base import Batch, Device
from datajob.operators.inference._engines.base import Options, Request
from datajob.operators.inference._model import content_key, seed_of
from datajob.operators.inference._tiles import Tiles, unpacked, with_tiles
from datajob.operators.inference.llava import Llava
from tests.operators.inference.conftest import Ask
from tests.support.crashing_images import CRASH, CrashingCutting
from tests.support.models.photos import jpeg, photo

LARGE = (2100, 1000)


def prepared(image: Any) -> Tiles | None:
    """Tiles that a test can recognize."""
    from datajob.operators.inference._tiles import content_digest

    return Tiles(np.arange(24, dtype=np.uint8).reshape(1, 3, 2, 4), (7, 9), content_digest(image)) if image else None


IMAGES = {
    "files": pa.array([b"a", None, b"b"], pa.binary()),
    "large files": pa.array([b"a", None, b"b"], pa.large_binary()),
    "structs": pa.array([{"bytes": b"a", "path": "x"}, None, {"bytes": None, "path": "y"}]),
    "lists": pa.array([[b"a", b"b"], None, []], pa.list_(pa.binary())),
    "lists of structs": pa.array([[{"bytes": b"a", "path": "x"}], None]),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_a_prepared_column_has_its_type_and_the_keys_of_the_files(kind: str) -> None:
    column = IMAGES[kind]
    found = with_tiles(column, prepared)
    assert found.type == column.type and found.is_null().equals(column.is_null())
    for before, after in zip(column.to_pylist(), found.to_pylist(), strict=True):
        images = [tuple(value) if isinstance(value, list) else (value,) for value in (before, after)]
        keys = [content_key(Request("p", Options(), some)) for some in images]
        assert keys[0] == keys[1] and seed_of(1, "p", images[0]) == seed_of(1, "p", images[1])


def test_tiles_are_read_as_they_were_written() -> None:
    tiles = prepared(b"a")
    assert tiles is not None
    for value in (tiles.packed(), {"bytes": tiles.packed(), "path": "x"}):
        found = unpacked(value)
        assert found is not None and np.array_equal(found.pixels, tiles.pixels) and found.size == (7, 9)
    damaged = [tiles.packed()[:20], tiles.packed()[:-1], tiles.packed() + b"x"]
    assert [unpacked(value) for value in (b"", b"\xff\xd8", "path", None, {"bytes": None}, *damaged)] == [None] * 8


def test_columns_of_paths_and_pixels_stay_as_they_are() -> None:
    for column in (pa.array(["a.jpg"]), pa.array([[[[1, 2, 3]]]])):
        assert with_tiles(column, prepared).equals(column)


def step(tiny: Path) -> Llava:
    return Llava(model=str(tiny), max_new_tokens=12, batch_rows=4)


def turned() -> bytes:
    """A large photo that its EXIF data turns."""
    image, stream = photo(3, LARGE), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def test_prepared_images_have_the_answers_of_their_files(tiny: Path, ask: Ask) -> None:
    from datajob.operators.inference._engines.tiling import Tiling

    large = [jpeg(number, LARGE) for number in range(3)]
    rows = pa.table({"image": pa.array([*large, turned(), jpeg(4), b"no image", None, jpeg(5, (1000, 2100))], pa.binary())})
    llava = step(tiny)
    found = llava.prepare(Batch(rows), pickle.loads(pickle.dumps(Tiling(str(tiny), None))))
    assert [unpacked(value) is not None for value in found["image"].to_pylist()] == [True] * 4 + [False] * 3 + [True]
    assert found.schema == rows.schema
    assert ask(llava, found) == ask(llava, rows)


def test_prepared_images_have_exactly_the_inputs_of_their_files(tiny: Path) -> None:
    import torch

    from datajob.operators.inference._engines.generating import Generator

    generator = Generator(step(tiny).settings(), Device("cpu", 1))
    assert generator.preparation is not None
    files = [jpeg(0, LARGE), jpeg(1), jpeg(2, (1000, 2100))]
    options = Options(max_new_tokens=4, max_pixels=10**8)
    tiles = [found.packed() if (found := generator.preparation(file, 10**8, None)) else file for file in files]
    assert tiles[1] is files[1] and tiles[0] is not files[0]
    (expected, no_errors), (inputs, errors) = (
        generator.prepare([Request("p", options, (one,)) for one in some]) for some in (files, tiles)
    )
    assert errors == no_errors == {} and set(inputs) == set(expected)
    for name in inputs:
        assert torch.equal(inputs[name], expected[name]), name
    lengths = [[generator.length(Request("p", options, (one,))) for one in some] for some in (files, tiles)]
    assert lengths[0] == lengths[1]


def test_a_worker_without_the_files_of_the_model_leaves_images_to_the_model(tmp_path: Path) -> None:
    from datajob.operators.inference._engines.tiling import Tiling

    assert Tiling(str(tmp_path / "missing"), None)(jpeg(0, LARGE), 10**8, None) is None


def test_a_large_image_that_crashes_its_decoder_is_left_to_the_model(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datajob.operators.inference._engines.tiling import Tiling

    monkeypatch.setattr("datajob.operators.inference._engines.tiling._Cutting", CrashingCutting)
    prepare = Tiling(str(tiny), None)
    found = [prepare(jpeg(n, LARGE) + (CRASH if n == 1 else b""), 10**8, None) for n in range(3)]
    assert [tiles is not None for tiles in found] == [True, False, True]
