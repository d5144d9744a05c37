"""The text that a model reads for a request: chat template, system prompt, and a placeholder for each image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from datajob.operators.inference._engines.base import Options, Request, RequestError


@dataclass(frozen=True)
class Prompt:
    """The prompt as the model reads it."""

    text: str
    ids: tuple[int, ...]
    """Its tokens, with one token per image."""
    special: bool
    """True if the tokenizer adds its first and last tokens; False if the chat template contains them."""


def check_length(tokens: int, new: int, longest: int | None) -> None:
    """Raise RequestError if a prompt and its answer exceed the maximum length of the model."""
    if longest and tokens + new > longest:
        raise RequestError(
            f"prompt and answer need {tokens + new} tokens ({tokens} + `maxNewTokens`), but the model supports {longest}"
        )


class Prompter:
    """Writes prompts for one model."""

    def __init__(self, processor: Any, vision: bool) -> None:
        self._processor = processor
        self._tokenizer = getattr(processor, "tokenizer", processor)
        self._vision = vision
        self.image_token: str | None = getattr(processor, "image_token", None)
        self._begin: str | None = self._tokenizer.bos_token
        self._cached = lru_cache(4096)(self._prompt)

    def prompt(self, request: Request) -> Prompt:
        """The prompt as the model reads it. Raises RequestError."""
        return self._cached(request.prompt, request.options, len(request.images))

    def _prompt(self, prompt: str, options: Options, images: int) -> Prompt:
        if not prompt.strip():
            raise RequestError("the prompt is empty")
        text = self._chat(prompt, options, images) if options.chat else prompt
        if self._vision and self.image_token:
            self._check_places(text, options, images)
        special = not options.chat or (self._vision and not (self._begin and text.startswith(self._begin)))
        return Prompt(text, tuple(self._tokenizer(text, add_special_tokens=special)["input_ids"]), special)

    def _chat(self, prompt: str, options: Options, images: int) -> str:
        if not getattr(self._processor, "chat_template", None) and not getattr(self._tokenizer, "chat_template", None):
            raise RequestError("the model has no chat template: set `chatTemplate: false` and write the complete prompt")
        messages: list[dict[str, Any]] = []
        if options.system is not None:
            messages.append({"role": "system", "content": self._content(options.system, 0)})
        messages.append({"role": "user", "content": self._content(prompt, images)})
        try:
            return str(self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
        except Exception as error:
            raise RequestError(f"the chat template of the model rejects the prompt: {error}") from error

    def _content(self, text: str, images: int) -> Any:
        """Parts for vision-language models, because some templates drop the images of a plain string; text for others."""
        return [{"type": "image"}] * images + [{"type": "text", "text": text}] if self._vision else text

    def _check_places(self, text: str, options: Options, images: int) -> None:
        places = text.count(self.image_token or "\0")
        if places == images:
            return
        if places == 0:
            hint = "the chat template of the model omits images" if options.chat else f"write {self.image_token} in `prompt`"
            raise RequestError(f"the prompt has no placeholder for the image: {hint}")
        raise RequestError(
            f"the prompt has {places} placeholders for images ({self.image_token}), but the row has {images} images"
            + ("; the chat template adds the placeholders itself" if options.chat else "")
        )
