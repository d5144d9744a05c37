"""What a user would write instead of a job: loops over Parquet files of images in one process per core.

Each loop does what the job `images.PIXELS` does, except for comparing the hashes: it measures sharpness and brightness at 512
pixels, computes the perceptual hash, reduces the image to 336 pixels, and writes measures and new files to Parquet.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.image_corpus import CORES

SIDE, MEASURED, HASHED = 336, 512, 384
Found = tuple[float, float, bytes, bytes]
"""Sharpness, brightness, hash, and the reduced image."""


def pillow(data: bytes) -> Found:
    """With Pillow, and numpy for the hash and the sharpness, as in imagehash and in most scripts."""
    import cv2
    from PIL import Image

    image = Image.open(io.BytesIO(data)).convert("RGB")
    gray = image.convert("L")
    measured = gray.copy()
    measured.thumbnail((MEASURED, MEASURED), Image.Resampling.BOX)
    levels = np.asarray(measured)
    hashed = _phash(np.asarray(gray.resize((32, 32), Image.Resampling.LANCZOS)))
    image.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95, subsampling="4:4:4")
    return float(cv2.Laplacian(levels, cv2.CV_64F).var()), float(levels.mean()) / 255, hashed, stream.getvalue()


def fast(data: bytes) -> Found:
    """With simplejpeg and OpenCV, and with the decodes of the job: luma at full size, and colors at a reduced scale."""
    import cv2
    import simplejpeg

    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    gray = simplejpeg.decode_jpeg(data, "GRAY")[:, :, 0]
    measured = _reduced(cv2, gray, MEASURED / max(width, height))
    hashed = _phash(cv2.resize(_reduced(cv2, gray, HASHED / min(width, height)), (32, 32), interpolation=cv2.INTER_AREA))
    size = _size(width, height, SIDE / max(width, height))
    rgb = simplejpeg.decode_jpeg(data, "RGB", min_width=size[0], min_height=size[1], min_factor=1)
    small = np.ascontiguousarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    encoded = simplejpeg.encode_jpeg(small, quality=95, colorsubsampling="444")
    return float(cv2.Laplacian(measured, cv2.CV_64F).var()), float(measured.mean()) / 255, hashed, encoded


def fastest(data: bytes) -> Found:
    """With simplejpeg and OpenCV and a single decode, at the smallest scale for all results. The sharpness is another one."""
    import cv2
    import simplejpeg

    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    scale = max(MEASURED / max(width, height), HASHED / min(width, height))
    least = _size(width, height, scale)
    rgb = simplejpeg.decode_jpeg(data, "RGB", min_width=least[0], min_height=least[1], min_factor=1)
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    measured = _reduced(cv2, gray, MEASURED / max(gray.shape))
    hashed = _phash(cv2.resize(gray, (32, 32), interpolation=cv2.INTER_AREA))
    small = np.ascontiguousarray(cv2.resize(rgb, _size(width, height, SIDE / max(width, height)), interpolation=cv2.INTER_AREA))
    encoded = simplejpeg.encode_jpeg(small, quality=95, colorsubsampling="444")
    return float(cv2.Laplacian(measured, cv2.CV_64F).var()), float(measured.mean()) / 255, hashed, encoded


def decode(data: bytes) -> Found:
    """Only decode with Pillow, which is what scripts do to learn the size of an image."""
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    image.load()
    return float(image.width), float(image.height), b"", b""


LOOPS: dict[str, Callable[[bytes], Found]] = {
    "Pillow": pillow, "simplejpeg": fast, "single decode": fastest, "decode": decode,
}  # fmt: skip


def _size(width: int, height: int, scale: float) -> tuple[int, int]:
    return (width, height) if scale >= 1 else (round(width * scale), round(height * scale))


def _reduced(cv2: Any, gray: Any, scale: float) -> Any:
    return gray if scale >= 1 else cv2.resize(gray, _size(gray.shape[1], gray.shape[0], scale), interpolation=cv2.INTER_AREA)


def _phash(small: Any) -> bytes:
    import cv2

    low = cv2.dct(small.astype(np.float32))[:8, :8]
    return np.packbits(low > np.median(low)).tobytes()


class Loop:
    """A loop in processes that have started and imported their libraries."""

    def __init__(self, name: str, processes: int = CORES) -> None:
        self._name = name
        self._pool = get_context("spawn").Pool(processes)

    def run(self, source: Path, sink: Path) -> None:
        """Process the files of a folder."""
        sink.mkdir(exist_ok=True)
        self._pool.map(partial(_file, self._name, sink), sorted(source.glob("*.parquet")), chunksize=1)

    def close(self) -> None:
        """End the processes."""
        self._pool.terminate()
        self._pool.join()


def _file(name: str, sink: Path, path: Path) -> None:
    import cv2
    import pyarrow as pa
    import pyarrow.parquet as pq

    cv2.setNumThreads(1)
    call, numbers = LOOPS[name], pa.float64()
    schema = pa.schema([("sharpness", numbers), ("brightness", numbers), ("hash", pa.binary()), ("image", pa.binary())])
    with pq.ParquetWriter(sink / path.name, schema) as writer:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=128, columns=["image"]):
            found = [call(value.as_py()) for value in batch.column(0).field("bytes")]
            columns = [pa.array(values, kind) for values, kind in zip(zip(*found, strict=True), schema.types, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
