"""The API keys: files of a folder, as Kubernetes mounts a Secret, read again when they change."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from datajob.api.service.spec import KeyLimits
from datajob.serving.openai.errors import ApiError, quoted

logger = logging.getLogger(__name__)

FOLDER = "/etc/datajob/keys"
"""Where the Secret is mounted on a cluster."""
LIMITS_FILE = "limits.json"
"""An entry of the Secret with the limits of keys: {NAME: {"requestsPerMinute": ...}}. It takes precedence over the spec."""
RELOAD_SECONDS = 1.0
_HASHED = "sha256:"
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_MAX_FILE = 1 << 20

NO_LIMITS = KeyLimits()

Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class Key:
    """A client, without its secret."""

    name: str
    limits: KeyLimits = NO_LIMITS

    def check_model(self, model: str) -> None:
        """Raise ApiError if the key may not use a model."""
        if self.limits.models is not None and model not in self.limits.models:
            text = f"The API key `{self.name}` is not permitted to use the model `{quoted(model)}`."
            raise ApiError(403, text, code="model_not_allowed", param="model")


ANONYMOUS = Key("anonymous")


class Everyone:
    """No key is required."""

    def authenticate(self, authorization: str | None) -> Key:
        """The same client for all requests."""
        return ANONYMOUS


class Keys:
    """The keys in `folder`."""

    def __init__(
        self, folder: str | Path, limits: Mapping[str, KeyLimits], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder, self._limits, self._clock = Path(folder), dict(limits), clock
        self._stamp: Stamp | None = None
        self._checked = -RELOAD_SECONDS
        self._digests: dict[str, bytes] = {}
        self._keys: dict[str, Key] = {}

    def authenticate(self, authorization: str | None) -> Key:
        """The client of an `Authorization` header. Raises ApiError.

        Digests are compared, each in constant time, and all of them: the time depends neither on the key nor on its position.
        """
        if self._clock() - self._checked >= RELOAD_SECONDS:
            self._checked = self._clock()
            self._reload()
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise _refused("You must provide an API key in the header `Authorization: Bearer KEY`.", "missing_api_key")
        digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
        found = [name for name, known in self._digests.items() if hmac.compare_digest(digest, known)]
        if not found:
            raise _refused("The API key is not valid for this service.", "invalid_api_key")
        return self._keys[found[0]]

    @property
    def names(self) -> frozenset[str]:
        """The names of all clients."""
        self._reload()
        return frozenset(self._keys)

    def set_limits(self, limits: Mapping[str, KeyLimits]) -> None:
        """Replace the limits of the spec."""
        self._limits, self._stamp, self._checked = dict(limits), None, -RELOAD_SECONDS

    def _reload(self) -> None:
        """Read the folder if it has changed. If that fails, for example because it is just being replaced, keys remain.

        So do the keys and their limits if the stated limits are not valid: without them, clients would have none.
        """
        try:
            stamp = _stamp(self.folder)
            if stamp != self._stamp:
                self._read([name for name, *_ in stamp])
                self._stamp = stamp
        except FileNotFoundError:
            if not self.folder.exists():  # otherwise, a key was removed at this moment: the next check reads the others
                self._digests, self._keys, self._stamp = {}, {}, None
        except _InvalidLimits as error:
            self._stamp = stamp
            logger.error(
                "The entry %s of the API keys is not valid: %s The keys and limits that were read before it remain in effect.",
                LIMITS_FILE, error,
            )  # fmt: skip
        except OSError as error:
            logger.warning("The API keys in %s cannot be read: %s", self.folder, error)

    def _read(self, names: list[str]) -> None:
        limits = {**self._limits, **(self._stated_limits() if LIMITS_FILE in names else {})}
        digests: dict[str, bytes] = {}
        for name in names:
            if name == LIMITS_FILE:
                continue
            text = (self.folder / name).read_text(encoding="utf-8-sig", errors="replace")[:_MAX_FILE].strip()
            try:
                digest = _digest_of(text)
            except ValueError as error:
                logger.warning("The API key `%s` is ignored: %s.", name, error)
                continue
            if same := next((other for other, known in digests.items() if known == digest), None):
                logger.warning("The API keys `%s` and `%s` are equal: their requests count as those of `%s`.", same, name, same)
            digests[name] = digest
        if unknown := sorted(limits.keys() - digests.keys()):
            logger.warning("There are limits for API keys that do not exist: %s.", ", ".join(unknown))
        self._digests = digests
        self._keys = {name: Key(name, limits.get(name, NO_LIMITS)) for name in digests}
        logger.info("Read %d API keys.", len(digests))

    def _stated_limits(self) -> dict[str, KeyLimits]:
        try:
            found = json.loads((self.folder / LIMITS_FILE).read_text(encoding="utf-8"))
        except ValueError:
            raise _InvalidLimits("it is not JSON.") from None
        if not isinstance(found, dict):
            raise _InvalidLimits("it must have the form {NAME: LIMITS}.")
        try:
            return {name: KeyLimits.model_validate(each) for name, each in found.items()}
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise _InvalidLimits(f"{'.'.join(map(str, first['loc'])) or 'the limits of a key'}: {first['msg']}.") from None


class _InvalidLimits(Exception):
    """The limits in the Secret cannot be used; the message states why."""


def _digest_of(text: str) -> bytes:
    """The digest of a key that is stated as such or by its digest. Raises ValueError."""
    if text[: len(_HASHED)].lower() == _HASHED:
        stated = text[len(_HASHED) :].strip()
        if not _DIGEST.fullmatch(stated):
            raise ValueError("its digest does not have 64 hexadecimal digits")
        return bytes.fromhex(stated)
    if not text:
        raise ValueError("it is empty")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("it contains spaces, line breaks or characters that are not ASCII, which clients cannot send")
    return hashlib.sha256(text.encode()).digest()


def _stamp(folder: Path) -> Stamp:
    """What changes when a key changes. Hidden entries belong to the mount of a Secret."""
    found = []
    for entry in os.scandir(folder):
        if not entry.name.startswith(".") and entry.is_file():
            stat = entry.stat()
            found.append((entry.name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(sorted(found))


def _refused(message: str, reason: str) -> ApiError:
    headers = {"WWW-Authenticate": "Bearer"}
    return ApiError(401, message, code="invalid_api_key", reason=reason, headers=headers)
