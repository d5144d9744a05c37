"""What transformers computes for one image at a time, decoded by Pillow, without this project's engine."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datajob.media.image import decode
from tests.support.pictures import PHOTOS, encoded, photo, photo_bytes

TEXTS = ("a photo of cat", "temple", "the red flower and a dog", "document with small blue screenshot", "")


@cache
def pictures() -> dict[str, bytes]:
    """Photos of several sizes, and odd images that can be decoded."""
    china = photo("china")
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        **{name: photo_bytes(name) for name in PHOTOS},
        "gray": encoded(china.convert("L")),
        "16 bits": encoded(Image.fromarray(np.asarray(china.convert("L")).astype(np.uint16) * 257)),
        "1 bit": encoded(china.convert("1")),
        "palette": encoded(china.convert("P"), "GIF"),
        "alpha": encoded(china.convert("RGBA").rotate(30)),
        "CMYK": encoded(china.convert("CMYK"), "JPEG"),
        "turned": encoded(china, "JPEG", quality=95, exif=turned),
        "narrow": encoded(china.crop((0, 0, 9, 400))),
        "tiny": encoded(china.resize((3, 2))),
        "large": encoded(china.resize((2048, 1366)), "JPEG", quality=90),
    }


@cache
def _loaded(folder: Path, kind: str) -> tuple[Any, Any, Any]:
    import transformers

    model = getattr(transformers, kind).from_pretrained(folder).eval()
    words = transformers.AutoTokenizer.from_pretrained(folder) if (folder / "tokenizer.json").exists() else None
    return model, transformers.AutoImageProcessor.from_pretrained(folder), words


def image_embedding(folder: Path, data: bytes) -> np.ndarray[Any, Any]:
    """The embedding of an image, of length one."""
    import torch

    model, processor, _ = _loaded(folder, "AutoModel")
    with torch.inference_mode():
        pixels = processor([decode(data)], return_tensors="pt")
        if hasattr(model, "get_image_features"):
            found = model.get_image_features(**pixels).pooler_output
        else:
            found = model(**pixels).last_hidden_state[:, 0]
    return torch.nn.functional.normalize(found, dim=-1)[0].numpy()


def text_embedding(folder: Path, text: str) -> np.ndarray[Any, Any]:
    """The embedding of a text, of length one."""
    import torch

    model, _, words = _loaded(folder, "AutoModel")
    padding = "max_length" if "siglip" in model.config.model_type else False
    with torch.inference_mode():
        tokens = words([text], return_tensors="pt", truncation=True, max_length=16, padding=padding)
        found = model.get_text_features(**tokens).pooler_output
    return torch.nn.functional.normalize(found, dim=-1)[0].numpy()


def probabilities(folder: Path, data: bytes) -> np.ndarray[Any, Any]:
    """The probability of each class."""
    import torch

    model, processor, _ = _loaded(folder, "AutoModelForImageClassification")
    with torch.inference_mode():
        return model(**processor([decode(data)], return_tensors="pt")).logits.softmax(dim=-1)[0].numpy()


def label_probabilities(folder: Path, data: bytes, texts: list[str]) -> np.ndarray[Any, Any]:
    """The probability of each text, as the models state it."""
    import torch

    model, processor, words = _loaded(folder, "AutoModel")
    sigmoid = "siglip" in model.config.model_type
    with torch.inference_mode():
        tokens = words(texts, return_tensors="pt", truncation=True, max_length=16, padding="max_length" if sigmoid else True)
        logits = model(**tokens, **processor([decode(data)], return_tensors="pt")).logits_per_image[0]
        return (logits.sigmoid() if sigmoid else logits.softmax(dim=-1)).numpy()
