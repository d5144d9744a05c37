"""Makes small Whisper models with random weights, seeded, without the network, and computes what transformers answers.

They load by the same classes and the same calls as the models on the Hugging Face Hub.
"""

from __future__ import annotations

import os
import pydoc_data.topics
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

LANGUAGES = ("en", "de", "fr", "zh")
END, START = "<|endoftext|>", "<|startoftranscript|>"
OTHERS = ("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")
SPECIAL = (END, START, *(f"<|{code}|>" for code in LANGUAGES), *OTHERS)
POSITIONS = 20
"""Tokens of prompt and text."""


def make_whisper(folder: Path, seconds: int = 30, multilingual: bool = True, aligned: bool = True, seed: int = 0) -> Path:
    """A Whisper model whose window has a number of seconds."""
    import torch
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
    )

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    tokenizer = _tokenizer()
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    tokens = {"bos_token_id": ids[END], "eos_token_id": ids[END], "pad_token_id": ids[END]}
    config = WhisperConfig(
        vocab_size=len(tokenizer), num_mel_bins=20, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_source_positions=seconds * 50,
        max_target_positions=POSITIONS, decoder_start_token_id=ids[START], suppress_tokens=None, begin_suppress_tokens=None,
        **tokens,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():  # wide weights: texts depend on the audio
        for name, weight in model.named_parameters():
            if weight.dim() >= 2 and "embed_positions" not in name:
                weight.copy_(torch.randn(weight.shape) * 2 / weight[0].numel() ** 0.5)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=ids[START], max_length=POSITIONS, no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"], return_timestamps=False, is_multilingual=multilingual,
        alignment_heads=[[0, 1], [1, 2]], suppress_tokens=[*_unreadable(tokenizer), *(ids[token] for token in SPECIAL[1:])],
        begin_suppress_tokens=[ids[END]], **tokens,
    )  # fmt: skip
    if not aligned:
        del model.generation_config.alignment_heads
    if multilingual:
        model.generation_config.lang_to_id = {f"<|{code}|>": ids[f"<|{code}|>"] for code in LANGUAGES}
        model.generation_config.task_to_id = {task: ids[f"<|{task}|>"] for task in ("translate", "transcribe")}
    model.save_pretrained(folder)
    extractor = WhisperFeatureExtractor(feature_size=20, chunk_length=seconds)
    WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


def _unreadable(tokenizer: Any) -> list[int]:
    """Tokens that are parts of characters, or controls."""
    texts = {token: tokenizer.decode([token]) for token in range(len(tokenizer) - len(SPECIAL))}
    return [token for token, text in texts.items() if "\ufffd" in text or not text.isprintable()]


def _tokenizer() -> Any:
    """Byte-level BPE trained on the documentation that comes with Python."""
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import WhisperTokenizer

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(vocab_size=600, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    topics = pydoc_data.topics.topics
    inner.train_from_iterator((topics[name] for name in sorted(topics)[:40]), trainer)
    learned = json.loads(inner.to_str())["model"]
    tokenizer = WhisperTokenizer(vocab=learned["vocab"], merges=[tuple(pair) for pair in learned["merges"]])
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    return tokenizer


@cache
def _loaded(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoProcessor, WhisperForConditionalGeneration

    return AutoProcessor.from_pretrained(folder), WhisperForConditionalGeneration.from_pretrained(folder).eval()


def transcribed(folder: Path, samples: np.ndarray[Any, Any], **how: Any) -> str:
    """The text that transformers generates for a window."""
    import torch

    processor, model = _loaded(folder)
    inputs = processor(samples, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(inputs["input_features"], **how)
    return str(processor.batch_decode(tokens, skip_special_tokens=True)[0])


def word_times(folder: Path, samples: np.ndarray[Any, Any], **how: Any) -> list[tuple[str, tuple[float, float]]]:
    """The words of a window and their times, as the pipeline of transformers computes them."""
    import torch

    processor, model = _loaded(folder)
    inputs = processor(samples, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True)
    with torch.inference_mode():
        found = model.generate(**inputs, return_token_timestamps=True, **how)
    _, chunks = processor.tokenizer._decode_asr(
        [{"tokens": found["sequences"].numpy(), "token_timestamps": found["token_timestamps"].numpy()}],
        return_timestamps="word", return_language=False, time_precision=0.02,
    )  # fmt: skip
    return [(chunk["text"], chunk["timestamp"]) for chunk in chunks["chunks"]]


def spoken_language(folder: Path, samples: np.ndarray[Any, Any]) -> tuple[str, float]:
    """The language that the model detects in a window, and its probability."""
    import torch

    processor, model = _loaded(folder)
    inputs = processor(samples, sampling_rate=16_000, return_tensors="pt")
    ids = model.generation_config.lang_to_id
    with torch.inference_mode():
        found = model.detect_language(inputs["input_features"]).item()
        start = torch.tensor([[model.generation_config.decoder_start_token_id]])
        logits = model(input_features=inputs["input_features"], decoder_input_ids=start).logits[0, 0]
    chances = logits[list(ids.values())].softmax(-1).tolist()
    return next(token[2:-2] for token, number in ids.items() if number == found), chances[list(ids.values()).index(found)]
