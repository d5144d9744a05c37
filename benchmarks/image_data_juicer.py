"""Steps on images and Data-Juicer: the same rules for the same files."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data_juicer import Rules, compare, environment, write_lists
from benchmarks.figures import Figure

IMAGES = 2000
NAMES = ("image", "images")
RULES: Rules = {
    "header steps": (
        [
            {"image_shape_filter": {"min_width": 200, "min_height": 200}},
            {"image_aspect_ratio_filter": {"min_ratio": 1.0, "max_ratio": 3.0}},
            {"image_size_filter": {"min_size": "40000", "max_size": "1TB"}},
        ],
        [{"imageSize": {"minSide": 200}}, {"aspectRatio": {"min": 1.0}}, {"fileSize": {"min": 40000}}],
        ">= 5",
    ),
    "equal hashes": (
        [{"image_deduplicator": {"method": "phash"}}],
        [{"imageDedup": {"distance": 0}}],
        ">= 4",
    ),
}


def against_data_juicer(images: Path, work: Path, runs: int) -> list[Figure]:
    """Complete processes in turns, on all cores."""
    python = environment("image", "aiohttp", "imagehash")  # imported, but not among the requirements
    write_lists(sample(images, work), NAMES, work)
    return compare(python, work, NAMES, RULES, runs)


def sample(images: Path, work: Path) -> list[str]:
    """Images, of which every tenth is also there with JPEG quality 60."""
    from PIL import Image

    place = work / "sample"
    place.mkdir()
    originals = sorted(images.glob("*.jpg"))[: IMAGES * 10 // 11]
    for path in originals:
        (place / path.name).symlink_to(path)
    for path in originals[: IMAGES - len(originals)]:
        Image.open(path).save(place / f"copy-{path.name}", quality=60)
    return sorted(map(str, place.glob("*.jpg")))
