"""A deterministic substitute for a model, for tests: an answer is a digest of its request."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from datajob.media.errors import MediaError
from datajob.operators.inference._engines.base import Answer, InvalidImage, Request, RequestError, Settings
from datajob.operators.inference._engines.batching import Backend, Limits
from datajob.operators.media.image import decode


class Fake(Backend):
    """Decodes images like the other engines, then answers immediately."""

    description = "fake: digests instead of answers"

    def __init__(self, settings: Settings) -> None:
        self.limits = Limits(settings.batch_tokens or 1 << 20, settings.batch_rows or 8)

    def length(self, request: Request) -> int:
        """The length of the prompt."""
        if not request.prompt.strip():
            raise RequestError("the prompt is empty")
        return len(request.prompt)

    def prepare(self, requests: Sequence[Request]) -> tuple[Any, dict[int, RequestError]]:
        """Digests of the pixels."""
        digests: list[str] = []
        errors: dict[int, RequestError] = {}
        for position, request in enumerate(requests):
            o = request.options
            try:
                pixels = [decode(i, o.max_pixels, o.folder).tobytes() for i in request.images]
                digests.append(hashlib.blake2b(b"".join(pixels), digest_size=4).hexdigest())
            except MediaError as error:
                errors[position] = InvalidImage(error)
        return digests, errors

    def answer(self, requests: Sequence[Request], inputs: Any) -> list[Answer]:
        """The prompts and digests."""
        return [Answer(f"{r.prompt} {digest}", tokens=1) for r, digest in zip(requests, inputs, strict=True)]
