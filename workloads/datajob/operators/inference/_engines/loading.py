"""Loads Hugging Face models and processors from a folder or the Hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob
from datajob.operators.inference._engines.base import IMAGE_TASKS, Settings

if TYPE_CHECKING:
    import torch


def dtype_of(settings: Settings, device: torch.device) -> torch.dtype:
    """The data type of the settings; by default float16 on accelerators and float32 on CPUs."""
    import torch

    name = settings.dtype or ("float32" if device.type == "cpu" else "float16")
    found: torch.dtype = getattr(torch, name)
    return found


def load_config(settings: Settings) -> Any:
    """The config of the model. Raises InvalidJob if it does not exist or is of a different kind."""
    quiet()
    from transformers import AutoConfig

    with _as_invalid_job(settings):
        config = AutoConfig.from_pretrained(settings.model, revision=settings.revision)
    if settings.model_type and config.model_type != settings.model_type:
        raise InvalidJob(
            f"The model {settings.model} is a {config.model_type} model, but this step needs a {settings.model_type} model "
            "(LLaVA-NeXT). Use `visionLanguage` for other vision-language models and `textGeneration` for language models."
        )
    if settings.task == "speech" and config.model_type != "whisper":
        raise InvalidJob(
            f"The model {settings.model} is a {config.model_type} model, but this step needs a Whisper model, such as "
            "openai/whisper-large-v3."
        )
    return config


def load_processor(settings: Settings) -> Any:
    """The processor, or the tokenizer for text; pads on the left, so that the answer follows the prompt directly."""
    from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer

    if settings.task in IMAGE_TASKS:
        with _as_invalid_job(settings):
            return AutoImageProcessor.from_pretrained(settings.model, revision=settings.revision)
    kind: Any = AutoProcessor if settings.task in ("vision", "speech") else AutoTokenizer
    with _as_invalid_job(settings):
        processor = kind.from_pretrained(settings.model, revision=settings.revision)
    tokenizer = getattr(processor, "tokenizer", processor)
    tokenizer.padding_side = "right" if settings.task == "embed" else "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return processor


def load_tokenizer(settings: Settings) -> Any:
    """The tokenizer of a model of images and texts; pads on the right."""
    from transformers import AutoTokenizer

    with _as_invalid_job(settings):
        tokenizer = AutoTokenizer.from_pretrained(settings.model, revision=settings.revision)
    tokenizer.padding_side = "right"
    return tokenizer


def load_model(settings: Settings, device: torch.device, accelerators: float) -> Any:
    """The model on its device, in evaluation mode."""
    import transformers

    names = {"vision": "AutoModelForImageTextToText", "text": "AutoModelForCausalLM", "embed": "AutoModel"}
    names |= {
        "speech": "AutoModelForSpeechSeq2Seq",
        "imageEmbed": "AutoModel",
        "imageClassify": "AutoModelForImageClassification",
    }
    kind = getattr(transformers, names[settings.task])
    extra: dict[str, Any] = {}
    if settings.attention != "auto":
        extra["attn_implementation"] = settings.attention
    if settings.quantization != "none":
        extra["quantization_config"] = _quantized(settings, device)
    spread = accelerators > 1 and device.type != "cpu"
    if spread and find_spec("accelerate") is None:
        raise InvalidJob(
            "`accelerators` above 1 with the engine transformers needs the Python package `accelerate`, which is not installed."
        )
    if spread or extra.get("quantization_config") is not None:
        extra["device_map"] = "auto" if spread else {"": device}
    with _as_invalid_job(settings):
        model, info = kind.from_pretrained(
            settings.model, revision=settings.revision, dtype=dtype_of(settings, device), output_loading_info=True, **extra
        )
    if settings.task in (*IMAGE_TASKS, "speech"):
        _check_complete(settings, type(model).__name__, info)
    model = model if "device_map" in extra else model.to(device)
    return model.eval()


def _check_complete(settings: Settings, kind: str, info: Any) -> None:
    """Raise InvalidJob if weights are missing: transformers would replace them by random numbers. A pooler is not used."""
    missing = [name for name in info["missing_keys"] if ".pooler." not in f".{name}" or settings.task == "imageClassify"]
    if missing:
        raise InvalidJob(
            f"The model {settings.model} lacks weights of {kind} ({sorted(missing)[0]}), so it was made for another purpose. "
            "Use a model for the purpose of this step."
        )


def _quantized(settings: Settings, device: torch.device) -> Any:
    import torch
    import transformers

    quantized: Any = transformers.BitsAndBytesConfig
    if device.type != "cuda" or find_spec("bitsandbytes") is None:
        raise InvalidJob(f"`quantization: {settings.quantization}` needs a GPU and the Python package `bitsandbytes`.")
    if settings.quantization == "int8":
        return quantized(load_in_8bit=True)
    return quantized(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float16)


@contextmanager
def _as_invalid_job(settings: Settings) -> Iterator[None]:
    """Convert the errors of transformers to InvalidJob."""
    model = settings.model
    local = Path(model).expanduser()
    if model.startswith(("/", "./", "../", "~")) and not (local / "config.json").is_file():
        what = "does not contain a model (no config.json)" if local.is_dir() else "does not exist"
        raise InvalidJob(
            f"The model folder {model} {what}. Set `model` to a folder that every worker can access, such as a volume, or to "
            "the name of a model on the Hugging Face Hub, such as llava-hf/llama3-llava-next-8b-hf."
        )
    try:
        yield
    except ImportError as error:
        raise InvalidJob(f"The model {model} needs a Python package that is not installed: {first_line(error)}") from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if "out of memory" in str(error):
            raise InvalidJob(f"The model {model} does not fit into the memory of the device: {first_line(error)}") from error
        raise InvalidJob(f"The model {model} cannot be loaded: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The message of an error on one line, shortened."""
    return " ".join(str(error).split())[:400] or type(error).__name__


def quiet() -> None:
    """Disable progress bars and advice in the logs of workers."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import utils

    logs: Any = utils.logging
    logs.set_verbosity_error()
    logs.disable_progress_bar()
