"""Models of images with transformers: embeddings of images and texts (CLIP, SigLIP), and probabilities of classes.

Embeddings of recent images are kept, so that steps with the same model compute them once.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

from datajob.errors import InvalidJob
from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Answer, Request, RequestError, Settings
from datajob.operators.inference._engines.batching import Batcher, Limits
from datajob.operators.inference._engines.generating import Loaded, out_of_memory
from datajob.operators.inference._engines.loading import load_tokenizer
from datajob.operators.inference._engines.pixels import PixelProcessor

CPU_ROWS, ACCELERATOR_ROWS = 16, 256
KEPT_VECTORS = 4096
"""Number of images whose vectors are kept: more than a table of rows has."""
WITH_CLASS_TOKEN = ("beit", "deit", "dinov2", "dinov2_with_registers", "dinov3_vit", "vit", "vit_mae", "vit_msn")
"""Types of vision models whose first token represents the image."""
TEXT_LENGTH = 20
"""Estimated tokens of a text compared with one image, so that batches contain mostly one kind."""


class ImageEngine(Batcher):
    """An engine that keeps the vectors of recent images."""

    def __init__(self, backend: ImageBackend) -> None:
        super().__init__(backend)
        self.labels = backend.labels
        self.softmax = backend.softmax
        self.scale, self.bias = backend.scale, backend.bias
        self._vectors: OrderedDict[Any, Any] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: Any) -> Any:
        """The vector of a recent image; None if it is unknown."""
        with self._lock:
            return self._vectors.get(key)

    def remember(self, key: Any, vector: Any) -> None:
        """Keep the vector of an image, instead of the oldest one."""
        with self._lock:
            self._vectors[key] = vector
            while len(self._vectors) > KEPT_VECTORS:
                self._vectors.popitem(last=False)


class ImageBackend(Loaded):
    """A vector per image."""

    labels: tuple[str, ...] = ()
    """The classes, in the order of the probabilities."""
    scale, bias = 1.0, 0.0
    """What cosines are multiplied with, and what is added, before probabilities are computed."""
    softmax = True
    """Whether probabilities of texts exclude each other."""

    def __init__(self, settings: Settings, device: Device) -> None:
        super().__init__(settings, device)
        rows = CPU_ROWS if self.device.type == "cpu" else ACCELERATOR_ROWS
        self.limits = Limits(1 << 40, settings.batch_rows or rows)
        self._pixels = PixelProcessor(self.processor)
        self.preparation = PixelPreparation(self._pixels.plan)

    def length(self, request: Request) -> int:
        """1 for an image."""
        return 1

    def prepare(self, requests: Sequence[Request]) -> tuple[Any, dict[int, RequestError]]:
        """The prepared images."""
        return [request.images[0] for request in requests if request.images], {}

    def answer(self, requests: Sequence[Request], inputs: Any) -> list[Answer]:
        """The vectors."""
        import torch

        started = time.perf_counter()
        with out_of_memory(), torch.inference_mode():
            vectors = self.vectors(self._pixels.inputs(inputs, self.device).to(self.model.dtype)).float().cpu().numpy()
        share = (time.perf_counter() - started) / len(requests)
        return [Answer(seconds=share, vector=vector) for vector in vectors]

    def vectors(self, pixels: Any) -> Any:
        """The vectors of a batch of images, as a tensor."""
        raise NotImplementedError


class PixelPreparation:
    """How other processes prepare images."""

    def __init__(self, plan: Any) -> None:
        self.plan = plan


class ImageClassifier(ImageBackend):
    """The probability of each class."""

    def __init__(self, settings: Settings, device: Device) -> None:
        super().__init__(settings, device)
        names = self.model.config.id2label
        self.labels = tuple(str(names[i]) for i in range(len(names)))

    def vectors(self, pixels: Any) -> Any:
        """The probabilities."""
        import torch

        logits = self.model(pixel_values=pixels).logits.float()
        if getattr(self.model.config, "problem_type", None) == "multi_label_classification":
            return logits.sigmoid()
        return torch.softmax(logits, dim=-1)


class ImageEmbedder(ImageBackend):
    """Embeddings of images and, if the model has them, of texts in the same space. They have length 1."""

    def __init__(self, settings: Settings, device: Device) -> None:
        super().__init__(settings, device)
        kind = self.model.config.model_type
        self._texts = hasattr(self.model, "get_text_features") and hasattr(self.model, "get_image_features")
        if not self._texts and kind not in WITH_CLASS_TOKEN:
            raise InvalidJob(
                f"The model {settings.model} ({kind}) has no embedding of images that this step supports. Use a CLIP or "
                f"SigLIP model, or one of the kinds {', '.join(WITH_CLASS_TOKEN)}."
            )
        if not self._texts:
            return
        self._tokenizer = load_tokenizer(settings)
        self.softmax = not hasattr(self.model, "logit_bias")
        self.scale = float(self.model.logit_scale.detach().float().exp())
        self.bias = 0.0 if self.softmax else float(self.model.logit_bias.detach().float())

    def length(self, request: Request) -> int:
        """1 for an image; more for a text."""
        if not request.images and not self._texts:
            raise InvalidJob(f"The model {self.settings.model} compares no texts with images. Use a CLIP or SigLIP model.")
        return 1 if request.images else TEXT_LENGTH

    def prepare(self, requests: Sequence[Request]) -> tuple[Any, dict[int, RequestError]]:
        """The prepared images and the tokenized texts. Texts are truncated at the maximum of the model."""
        images, errors = super().prepare(requests)
        texts = [request.prompt for request in requests if not request.images]
        return (images, self._tokens(texts) if texts else None), errors

    def _tokens(self, texts: Sequence[str]) -> Any:
        longest = self.model.config.get_text_config().max_position_embeddings
        padding = True if self.softmax else "max_length"  # SigLIP was trained with padding
        return self._tokenizer(list(texts), padding=padding, truncation=True, max_length=longest, return_tensors="pt")

    def answer(self, requests: Sequence[Request], inputs: Any) -> list[Answer]:
        """The embeddings of images and texts."""
        import torch

        images, tokens = inputs
        found = iter(super().answer([r for r in requests if r.images], images) if images else ())
        if tokens is None:
            return list(found)
        with out_of_memory(), torch.inference_mode():
            texts = iter(_normalized(self.model.get_text_features(**tokens.to(self.device))).cpu().numpy())
        return [next(found) if request.images else Answer(vector=next(texts)) for request in requests]

    def vectors(self, pixels: Any) -> Any:
        """The embeddings of images."""
        if self._texts:
            return _normalized(self.model.get_image_features(pixel_values=pixels))
        return _normalized(self.model(pixel_values=pixels).last_hidden_state[:, 0])


def _normalized(found: Any) -> Any:
    import torch

    return torch.nn.functional.normalize(getattr(found, "pooler_output", found).float(), dim=-1)
