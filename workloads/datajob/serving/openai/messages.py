"""The messages of a chat request: roles, texts and references to images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datajob.operators.inference._engines.serving import Message, Role
from datajob.serving.openai.errors import invalid, quoted, unsupported

ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
MAX_PARTS = 10_000
"""Maximum number of messages, and of parts of all messages."""
_DETAILS = ("auto", "low", "high", "original")
_MESSAGE_FIELDS = frozenset({"role", "content", "name", "refusal"})
_MESSAGE_REFUSED = ("tool_calls", "function_call", "tool_call_id", "audio")


@dataclass(frozen=True)
class ImageUrl:
    """An image of a message: a data URL, or a web address."""

    url: str
    param: str
    """The field, for errors."""


@dataclass(frozen=True)
class Conversation:
    """The messages, and their images in order."""

    messages: tuple[Message, ...]
    images: tuple[ImageUrl, ...]

    def user_texts(self) -> list[str]:
        """The texts of the user."""
        return [part for message in self.messages if message.role == "user" for part in message.content if part is not None]


def conversation(messages: Sequence[dict[str, Any]], system: str | None) -> Conversation:
    """The messages of a request, after a default system prompt if they contain none. Raises ApiError."""
    images: list[ImageUrl] = []
    size = sum(len(content) if isinstance(content := message.get("content"), list) else 1 for message in messages)
    if size > MAX_PARTS:
        raise invalid(f"The messages have {size} parts; the maximum is {MAX_PARTS}.", "messages")
    found = [_message(message, f"messages[{number}]", images) for number, message in enumerate(messages)]
    if system is not None and not any(message.role == "system" for message in found):
        found.insert(0, Message("system", (system,)))
    if not any(part is None or part.strip() for message in found if message.role == "user" for part in message.content):
        raise invalid("The messages contain no text and no image of the role `user`.", "messages")
    return Conversation(tuple(found), tuple(images))


def _message(message: dict[str, Any], param: str, images: list[ImageUrl]) -> Message:
    role = message.get("role")
    if role in ("tool", "function"):
        raise unsupported(f"{param}.role", "Tool calls are not supported by this service.")
    if not isinstance(role, str) or role not in ROLES:
        raise invalid(f"`role` must be one of {', '.join(ROLES)}.", f"{param}.role")
    for name, value in message.items():
        if name in _MESSAGE_REFUSED and value:
            raise unsupported(f"{param}.{name}", f"`{name}` is not supported by this service.")
        if name not in _MESSAGE_FIELDS and name not in _MESSAGE_REFUSED:
            field = f"{param}.{quoted(name)}"
            raise invalid(f"Unrecognized request argument: {field}.", field, "unknown_parameter")
    content = message.get("content")
    if isinstance(content, str):
        return Message(ROLES[role], (content,))
    if not isinstance(content, list) or not content:
        raise invalid("`content` must be a text or a list of parts.", f"{param}.content")
    parts = [_part(part, f"{param}.content[{number}]", images) for number, part in enumerate(content)]
    if None in parts and role != "user":
        raise invalid("Only messages of the role `user` may contain images.", f"{param}.content")
    return Message(ROLES[role], tuple(parts))


def _part(part: Any, param: str, images: list[ImageUrl]) -> str | None:
    """The text of a part, or None for an image, which is added to `images`."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind == "image_url":
        value = part.get("image_url")
        url = value.get("url") if isinstance(value, dict) else None
        if not isinstance(url, str):
            raise invalid("`image_url` must be an object with the field `url`.", f"{param}.image_url")
        if value.get("detail", "auto") not in _DETAILS:
            raise invalid(f"`detail` must be one of {', '.join(_DETAILS)}.", f"{param}.image_url.detail")
        images.append(ImageUrl(url, f"{param}.image_url.url"))
        return None
    if kind in ("input_audio", "file", "refusal", "video_url", "audio_url"):
        raise unsupported(f"{param}.type", f"Parts of the type `{kind}` are not supported by this service.")
    raise invalid("A part of a message must be `text` with the field `text`, or `image_url`.", param)
