"""Restricts answers to JSON: which tokens can come next, by the library llguidance."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from datajob.operators.inference._engines.base import RequestError
from datajob.operators.inference._engines.schemas import guided
from datajob.operators.inference._engines.serving import InvalidSchema

if TYPE_CHECKING:
    import torch

COMPILE_SECONDS = 10.0
CACHED = 64
_pool = ThreadPoolExecutor(2, "compile-grammar")


class Grammars:
    """The grammars of schemas for one tokenizer. Compiled ones are cached."""

    def __init__(self, tokenizer: Any, vocabulary: int, ends: frozenset[int]) -> None:
        import llguidance
        from llguidance import hf

        self._library = llguidance
        self._tokenizer = hf.from_tokenizer(tokenizer, n_vocab=max(vocabulary, len(tokenizer)), eos_token=sorted(ends))
        self._limits = llguidance.LLParserLimits(max_grammar_size=100_000, verbose_errors=False)
        self._cached: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    async def compiled(self, schema: Mapping[str, Any] | bool) -> Any:
        """The compiled grammar of a schema, or of any JSON object. Raises InvalidSchema."""
        try:
            async with asyncio.timeout(COMPILE_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(_pool, self._compiled, schema)
        except TimeoutError:
            raise InvalidSchema(f"the schema was not compiled within {COMPILE_SECONDS:g} seconds; simplify it") from None

    def _compiled(self, schema: Mapping[str, Any] | bool) -> Any:
        text = guided(schema)
        with self._lock:
            if text in self._cached:
                self._cached.move_to_end(text)
                return self._cached[text]
        found = self._compile(text)
        with self._lock:
            self._cached[text] = found
            if len(self._cached) > CACHED:
                self._cached.popitem(last=False)
        return found

    def _compile(self, text: str) -> Any:
        matcher = self._library.LLMatcher
        try:
            grammar = matcher.grammar_from_json_schema(text)
            found = matcher(self._tokenizer, grammar, limits=self._limits, log_level=0)
        except ValueError as error:
            raise InvalidSchema(f"the schema is not valid: {_first_line(error)}") from error
        found.compute_bitmask()  # some schemas without any value are only recognized here
        if found.is_error() or found.get_grammar_warnings():
            why = found.get_error() or "; ".join(map(str, found.get_grammar_warnings()))
            raise InvalidSchema(f"the schema is not supported: {_first_line(why)}")
        return found


class Constraint:
    """The state of an answer in a grammar."""

    def __init__(self, grammar: Any) -> None:
        self._matcher = grammar.deep_copy()

    def apply(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores, `[1, vocabulary]`, with all tokens at minus infinity that cannot come next. Raises RequestError."""
        import numpy as np
        import torch

        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), bitorder="little")
        self._check()
        forbidden = np.ones(scores.shape[-1], bool)
        forbidden[: len(bits)] = bits[: len(forbidden)] == 0
        return scores.masked_fill(torch.from_numpy(forbidden).to(scores.device), float("-inf"))

    def accept(self, token: int) -> None:
        """Continue with a token. Raises RequestError."""
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise RequestError(f"the answer cannot be continued as JSON: {_first_line(self._matcher.get_error())}")


def grammars_of(tokenizer: Any, vocabulary: int, ends: frozenset[int]) -> Grammars | None:
    """The grammars for a tokenizer; None without the library, or for a tokenizer that the library does not support."""
    if find_spec("llguidance") is None:
        return None
    try:
        return Grammars(tokenizer, vocabulary, ends)
    except (TypeError, ValueError, RuntimeError):
        return None


def _first_line(text: object) -> str:
    return next(iter(str(text).splitlines()), "")[:300]
