"""Requests of rows in the shape of OpenAI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datajob.operators.inference._endpoints.pictures import image_url
from datajob.operators.inference._endpoints.target import Target
from datajob.operators.inference._engines.base import Request

PATHS = {"chat": "/chat/completions", "text": "/completions", "embed": "/embeddings"}


def path_of(target: Target, request: Request) -> str:
    """The path below the base URL that answers a request."""
    return PATHS["embed" if target.task == "embed" else "chat" if request.options.chat else "text"]


def body_of(target: Target, model: str, requests: Sequence[Request], limit: str) -> dict[str, Any]:
    """The body for one request or, for embeddings, for several. `limit`: the name of the limit of tokens.

    Raises RequestError for an image that cannot be sent.
    """
    first = requests[0]
    if target.task == "embed":
        return {"model": model, "input": [request.prompt for request in requests], "encoding_format": "float"}
    options = first.options
    body: dict[str, Any] = {"model": model}
    if options.chat:
        system = [] if options.system is None else [{"role": "system", "content": options.system}]
        body["messages"] = [*system, {"role": "user", "content": _content(target, first)}]
        body[limit] = options.max_new_tokens
    else:
        body["prompt"] = first.prompt
        body["max_tokens"] = options.max_new_tokens
    body["temperature"] = options.temperature
    if options.temperature > 0:
        body["seed"] = first.seed
    if options.top_p < 1:
        body["top_p"] = options.top_p
    if options.top_k:
        body["top_k"] = options.top_k
    return body


def _content(target: Target, request: Request) -> Any:
    """The images, then the text, as the models of the other engines read them."""
    if target.task != "vision":
        return request.prompt
    urls = [image_url(image, request.options, target.image_urls) for image in request.images]
    return [*({"type": "image_url", "image_url": {"url": url}} for url in urls), {"type": "text", "text": request.prompt}]
