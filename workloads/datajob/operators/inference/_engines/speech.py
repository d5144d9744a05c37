"""Speech recognition with Whisper models of transformers: the language of each window of audio, its text, and times of words.

The encoder runs once per window. Texts are those of `WhisperForConditionalGeneration.generate` for the same features.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from datajob.errors import InvalidJob
from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Answer, Request, RequestError, Settings, SpeechOptions
from datajob.operators.inference._engines.batching import Batcher, Limits
from datajob.operators.inference._engines.generating import Loaded, out_of_memory

CPU_ROWS, ACCELERATOR_ROWS = 8, 32
RATE = 16_000
TIME_PRECISION = 0.02
"""Seconds of a position of the encoder."""


class SpeechEngine(Batcher):
    """An engine with the window length and the languages of its model."""

    def __init__(self, backend: SpeechBackend) -> None:
        super().__init__(backend)
        self.window_seconds = backend.window_seconds
        self.languages = backend.languages
        self.aligns = backend.aligns


class SpeechBackend(Loaded):
    """A Whisper model."""

    def __init__(self, settings: Settings, device: Device) -> None:
        super().__init__(settings, device)
        extractor = self.processor.feature_extractor
        if extractor.sampling_rate != RATE:
            raise InvalidJob(f"The model {settings.model} expects {extractor.sampling_rate} Hz, not {RATE} Hz.")
        self.limits = Limits(1 << 40, settings.batch_rows or (CPU_ROWS if self.device.type == "cpu" else ACCELERATOR_ROWS))
        self.window_seconds = extractor.n_samples / RATE
        """Seconds of audio that the model processes at once."""
        config = self.model.generation_config
        several = getattr(config, "is_multilingual", True) and getattr(config, "lang_to_id", None)
        self._language_tokens: dict[str, int] = dict(config.lang_to_id) if several else {}
        self.languages = tuple(token[2:-2] for token in self._language_tokens)
        """Codes of the languages that the model recognizes; empty for a model of English."""
        self.aligns = getattr(config, "alignment_heads", None) is not None
        """Whether the model has times of words."""

    def length(self, request: Request) -> int:
        """1: all windows have the same length."""
        return 1

    def prepare(self, requests: Sequence[Request]) -> tuple[Any, dict[int, RequestError]]:
        """The log-mel features."""
        samples = [request.samples for request in requests]
        return self.processor.feature_extractor(
            samples, sampling_rate=RATE, return_tensors="pt", return_attention_mask=True
        ), {}

    def answer(self, requests: Sequence[Request], inputs: Any) -> list[Answer]:
        """Language, text and words of each window."""
        import torch

        options = requests[0].options.speech or SpeechOptions()
        started = time.perf_counter()
        with out_of_memory(), torch.inference_mode():
            encoded = self.model.get_encoder()(inputs["input_features"].to(self.device, self.model.dtype))
            found = self._languages_of(encoded, options)
            texts = self._transcribed(encoded, options, [a.language for a in found], inputs, requests[0].options.max_new_tokens)
        share = (time.perf_counter() - started) / len(requests)
        return [
            replace(answer, text=text, tokens=tokens, finish_reason=reason, words=words, seconds=share)
            for answer, (text, tokens, reason, words) in zip(found, texts, strict=True)
        ]

    def _languages_of(self, encoded: Any, options: SpeechOptions) -> list[Answer]:
        """Answers with the language of each window, and the probability that it contains no speech."""
        import torch

        config = self.model.generation_config
        rows = encoded[0].shape[0]
        start = torch.full((rows, 1), config.decoder_start_token_id, device=self.device)
        logits = self.model(encoder_outputs=encoded, decoder_input_ids=start, use_cache=False).logits[:, -1].float()
        no_speech = logits.softmax(-1)[:, config.no_timestamps_token_id - 1].tolist()
        if not self._language_tokens:
            return [Answer(language="en", language_probability=1.0, no_speech=p) for p in no_speech]
        chances = logits[:, list(self._language_tokens.values())].softmax(-1)
        at = [self.languages.index(options.language)] * rows if options.language else chances.argmax(-1).tolist()
        return [
            Answer(language=self.languages[k], language_probability=float(chances[row, k]), no_speech=no_speech[row])
            for row, k in enumerate(at)
        ]

    def _transcribed(
        self, encoded: Any, options: SpeechOptions, languages: Sequence[str | None], inputs: Any, max_tokens: int
    ) -> list[tuple[str, int, str, Any]]:
        """Text, number of tokens, why it ended, and words."""
        if not options.transcribe:
            return [("", 0, "stop", None)] * len(languages)
        how: dict[str, Any] = {"num_beams": options.beams, "do_sample": False, "return_timestamps": False}
        if self._language_tokens:
            how |= {
                "language": [f"<|{code}|>" for code in languages],
                "task": "translate" if options.translate else "transcribe",
            }
        prefix = 4 if self._language_tokens else 2
        most = min(max_tokens, self.model.config.max_target_positions - prefix)
        found = self.model.generate(encoder_outputs=encoded, max_new_tokens=most, return_dict_in_generate=True, **how)
        sequences = found.sequences
        rows = []
        for row, tokens in enumerate(sequences.tolist()):
            new = tokens[prefix:]
            ends = [at for at, token in enumerate(new) if token == self.model.generation_config.eos_token_id]
            text_tokens = new[: ends[0]] if ends else new
            text = self.processor.tokenizer.decode(text_tokens, skip_special_tokens=True)
            words = None
            if options.words:
                frames = int(inputs["attention_mask"][row].sum())
                words = self._words(
                    encoded[0][row : row + 1], sequences[row : row + 1, : prefix + len(text_tokens) + 1], prefix, frames
                )
            rows.append((text, len(text_tokens), "stop" if ends else "length", words))
        return rows

    def _words(self, encoded: Any, tokens: Any, prefix: int, frames: int) -> list[dict[str, Any]]:
        """The words of a window with their times, from the attention of some heads to the audio, as `generate` aligns them."""
        from transformers.modeling_outputs import BaseModelOutput
        from transformers.utils import ModelOutput

        heads = self.model.generation_config.alignment_heads
        with _eager(self.model):
            attended = self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=encoded),
                decoder_input_ids=tokens[:, :-1],
                output_attentions=True,
                use_cache=False,
            ).cross_attentions
        outputs = ModelOutput(cross_attentions=(attended,), sequences=tokens)
        times = self.model._extract_token_timestamps(outputs, heads, TIME_PRECISION, frames, prefix)
        _, found = self.processor.tokenizer._decode_asr(
            [{"tokens": tokens.cpu().numpy(), "token_timestamps": times.cpu().numpy()}],
            return_timestamps="word",
            return_language=False,
            time_precision=TIME_PRECISION,
        )
        return [
            {"word": chunk["text"], "start": float(chunk["timestamp"][0]), "end": float(chunk["timestamp"][1])}
            for chunk in found["chunks"]
        ]


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """Attention that returns its weights."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
