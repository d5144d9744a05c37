"""The text that a model reads for a request: chat template, system prompt, and a placeholder for each image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from datajob.media.errors import MediaError
from datajob.operators.inference._engines.base import InvalidImage, Options, Request, RequestError
from datajob.operators.inference._engines.serving import Message, PromptTooLong
from datajob.operators.inference._tiles import unpacked
from datajob.operators.media.image import size_of

RECENT = 64
"""Number of conversations that are kept: requests of clients can be large, and are hardly repeated."""


@dataclass(frozen=True)
class Prompt:
    """The prompt as the model reads it."""

    text: str
    ids: tuple[int, ...]
    """Its tokens, with one token per image."""
    special: bool
    """True if the tokenizer adds its first and last tokens; False if the chat template contains them."""


def check_length(tokens: int, new: int, longest: int | None) -> None:
    """Raise PromptTooLong if a prompt and its answer exceed the maximum length of the model."""
    if longest and tokens + new > longest:
        raise PromptTooLong(
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
        self._recent = lru_cache(RECENT)(self._prompt)

    def prompt(self, request: Request) -> Prompt:
        """The prompt as the model reads it. Raises RequestError."""
        found = self._recent if request.messages else self._cached
        return found(request.prompt, request.messages, request.options, len(request.images))

    def length(self, request: Request) -> int:
        """The number of tokens of the prompt and its images; only the headers of the images are read. Raises RequestError."""
        tokens = len(self.prompt(request).ids)
        if self._vision and request.images:
            tokens += sum(self._image_tokens(request)) - len(request.images)
        return tokens

    def _image_tokens(self, request: Request) -> list[int]:
        o = request.options
        try:
            sizes = [
                tiles.size if (tiles := unpacked(image)) else size_of(image, o.max_pixels, o.folder) for image in request.images
            ]
        except MediaError as error:
            raise InvalidImage(error) from error
        found: list[int] = self._processor._get_num_multimodal_tokens(image_sizes=sizes)["num_image_tokens"]
        return found

    def _prompt(self, prompt: str, messages: tuple[Message, ...], options: Options, images: int) -> Prompt:
        if not messages and not prompt.strip():
            raise RequestError("the prompt is empty")
        text = self._chat(messages or _row(prompt, options, images)) if options.chat else prompt
        if self._vision and self.image_token:
            self._check_places(text, options, images)
        special = not options.chat or (self._vision and not (self._begin and text.startswith(self._begin)))
        return Prompt(text, tuple(self._tokenizer(text, add_special_tokens=special)["input_ids"]), special)

    def _chat(self, messages: tuple[Message, ...]) -> str:
        if not getattr(self._processor, "chat_template", None) and not getattr(self._tokenizer, "chat_template", None):
            raise RequestError("the model has no chat template: set `chatTemplate: false` and write the complete prompt")
        conversation = [{"role": message.role, "content": self._content(message)} for message in messages]
        try:
            return str(self._processor.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False))
        except Exception as error:
            raise RequestError(f"the chat template of the model rejects the prompt: {error}") from error

    def _content(self, message: Message) -> Any:
        """Parts for vision-language models, because some templates drop the images of a plain string; text for others."""
        if not self._vision:
            return "\n".join(part for part in message.content if part is not None)
        return [{"type": "image"} if part is None else {"type": "text", "text": part} for part in message.content]

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


def _row(prompt: str, options: Options, images: int) -> tuple[Message, ...]:
    """The conversation of a row: the system prompt, then the images and the prompt."""
    system = (Message("system", (options.system,)),) if options.system is not None else ()
    return (*system, Message("user", (*[None] * images, prompt)))
