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


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP model with random weights."""
    needs_torch()
    from tests.support.models.images import make_clip

    return make_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="session")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SigLIP model with random weights."""
    needs_torch()
    from tests.support.models.images import make_siglip

    return make_siglip(tmp_path_factory.mktemp("models") / "siglip")


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of images with the classes `normal` and `nsfw`."""
    needs_torch()
    from tests.support.models.images import make_classifier

    return make_classifier(tmp_path_factory.mktemp("models") / "classifier")


@pytest.fixture(scope="session")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DINOv2 model with random weights."""
    needs_torch()
    from tests.support.models.images import make_dinov2

    return make_dinov2(tmp_path_factory.mktemp("models") / "dinov2")


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper model with random weights and windows of 30 seconds."""
    needs_torch()
    from tests.support.models.speech import make_whisper

    return make_whisper(tmp_path_factory.mktemp("models") / "whisper")


@pytest.fixture(scope="session")
def short_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper model with windows of 4 seconds."""
    needs_torch()
    from tests.support.models.speech import make_whisper

    return make_whisper(tmp_path_factory.mktemp("models") / "short-whisper", seconds=4)
