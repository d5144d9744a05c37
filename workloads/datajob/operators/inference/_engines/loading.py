"""Loads models and processors of Hugging Face from a folder or the hub, and says what is wrong when it cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob
from datajob.operators.inference._engines.base import Settings

if TYPE_CHECKING:
    import torch


def dtype_of(settings: Settings, device: torch.device) -> torch.dtype:
    """The type asked for; by default float16 on accelerators and float32 on the CPU."""
    import torch

    name = settings.dtype or ("float32" if device.type == "cpu" else "float16")
    found: torch.dtype = getattr(torch, name)
    return found


def load_config(settings: Settings) -> Any:
    """The model's config. Raises InvalidJob when there is no such model, or when it is of another kind."""
    quiet()
    from transformers import AutoConfig

    with _said(settings):
        config = AutoConfig.from_pretrained(settings.model, revision=settings.revision)
    if settings.model_type and config.model_type != settings.model_type:
        raise InvalidJob(
            f"The model {settings.model} is a {config.model_type} model, and this step needs {settings.model_type} "
            "(LLaVA-NeXT). Use `visionLanguage` for other models that answer questions about images, "
            "`textGeneration` for those of text."
        )
    return config


def load_processor(settings: Settings) -> Any:
    """Processor (or tokenizer, for text) that pads on the left: on the right, padding would stand before the answer."""
    from transformers import AutoProcessor, AutoTokenizer

    kind: Any = AutoProcessor if settings.task == "vision" else AutoTokenizer
    with _said(settings):
        processor = kind.from_pretrained(settings.model, revision=settings.revision)
    tokenizer = getattr(processor, "tokenizer", processor)
    tokenizer.padding_side = "right" if settings.task == "embed" else "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return processor


def load_model(settings: Settings, device: torch.device, accelerators: float) -> Any:
    """The model on its device, ready to answer."""
    import transformers

    names = {"vision": "AutoModelForImageTextToText", "text": "AutoModelForCausalLM", "embed": "AutoModel"}
    kind = getattr(transformers, names[settings.task])
    extra: dict[str, Any] = {}
    if settings.attention != "auto":
        extra["attn_implementation"] = settings.attention
    if settings.quantization != "none":
        extra["quantization_config"] = _quantized(settings, device)
    spread = accelerators > 1 and device.type != "cpu"
    if spread and find_spec("accelerate") is None:
        raise InvalidJob("`accelerators` above 1 with the engine transformers needs the package accelerate in the image.")
    if spread or extra.get("quantization_config") is not None:
        extra["device_map"] = "auto" if spread else {"": device}
    with _said(settings):
        model = kind.from_pretrained(settings.model, revision=settings.revision, dtype=dtype_of(settings, device), **extra)
    model = model if "device_map" in extra else model.to(device)
    return model.eval()


def _quantized(settings: Settings, device: torch.device) -> Any:
    import torch
    import transformers

    quantized: Any = transformers.BitsAndBytesConfig
    if device.type != "cuda" or find_spec("bitsandbytes") is None:
        raise InvalidJob(f"`quantization: {settings.quantization}` needs a GPU and the package bitsandbytes in the image.")
    if settings.quantization == "int8":
        return quantized(load_in_8bit=True)
    return quantized(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float16)


@contextmanager
def _said(settings: Settings) -> Iterator[None]:
    """Turn what transformers raises into InvalidJob."""
    model = settings.model
    local = Path(model).expanduser()
    if model.startswith(("/", "./", "../", "~")) and not (local / "config.json").is_file():
        what = "holds no model (no config.json)" if local.is_dir() else "does not exist"
        raise InvalidJob(
            f"The model {model} {what}. `model` is a folder that every worker sees (a volume, say), "
            "or the name of a model on the hub, such as llava-hf/llama3-llava-next-8b-hf."
        )
    try:
        yield
    except ImportError as error:
        raise InvalidJob(f"The model {model} needs a package that is not in the image: {first_line(error)}") from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if "out of memory" in str(error):
            raise InvalidJob(f"The model {model} does not fit the memory of the device: {first_line(error)}") from error
        raise InvalidJob(f"The model {model} cannot be loaded: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """What an error says, on one line and not too long."""
    return " ".join(str(error).split())[:400] or type(error).__name__


def quiet() -> None:
    """No progress bars and no advice in the logs of workers."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import utils

    logs: Any = utils.logging
    logs.set_verbosity_error()
    logs.disable_progress_bar()
