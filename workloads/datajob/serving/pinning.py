"""One commit of the model for all replicas, although a branch of the Hub moves while they start."""

from __future__ import annotations

import logging
import os
import re

from datajob.api.service.spec import ModelServiceSpec
from datajob.errors import describe_error

logger = logging.getLogger(__name__)

HUB_SECONDS = 10.0
_COMMIT = "[0-9a-f]{40}"


def pinned(spec: ModelServiceSpec) -> ModelServiceSpec:
    """The spec with the commit to which the revision of its model refers now. A folder has none.

    Without a connection to the Hub, the spec is unchanged, and replicas use what their caches contain.
    """
    chosen = spec.model.chosen
    local = chosen.model.startswith("/") or chosen.engine == "fake"
    if local or re.fullmatch(_COMMIT, chosen.revision or ""):
        return spec
    try:
        commit = _commit(chosen.model, chosen.revision)
    except Exception as error:  # noqa: BLE001 - of the Hub, its client or the network
        text = describe_error(error)
        logger.warning("Cannot resolve the revision of %s, so each replica resolves it on its own: %s", chosen.model, text)
        return spec
    block = chosen.model_copy(update={"revision": commit})
    return spec.model_copy(update={"model": spec.model.model_copy(update={spec.model.key: block})})


def _commit(model: str, revision: str | None) -> str | None:
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT")).model_info(model, revision=revision, timeout=HUB_SECONDS).sha
