"""Tiny models with random weights, made once per session; what needs them is skipped where torch is not installed."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest


def needs_torch() -> None:
    """Skip, with the reason, where the packages of models are not installed."""
    missing = [name for name in ("torch", "torchvision", "transformers") if find_spec(name) is None]
    if missing:
        pytest.skip(f"runs a real model; not installed: {', '.join(missing)} (pip install 'datajob[llava]')")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA-NeXT of a quarter of a million parameters."""
    needs_torch()
    from tests.support.models.llava import make_llava

    return make_llava(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its language model alone."""
    needs_torch()
    from tests.support.models.llava import make_llama

    return make_llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="session")
def beginning(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a tokenizer that adds a first token, which the chat template writes too."""
    from tokenizers import Tokenizer, processors

    folder = shutil.copytree(tiny, tmp_path_factory.mktemp("models") / "beginning")
    file = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    first = "<|begin_of_text|>"
    adds = processors.TemplateProcessing(single=f"{first} $A", special_tokens=[(first, tokenizer.token_to_id(first))])
    tokenizer.post_processor = adds  # type: ignore[assignment]
    tokenizer.save(str(file))
    return folder
