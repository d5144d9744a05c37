"""textArea: reject images that consist mostly of text."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from datajob.operators.base import Bound
from datajob.operators.media.steps import PixelFilter, min_max

if TYPE_CHECKING:
    from datajob.media.picture import Need, Picture


class TextArea(PixelFilter):
    """Reject images in which text covers a large part of the area, such as screenshots, slides and captioned frames.

    The measure is the area of the boxes around lines of text, as a share of the image. The detector is that of PP-OCRv6, which
    finds printed and handwritten text of many languages; nothing is read. Requires the packages `rapidocr`, which contains the
    model, and `onnxruntime`. This is the slowest of the measures, so place it last.

    The scale is that of Data-Juicer's `video_ocr_area_ratio_filter`, which uses another detector and keeps all frames by
    default. Open-Sora counts boxes, which is `unit: boxes`.

    Example:

        - textArea: {max: 0.1, output: text_area}
        - textArea: {unit: boxes, max: 5}
    """

    packages: ClassVar[dict[str, str]] = {"rapidocr": "rapidocr", "onnxruntime": "onnxruntime"}

    min: float | None = Field(default=None, ge=0, description="Minimum share, or number of boxes.")
    max: float | None = Field(
        default=0.2, ge=0, description="Maximum share, or number of boxes. With `unit: boxes`, it has no default."
    )
    unit: Literal["area", "boxes"] = Field(
        default="area", description="What is measured: the share of the area, or the number of boxes."
    )
    confidence: float = Field(default=0.3, ge=0, lt=1, description="Minimum confidence of a box, as a probability.")
    side: int = Field(
        default=640,
        ge=64,
        le=4096,
        description="Pixels of the longer side in which to look for text. Lines of less than about 8 pixels are not found.",
    )

    @model_validator(mode="after")
    def _limits_of_unit(self) -> Self:
        if self.unit == "boxes" and "max" not in self.model_fields_set:
            raise ValueError("set `max` to a number of boxes, or to null; the default is a share of the area")
        if self.unit == "area" and any(limit is not None and limit > 1 for limit in (self.min, self.max)):
            raise ValueError("`min` and `max` are shares of the area, from 0 to 1, unless you set `unit: boxes`")
        return self

    def needs(self) -> tuple[Need, ...]:
        """The colors at `side`."""
        from datajob.media.picture import Need

        return (Need("rgb", longer=self.side),)

    def measure(self, picture: Picture) -> float:
        """The share of the area, or the number of boxes."""
        import cv2
        import numpy as np

        rgb = picture.pixels(*self.needs())
        found: Any = _detector()(np.ascontiguousarray(rgb[:, :, ::-1]), box_thresh=self.confidence).boxes
        boxes = [] if found is None else list(found)
        if self.unit == "boxes":
            return len(boxes)
        area = sum(float(cv2.contourArea(np.asarray(box, np.float32))) for box in boxes)
        return min(3 * area / rgb.size, 1.0)

    def measured(self) -> tuple[str, ...]:
        """`text_area` or `text_boxes`."""
        return (f"text_{self.unit}",)

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, *self.measured())


@cache
def _detector() -> Any:
    """The detector of text, loaded once per process. It gets images that are already reduced."""
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.use_rec": False,
            "Global.use_preprocess_img": False,
            "Det.limit_type": "max",
            "Det.limit_side_len": 4096,
            "Det.mean": [0.485, 0.456, 0.406],  # as PaddleOCR trains the model; those of rapidocr find text in blank images
            "Det.std": [0.229, 0.224, 0.225],
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
