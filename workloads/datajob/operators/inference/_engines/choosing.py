"""Starts the engine of a step, or the best available one."""

from __future__ import annotations

import dataclasses
import os
from importlib.util import find_spec

from datajob.errors import InvalidJob
from datajob.operators.base import Device
from datajob.operators.inference._engines.base import IMAGE_TASKS, Engine, Settings
from datajob.operators.inference._engines.batching import Batcher
from datajob.operators.inference._engines.serving import ServingEngine


def start_engine(settings: Settings, device: Device) -> Engine:
    """The engine with its model loaded. Raises InvalidJob if the engine, the model or the device does not exist."""
    if settings.model.startswith("~"):  # transformers and vLLM would look for it on the hub
        settings = dataclasses.replace(settings, model=os.path.expanduser(settings.model))
    if settings.task in IMAGE_TASKS:
        return _image_engine(settings, device)
    if settings.task == "speech":
        return _speech_engine(settings, device)
    name = settings.engine if settings.engine != "auto" else _best(settings, device)
    if name == "fake":
        from datajob.operators.inference._engines.fake import Fake

        return Batcher(Fake(settings))
    _require("torch", "transformers")
    if name == "vllm":
        from datajob.operators.inference._engines.vllm import Vllm

        return Vllm(settings, device)
    if name == "ascend" and device.kind not in ("npu", "any"):
        raise InvalidJob("`engine: ascend` requires `spec.resources.accelerator` of type npu.")
    if settings.task == "embed":
        from datajob.operators.inference._engines.embedding import Embedder

        return Batcher(Embedder(settings, device))
    from datajob.operators.inference._engines.generating import Generator

    return Batcher(Generator(settings, Device("npu", device.count) if name == "ascend" else device))


def start_serving(settings: Settings, device: Device, max_pixels: int = 0) -> ServingEngine:
    """The engine that answers online, with its model loaded. Raises InvalidJob like `start_engine`.

    The name of a fake model can be a number: the milliseconds of a step.
    """
    if settings.model.startswith("~"):
        settings = dataclasses.replace(settings, model=os.path.expanduser(settings.model))
    name = settings.engine if settings.engine != "auto" else _best(settings, device)
    if name == "fake":
        from datajob.operators.inference._engines.fake_serving import FakeServing

        return FakeServing(settings.batch_rows or 8, int(settings.model) / 1000 if settings.model.isdecimal() else 0.0)
    _require("torch", "transformers")
    if name == "vllm":
        from datajob.operators.inference._engines.vllm_serving import VllmServing

        return VllmServing(settings, device, max_pixels)
    if settings.task == "embed":
        from datajob.operators.inference._engines.embedding import Embedder
        from datajob.operators.inference._engines.served_batches import ServedBatches

        return ServedBatches(Embedder(settings, device))
    from datajob.operators.inference._engines.continuous import ContinuousServing
    from datajob.operators.inference._engines.generating import Generator

    return ContinuousServing(Generator(settings, Device("npu", device.count) if name == "ascend" else device), max_pixels)


def _image_engine(settings: Settings, device: Device) -> Engine:
    _require("torch", "torchvision", "transformers")
    from datajob.operators.inference._engines.images import ImageClassifier, ImageEmbedder, ImageEngine

    return ImageEngine((ImageClassifier if settings.task == "imageClassify" else ImageEmbedder)(settings, device))


def _speech_engine(settings: Settings, device: Device) -> Engine:
    _require("torch", "transformers")
    from datajob.operators.inference._engines.speech import SpeechBackend, SpeechEngine

    return SpeechEngine(SpeechBackend(settings, device))


def _require(*packages: str) -> None:
    """Raise InvalidJob if one of the packages is not installed."""
    if any(find_spec(name) is None for name in packages):
        raise InvalidJob(
            f"This step needs {', '.join(packages[:-1])} and {packages[-1]}. Install them with `pip install 'datajob[llava]'`, "
            "or use a workload image that contains them."
        )


def _best(settings: Settings, device: Device) -> str:
    """vLLM if it is installed for the accelerator and supports the settings; otherwise transformers, on NPUs by torch_npu."""
    kind = {"gpu": "cuda", "npu": "npu"}.get(device.kind)
    if kind is not None and find_spec("vllm") is not None:
        from datajob.operators.inference._engines.vllm_loading import unsupported, vllm_device

        if unsupported(settings) is None and vllm_device() == kind:
            return "vllm"
    return "ascend" if device.kind == "npu" else "transformers"
