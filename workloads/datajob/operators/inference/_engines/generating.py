"""Generation with transformers in batches, for vision-language and language models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from datajob.media.errors import MediaError
from datajob.operators.base import Device
from datajob.operators.inference._engines.base import (
    Answer,
    InvalidImage,
    OutOfMemory,
    Request,
    RequestError,
    Settings,
    not_finite,
)
from datajob.operators.inference._engines.batching import Backend, Limits
from datajob.operators.inference._engines.devices import empty_caches, torch_device
from datajob.operators.inference._engines.loading import load_config, load_model, load_processor
from datajob.operators.inference._engines.memory import reuse_freed_memory
from datajob.operators.inference._engines.packed import pack_linears
from datajob.operators.inference._engines.prompting import Prompter, check_length
from datajob.operators.inference._engines.sampling import NanWatch, RowSampler
from datajob.operators.inference._engines.tiling import processed, tiling_of
from datajob.operators.inference._tiles import Tiles, unpacked
from datajob.operators.media.image import decode_all

CPU_LIMITS = Limits(tokens=16_384, rows=16)
"""Measured by `benchmarks.llava_answers`: as fast as 8 rows for answers of 32 tokens, a sixth faster for 256 tokens."""
ACCELERATOR_LIMITS = Limits(tokens=65_536, rows=64)


class Loaded(Backend):
    """A transformers model and its processor on a device."""

    def __init__(self, settings: Settings, device: Device) -> None:
        import torch
        import transformers

        config = load_config(settings)
        self.device = torch_device(device)
        self.processor = load_processor(settings)
        self.model = load_model(settings, self.device, device.count)
        packed = self.device.type == "cpu" and pack_linears(self.model)
        if self.device.type == "cpu":
            reuse_freed_memory()
        self.settings = settings
        default = CPU_LIMITS if self.device.type == "cpu" else ACCELERATOR_LIMITS
        self.limits = Limits(settings.batch_tokens or default.tokens, settings.batch_rows or default.rows)
        self.revision = getattr(config, "_commit_hash", None) or settings.revision or "local"
        kind = str(self.model.dtype).removeprefix("torch.")
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        self.description = (
            f"transformers {transformers.__version__}: {settings.model} at {self.revision}, {kind} on {self.device.type}"
            f"{threads}{', weights packed by oneDNN' if packed else ''}"
        )

    def on_device(self, inputs: Any) -> Any:
        """The inputs on the device, with pixels in the data type of the model."""
        import torch

        moved = {}
        for name, value in inputs.items():
            floats = isinstance(value, torch.Tensor) and value.is_floating_point()
            moved[name] = value.to(self.device, self.model.dtype) if floats else value.to(self.device)
        return moved


class Generator(Loaded):
    """Generates answers to prompts, with or without images."""

    def __init__(self, settings: Settings, device: Device) -> None:
        super().__init__(settings, device)
        self._vision = settings.task == "vision"
        if self._vision:
            self.preparation = tiling_of(self.processor, settings.model, settings.revision)
        self._prompter = Prompter(self.processor, self._vision)
        self.tokenizer = getattr(self.processor, "tokenizer", self.processor)
        ends = self.model.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if ends is None else ends
        self.ends = frozenset(ends if isinstance(ends, list) else [ends])
        text = self.model.config.get_text_config()
        self.longest = getattr(text, "max_position_embeddings", None)
        self.vocabulary: int = text.vocab_size

    def length(self, request: Request) -> int:
        """The number of tokens of prompt, images and answer; only the headers of the images are read."""
        tokens = self._prompter.length(request)
        check_length(tokens, request.options.max_new_tokens, self.longest)
        return tokens + request.options.max_new_tokens

    def prepare(self, requests: Sequence[Request]) -> tuple[Any, dict[int, RequestError]]:
        """The decoded images and tokenized prompts, padded on the left."""
        images = _pictures(requests)
        errors: dict[int, RequestError] = {
            i: InvalidImage(some) for i, some in enumerate(images) if isinstance(some, MediaError)
        }
        prompts = [self._prompter.prompt(request) for i, request in enumerate(requests) if i not in errors]
        if not prompts:
            return None, errors
        pictures = [picture for some in images if not isinstance(some, MediaError) for picture in some]
        options: dict[str, Any] = {"text": [p.text for p in prompts], "padding": True, "return_tensors": "pt"}
        options["add_special_tokens"] = prompts[0].special  # the same for all: a batch has one chat template
        if any(isinstance(picture, Tiles) for picture in pictures):
            return processed(self.processor, pictures, **options), errors
        return self.processor(**options, **({"images": pictures} if pictures else {})), errors

    def answer(self, requests: Sequence[Request], inputs: Any) -> Sequence[Answer | RequestError]:
        """The answers without the prompts."""
        import torch

        options = requests[0].options
        sampler = RowSampler(options, [r.seed for r in requests], self.device) if options.temperature > 0 else None
        watch = NanWatch(sampler)
        started = time.perf_counter()
        with out_of_memory(), torch.inference_mode():
            new = self.generate(self.on_device(inputs), options.max_new_tokens, watch)
        share = (time.perf_counter() - started) / len(requests)
        answers = [self._read(tokens, share) for tokens in new]
        failed = watch.failed([answer.tokens + 1 for answer in answers])
        return [not_finite("the next token") if nan else answer for answer, nan in zip(answers, failed, strict=True)]

    def generate(self, inputs: Any, max_new_tokens: int, choose: Any = None) -> list[list[int]]:
        """The new tokens of each row: those with the highest scores, which `choose` can replace at each step."""
        from transformers import LogitsProcessorList

        how: dict[str, Any] = {
            "max_new_tokens": max_new_tokens,
            "do_sample": False,
            "temperature": None,
            "top_p": None,
            "top_k": None,
            "pad_token_id": self.tokenizer.pad_token_id,
        }
        if choose is not None:
            how["logits_processor"] = LogitsProcessorList([choose])
        made: list[list[int]] = self.model.generate(**inputs, **how, **self.cache())[:, inputs["input_ids"].shape[1] :].tolist()
        return made

    def cache(self) -> dict[str, Any]:
        """The arguments of `generate` for the cache of a batch."""
        from datajob.operators.inference._engines.cache import growing_cache

        if self.settings.static_cache:
            return {"cache_implementation": "static"}
        cache = growing_cache(self.model)
        return {} if cache is None else {"past_key_values": cache}

    def _read(self, tokens: list[int], seconds: float) -> Answer:
        end = next((i for i, token in enumerate(tokens) if token in self.ends), None)
        said = tokens if end is None else tokens[:end]
        text = self.tokenizer.decode(said, skip_special_tokens=True)
        return Answer(text, len(said), "length" if end is None else "stop", seconds)


def _pictures(requests: Sequence[Request]) -> list[list[Any] | MediaError]:
    """The prepared or decoded images of each request, which all have the same options; or why it has none."""
    values = [image for request in requests for image in request.images]
    tiles = [unpacked(image) for image in values]
    o = requests[0].options
    decoded = iter(decode_all([v for v, t in zip(values, tiles, strict=True) if t is None], o.max_pixels, o.folder))
    found = iter([t if t is not None else next(decoded) for t in tiles])
    rows = [[next(found) for _ in request.images] for request in requests]
    return [next((each for each in row if isinstance(each, MediaError)), row) for row in rows]


class out_of_memory:  # noqa: N801 - reads as a function
    """Converts out-of-memory errors of all devices to OutOfMemory, and releases cached memory."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        import torch

        short = isinstance(error, torch.OutOfMemoryError | MemoryError) or (
            isinstance(error, RuntimeError) and ("out of memory" in str(error) or "can't allocate memory" in str(error))
        )
        if not short:
            return
        empty_caches()
        raise OutOfMemory(str(error)[:300]) from None
