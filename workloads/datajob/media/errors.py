"""Why a media value cannot be used, as one word that reports count and a sentence for the user."""

from __future__ import annotations

import re

from datajob.errors import private

_WORD = re.compile("[A-Za-z]{1,40}")


class MediaError(ValueError):
    """A media value that cannot be used. It fails its row, never the job."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """One word, such as `notFound`."""

    def __str__(self) -> str:
        return f"{self.reason}: {super().__str__()}"

    @property
    def message(self) -> str:
        """The sentence without the word."""
        return super().__str__()

    @property
    def word(self) -> str:
        """The reason for counts; `failed` if it is not a word, because it can then contain values of the row."""
        return self.reason if _WORD.fullmatch(self.reason) else "failed"

    @property
    def marked(self) -> str:
        """The reason, which is public if it is a word, and the message, which can contain values of the row."""
        if not _WORD.fullmatch(self.reason):
            return private(str(self))
        return f"{self.reason}{private(f': {super().__str__()}')}"

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str]]:
        return type(self), (self.reason, super().__str__())
