"""Decoding, resizing and tiling of large images for LLaVA-NeXT, apart from the model that uses them."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from datajob.errors import describe_error
from datajob.media.errors import MediaError
from datajob.media.image import decode
from datajob.media.isolation import run_isolated
from datajob.operators.inference._tiles import Tiles, content_digest
from datajob.operators.media.image import load, size_of

MIN_PIXELS = 2_000_000
"""Smaller images are sent as files, which are smaller than their tiles and cost the model process less than 20 ms."""


@dataclass(frozen=True)
class Tiling:
    """Prepares images as the processor of a model does."""

    model: str
    revision: str | None

    def __call__(self, image: Any, max_pixels: int, folder: str | None) -> Tiles | None:
        """The tiles of an image; None if the model process has to prepare it: small, damaged, or without packages here."""
        try:
            content = load(image, folder)
            height, width = size_of(content, max_pixels)
        except MediaError:
            return None
        if height * width < MIN_PIXELS or not isinstance(content, bytes):
            return None
        (pixels,) = run_isolated(_Cutting(self.model, self.revision, max_pixels), [(content,)])
        if isinstance(pixels, str):
            _warn(pixels)
        return None if isinstance(pixels, str | MediaError) else Tiles(pixels, (height, width), content_digest(image))


@dataclass(frozen=True)
class _Cutting:
    """What the child process does with an image: decodes it, and cuts it into tiles."""

    model: str
    revision: str | None
    max_pixels: int

    def prepare(self) -> None:
        """Load the processor before memory is limited."""
        _image_processor(self.model, self.revision)

    def __call__(self, item: tuple[memoryview, ...]) -> Any:
        """8-bit pixels; or why the model process has to prepare the image."""
        processor = _image_processor(self.model, self.revision)
        if isinstance(processor, str):
            return processor
        picture = decode(bytes(item[0]), self.max_pixels)
        found = processor([picture], do_rescale=False, do_normalize=False, return_tensors="pt")["pixel_values"][0]
        pixels = found.byte()
        if not bool((pixels.to(found.dtype) == found).all()):
            return "the processor of the model does not return 8-bit pixels"
        return pixels.numpy()


@lru_cache(1)
def _image_processor(model: str, revision: str | None) -> Any:
    """The processor of images; or why it cannot be loaded here, in which case the model process prepares all images."""
    try:
        from transformers import AutoImageProcessor

        from datajob.operators.inference._engines.loading import quiet

        quiet()
        return AutoImageProcessor.from_pretrained(model, revision=revision)
    except Exception as error:  # noqa: BLE001 - without network or packages; the outputs do not depend on it
        return describe_error(error)


@lru_cache
def _warn(reason: str) -> None:
    logging.getLogger(__name__).warning("Large images are not prepared on this worker: %s", reason)


def tiling_of(processor: Any, model: str, revision: str | None) -> Tiling | None:
    """How other processes prepare images for a processor; None if only this process can."""
    inner: Any = getattr(processor, "image_processor", None)
    known = type(inner).__name__ == "LlavaNextImageProcessor" and hasattr(inner, "rescale_and_normalize")
    return Tiling(model, revision) if known and inner.do_rescale and inner.do_normalize and inner.do_pad else None


def processed(processor: Any, images: Sequence[Any], **options: Any) -> Any:
    """What a processor returns for images, of which some are tiles."""
    from PIL import Image

    replaced = copy.copy(processor)
    replaced.image_processor = _Given(processor.image_processor, images)
    return replaced(images=[Image.new("RGB", (1, 1)) for _ in images], **options)  # `_Given` has the real ones


class _Given:
    """An image processor for images that are known in advance."""

    def __init__(self, inner: Any, images: Sequence[Any]) -> None:
        self._inner = inner
        self._images = images

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __call__(self, images: Any, **options: Any) -> Any:
        import torch
        from transformers import BatchFeature

        found = [self._features(image) for image in self._images]
        padded = self._inner._pad_for_batching([pixels for pixels, _ in found])
        return BatchFeature({"pixel_values": torch.stack(padded), "image_sizes": torch.tensor([size for _, size in found])})

    def _features(self, image: Any) -> tuple[Any, list[int]]:
        import torch

        inner = self._inner
        if isinstance(image, Tiles):
            mean, std = tuple(inner.image_mean), tuple(inner.image_std)
            pixels = torch.from_numpy(image.pixels.copy())
            return inner.rescale_and_normalize(pixels, True, inner.rescale_factor, True, mean, std), list(image.size)
        features = inner([image], return_tensors="pt")
        return features["pixel_values"][0], features["image_sizes"][0].tolist()
