"""Photos for benchmarks, built once and kept in the cache of the user.

The originals are real: those that Python packages of the development environment contain and, where `apt-get` exists, those of
two Debian packages of wallpapers. The files are random parts of them, scaled, mirrored and encoded as cameras and websites do.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.data import CACHE
from tests.support.pictures import PHOTOS, photo_bytes

DEBIAN = ("lomiri-wallpapers-16.04", "mate-backgrounds")
NOT_PHOTOS = ("/abstract/", "/desktop/", "analogpattern")
QUALITIES = (75, 80, 85, 90, 95)
CORES = len(os.sched_getaffinity(0))


@cache
def originals() -> tuple[bytes, ...]:
    """The files of real photos, in a stable order."""
    return (*map(photo_bytes, PHOTOS), *(path.read_bytes() for path in sorted(_wallpapers().glob("*.jpg"))))


def _wallpapers() -> Path:
    """A folder with the photos of the Debian packages; empty without `apt-get`."""
    place = CACHE / "photos"
    if not place.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            if shutil.which("apt-get") and shutil.which("dpkg-deb"):
                subprocess.run(["apt-get", "--quiet", "download", *DEBIAN], cwd=folder, check=False, capture_output=True)
            for package in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(package), str(Path(folder) / "all")], check=True)
            building = place.with_name("photos.building")
            building.mkdir(exist_ok=True)
            for path in Path(folder).glob("all/**/*.jpg"):
                if not any(part in str(path) for part in NOT_PHOTOS):
                    shutil.copyfile(path, building / path.name)
            building.rename(place)
    return place


@cache
def _decoded(number: int) -> Image.Image:
    return Image.open(io.BytesIO(originals()[number])).convert("RGB")


def part(seed: int, width: int, height: int) -> Image.Image:
    """A random part of a random photo. If it must be enlarged, noise with a 1/f spectrum replaces the missing details."""
    draw = random.Random(seed)
    source = _decoded(draw.randrange(len(originals())))
    share = draw.uniform(0.5, 1)
    scale = min(source.width / width, source.height / height) * share
    size = round(width * scale), round(height * scale)
    left, top = draw.randint(0, source.width - size[0]), draw.randint(0, source.height - size[1])
    found = source.resize((width, height), Image.Resampling.LANCZOS, (left, top, left + size[0], top + size[1]))
    if draw.random() < 0.5:
        found = found.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return found if scale >= 1 else _detailed(found, seed, 6 * (1 - scale))


def _detailed(image: Image.Image, seed: int, strength: float) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    noise = _noise(256)
    across = np.random.default_rng(seed).integers(0, 256, 2)
    rows = (np.arange(pixels.shape[0])[:, None] + across[0]) % 256
    columns = (np.arange(pixels.shape[1])[None, :] + across[1]) % 256
    return Image.fromarray(np.clip(pixels + strength * noise[rows, columns, None], 0, 255).astype(np.uint8))


@cache
def _noise(side: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A periodic texture whose amplitude falls as 1/f, as that of natural images, with a standard deviation of 1."""
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=(side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    frequency[0, 0] = 1
    noise = np.fft.ifft2(spectrum / frequency).real
    return np.asarray(noise / noise.std(), dtype=np.float32)


def jpeg(seed: int, width: int, height: int) -> bytes:
    """A JPEG file of a part of a photo, with one of the usual qualities."""
    stream = io.BytesIO()
    quality = random.Random(~seed).choice(QUALITIES)
    part(seed, width, height).save(stream, "JPEG", quality=quality, subsampling="4:2:0" if quality < 90 else "4:4:4")
    return stream.getvalue()


def folder(count: int, width: int, height: int) -> Path:
    """A folder with `count` JPEG files of this size."""
    place = CACHE / f"images-{count}-{width}x{height}-{len(originals())}"
    if not place.exists():
        building = place.with_name(place.name + ".building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        with ProcessPoolExecutor(CORES) as pool:
            list(pool.map(_write, *zip(*((building, n, width, height) for n in range(count)), strict=True), chunksize=16))
        building.rename(place)
    return place


def _write(place: Path, number: int, width: int, height: int) -> None:
    (place / f"{number:06}.jpg").write_bytes(jpeg(number, width, height))


def parquet(images: Path, files: int) -> Path:
    """The images of a folder in Parquet files, with the structs of Hugging Face's feature Image."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from datajob.media.values import media_type

    place = images.with_name(f"{images.name}-parquet-{files}")
    if not place.exists():
        paths: Sequence[Path] = sorted(images.glob("*.jpg"))
        building = place.with_name(place.name + ".building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        for number in range(files):
            some = paths[number::files]
            values = [{"bytes": path.read_bytes(), "path": path.name} for path in some]
            table = pa.table({"image": pa.array(values, media_type())})
            pq.write_table(table, building / f"{number:03}.parquet", row_group_size=1000, compression="none")
        building.rename(place)
    return place
