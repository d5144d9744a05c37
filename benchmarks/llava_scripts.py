"""The scripts that the llava step is compared with: `python -m benchmarks.llava_scripts NAME MODEL PHOTOS MOST TOKENS
[SINK]`.

`sequential` is the script from the documentation of the model. `article` is the same code in a remote function with a GPU, as
in many articles. Both print one JSON line: the texts by file, and timestamps in seconds since the epoch. `rayData` is a simple
map_batches with two actors. It writes Parquet files to SINK: the texts, and when each batch began and ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROMPT = "描述这张图片的内容"
THREADS = 1
"""The same as for one actor per core."""
ACTORS = 2
BATCH = 8


class Script:
    """The model and its processor, with one call of generate per image or per batch."""

    def __init__(self, model: str, tokens: int, device: str | None = None) -> None:
        import torch
        from transformers import LlavaNextForConditionalGeneration, LlavaNextProcessor

        gpu = torch.cuda.is_available() and device != "cpu"
        if not gpu and device is None:
            torch.set_num_threads(THREADS)
        self.device = torch.device("cuda" if gpu else "cpu")
        self.processor = LlavaNextProcessor.from_pretrained(model)
        self.processor.tokenizer.padding_side = "left"
        kind = torch.float16 if gpu else torch.float32
        self.model = LlavaNextForConditionalGeneration.from_pretrained(model, dtype=kind).to(self.device).eval()
        self.tokens = tokens
        chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]
        self.prompt = self.processor.apply_chat_template(chat, add_generation_prompt=True)

    def inputs(self, paths: list[str]) -> Any:
        """The model inputs of several files, in one batch."""
        from PIL import Image

        images = [Image.open(p).convert("RGB") for p in paths]
        inputs = self.processor(images=images, text=[self.prompt] * len(images), padding=True, return_tensors="pt")
        return inputs.to(self.device, self.model.dtype)

    def answer(self, paths: list[str]) -> list[str]:
        """The captions of several files, in one batch."""
        import torch

        inputs = self.inputs(paths)
        with torch.inference_mode():
            made = self.model.generate(**inputs, max_new_tokens=self.tokens, do_sample=False)
        texts: list[str] = self.processor.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return texts

    def tokens_and_logits(self, path: str) -> tuple[list[int], Any]:
        """The tokens of the caption of a file, and the logits (tokens x vocabulary) from which each was chosen."""
        import torch

        inputs = self.inputs([path])
        with torch.inference_mode():
            made = self.model.generate(
                **inputs, max_new_tokens=self.tokens, do_sample=False, output_logits=True, return_dict_in_generate=True
            )
        return made.sequences[0, inputs["input_ids"].shape[1] :].tolist(), torch.cat(made.logits)

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens."""
        text: str = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return text


def sequential(model: str, paths: list[str], tokens: int) -> dict[str, Any]:
    """Load the model once and process one image after the other."""
    script = Script(model, tokens)
    loaded = time.time()
    texts, first = {}, 0.0
    for path in paths:
        texts[path] = script.answer([path])[0]
        first = first or time.time()
    return {"texts": texts, "loaded": loaded, "first": first, "last": time.time()}


def article(model: str, paths: list[str], tokens: int) -> dict[str, Any]:
    """A remote function with num_gpus=1 per image. Each call starts a new worker, which loads everything again."""
    import ray

    ray.init(include_dashboard=False, log_to_driver=False, num_gpus=ACTORS)

    @ray.remote(num_gpus=1)
    def caption(path: str) -> tuple[str, str, float]:
        return path, Script(model, tokens).answer([path])[0], time.time()

    began = time.time()
    found: list[tuple[str, str, float]] = ray.get([caption.remote(p) for p in paths])
    return {
        "texts": {path: text for path, text, _ in found},
        "loaded": began,
        "first": min(moment for *_, moment in found),
        "last": time.time(),
    }


def ray_data(model: str, paths: list[str], tokens: int, folder: str) -> None:
    """map_batches with two actors and batches of eight in file order; writes Parquet files to `folder`."""
    import numpy as np
    import ray
    import ray.data

    class Captioner:
        def __init__(self) -> None:
            self.script = Script(model, tokens)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            began = time.time()
            texts = self.script.answer(list(batch["item"]))
            n = len(texts)
            return {
                "item": batch["item"],
                "text": np.array(texts),
                "began": np.full(n, began),
                "ended": np.full(n, time.time()),
            }

    ray.init(include_dashboard=False, log_to_driver=False)
    data = ray.data.from_items(paths, override_num_blocks=-(-len(paths) // BATCH))
    rows = data.map_batches(Captioner, batch_size=BATCH, compute=ray.data.ActorPoolStrategy(size=ACTORS))
    rows.write_parquet(folder, ray_remote_args={"num_cpus": 0})  # the actors occupy all cores, so writing would wait


PRINTING: dict[str, Callable[[str, list[str], int], dict[str, Any]]] = {
    "sequential": sequential,
    "article": article,
}

if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    name, folder, photos, most, tokens = sys.argv[1:6]
    files = sorted(map(str, Path(photos).iterdir()))[: int(most)]
    if name == "rayData":
        ray_data(folder, files, int(tokens), sys.argv[6])
    else:
        print(json.dumps(PRINTING[name](folder, files, int(tokens))))
