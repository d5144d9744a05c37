"""Image processors of Hugging Face as plans that the process that decodes can follow."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datajob.operators.inference._pixels import PixelPlan

if TYPE_CHECKING:
    import torch

    from datajob.operators.inference._tiles import Tiles

MEAN_LEVELS, MAX_LEVELS = 0.5, 16
"""Mean and largest difference of 8-bit levels from the image processor for which a plan is used: rounding of resampling."""


class PixelProcessor:
    """Turns prepared images into the input of a model."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.plan = plan_of(processor)

    def inputs(self, images: Sequence[Tiles], device: torch.device) -> torch.Tensor:
        """The pixels of images, scaled and normalized, on a device."""
        import numpy as np
        import torch

        if self.plan is None:
            whole = [np.ascontiguousarray(image.pixels[0]) for image in images]
            found = self._processor(whole, input_data_format="channels_first", return_tensors="pt")
            normalized: torch.Tensor = found["pixel_values"].to(device)
            return normalized
        p = self._processor
        pixels = torch.from_numpy(np.concatenate([image.pixels for image in images])).to(device).float()
        if p.do_rescale:
            pixels = pixels * p.rescale_factor
        if p.do_normalize:
            mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (p.image_mean, p.image_std))
            pixels = (pixels - mean) / std
        return pixels


def plan_of(processor: Any) -> PixelPlan | None:
    """The plan with the results of an image processor; None if it does something else."""
    plan = _described(processor)
    if plan is None or not _equals(plan, processor):
        logging.getLogger(__name__).warning(
            "%s has steps that are unknown here: decoded images are sent to it in full size", type(processor).__name__
        )
        return None
    return plan


def _described(processor: Any) -> PixelPlan | None:
    size, crop = getattr(processor, "size", None), getattr(processor, "crop_size", None)
    if not getattr(processor, "do_resize", False) or size is None:
        return None
    whole = (size.height, size.width) if size.height and size.width else None
    if whole is None and not (size.shortest_edge and not size.longest_edge):
        return None
    cropped = (crop.height, crop.width) if crop is not None and getattr(processor, "do_center_crop", False) else None
    if whole is None and cropped is None:
        return None
    return PixelPlan(whole, None if whole else size.shortest_edge, int(processor.resample), cropped)


def _equals(plan: PixelPlan, processor: Any) -> bool:
    """Whether a plan gives the pixels of the image processor, for images of several shapes."""
    import numpy as np

    for height, width in ((61, 97), (400, 150), (500, 720)):
        rows, columns = np.mgrid[0:height, 0:width]
        waves = [127.5 + 100 * np.sin(rows / a) * np.cos(columns / b) for a, b in ((9, 31), (23, 7), (5, 11))]
        image = np.stack(waves, axis=-1).astype(np.uint8)
        try:
            theirs = processor([image], input_data_format="channels_last", return_tensors="np", **_UNSCALED)["pixel_values"]
        except Exception:  # noqa: BLE001 - an image processor with other parameters
            return False
        difference = np.abs(np.asarray(theirs[0], np.float64).transpose(1, 2, 0) - _same_shape(plan.apply(image), theirs[0]))
        if difference.mean() > MEAN_LEVELS or difference.max() > MAX_LEVELS:
            return False
    return True


_UNSCALED = {"do_rescale": False, "do_normalize": False}


def _same_shape(ours: Any, theirs: Any) -> Any:
    """Our pixels, or infinity if they have another shape."""
    return ours if ours.shape == (*theirs.shape[1:], theirs.shape[0]) else float("inf")
