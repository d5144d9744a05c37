"""Embeddings of texts."""

from __future__ import annotations

import base64
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from datajob.operators.inference._engines.serving import Embedding, ServingEngine
from datajob.serving.connection import while_connected
from datajob.serving.exchange import Exchange
from datajob.serving.openai.errors import invalid, json_response, unsupported
from datajob.serving.openai.fields import Fields, read
from datajob.serving.service import Service

MAX_INPUTS = 2048
_CHARACTERS_PER_TOKEN = 4


class EmbeddingRequest(Fields):
    """A request for embeddings."""

    model: str
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1, lt=2**31)

    def inputs(self) -> list[str | tuple[int, ...]]:
        """The texts or lists of tokens. Raises ApiError."""
        given: Any = self.input
        if isinstance(given, str) or (given and isinstance(given[0], int)):
            given = [given]
        if not given or not all(given):
            raise invalid("`input` must not be empty or contain an empty text.", "input")
        if len(given) > MAX_INPUTS:
            raise invalid(f"`input` has {len(given)} texts; the maximum is {MAX_INPUTS}.", "input")
        return [one if isinstance(one, str) else tuple(one) for one in given]


async def embed(exchange: Exchange, request: Request, engine: ServingEngine, body: dict[str, Any]) -> Response:
    """The reply to a request, which ends the exchange. Raises ApiError or RequestError."""
    service = exchange.service
    fields = read(EmbeddingRequest, body)
    if "embeddings" not in engine.features:
        raise unsupported("model", f"The model `{service.name}` does not support embeddings.")
    inputs = [service.prefix + one if isinstance(one, str) else one for one in fields.inputs()]
    estimate = sum(len(one) // _CHARACTERS_PER_TOKEN + 1 if isinstance(one, str) else len(one) for one in inputs)
    service.admission.reserve(exchange.ticket, estimate)
    found = await while_connected(request.receive, engine.embed(inputs))
    _check_dimensions(fields, found, service)
    exchange.first_token()
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(each, fields.encoding_format)}
        for index, each in enumerate(found)
    ]
    tokens = sum(each.tokens for each in found)
    headers = service.admission.headers(exchange.key)
    exchange.spent = tokens, 0
    exchange.end(200)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_response({"object": "list", "data": data, "model": service.name, "usage": usage}, headers=headers)


def _check_dimensions(fields: EmbeddingRequest, found: list[Embedding], service: Service) -> None:
    """Vectors are not shortened: that is only correct for models that were trained for it."""
    length = len(found[0].vector)
    if fields.dimensions not in (None, length):
        raise unsupported("dimensions", f"The model `{service.name}` computes vectors of {length} dimensions only.")


def _encoded(embedding: Embedding, form: str) -> Any:
    import numpy as np

    vector = np.asarray(embedding.vector, dtype="<f4")
    return vector.tolist() if form == "float" else base64.b64encode(vector.tobytes()).decode("ascii")
