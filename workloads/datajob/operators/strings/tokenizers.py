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
        found = tokenizers.Tokenizer.from_file(local_copy(file))
    except Exception as error:  # the library raises Exception itself
        raise InputError(f"`{operator}`: `{file}` cannot be read as a Hugging Face tokenizer: {error}.") from error
    # A file can contain limits of training, which would shorten or extend every text.
    found.no_truncation()
    found.no_padding()
    return found


def load_literal_tokenizer(path: str, operator: str) -> Any:
    """The tokenizer at a path, which treats special tokens in a text like any other text."""
    return _literal(load_tokenizer(path, operator))


@cache
def _literal(tokenizer: Any) -> Any:
    found = type(tokenizer).from_str(tokenizer.to_str())
    found.encode_special_tokens = True
    return found


def token_id(path: str, token: str, operator: str) -> int:
    """The id of a token. Raises InputError if the vocabulary does not contain it."""
    found = load_tokenizer(path, operator).token_to_id(token)
    if found is None:
        raise InputError(f"`{operator}`: the vocabulary of `{path}` has no token `{token}`")
    return int(found)
