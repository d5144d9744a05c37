"""Tokenizers of language models, in the format of Hugging Face tokenizers."""

from __future__ import annotations

import os
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from datajob.errors import InputError
from datajob.formats.storage import scheme_of
from datajob.operators.files import local_copy, version_of
from datajob.operators.packages import optional
from datajob.parameters import ReadsFile

TokenizerPath = Annotated[str, Field(min_length=1), ReadsFile(within="tokenizer.json")]
"""A `tokenizer.json` or a folder that contains one."""


def load_tokenizer(path: str, operator: str) -> Any:
    """The tokenizer at a path or URL of a `tokenizer.json` or of its folder."""
    file = path if path.endswith(".json") else f"{path.rstrip('/')}/tokenizer.json"
    return _load(file, operator, version_of(path if scheme_of(path) else file))


@cache
def _load(file: str, operator: str, version: Any) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a task has one core
    tokenizers = optional("tokenizers", "tokenizers", operator)
    try:
        return tokenizers.Tokenizer.from_file(local_copy(file))
    except Exception as error:  # the library raises Exception itself
        raise InputError(f"`{operator}`: `{file}` cannot be read as a Hugging Face tokenizer: {error}.") from error
