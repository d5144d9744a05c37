"""Tokenizers of language models, in the format of the Hugging Face library."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from datajob.errors import InputError
from datajob.operators.packages import local_copy, optional


@cache
def load_tokenizer(path: str, operator: str) -> Any:
    """The tokenizer in a `tokenizer.json`, or in a folder that holds one; local or any fsspec URL."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a task has one core
    tokenizers = optional("tokenizers", "tokenizers", operator)
    file = path if path.endswith(".json") else f"{path.rstrip('/')}/tokenizer.json"
    try:
        return tokenizers.Tokenizer.from_file(local_copy(file))
    except Exception as error:  # the library raises Exception itself
        raise InputError(f"`{operator}`: `{file}` is no Hugging Face tokenizer that can be read: {error}.") from error
