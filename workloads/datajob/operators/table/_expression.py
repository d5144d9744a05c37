"""SQL expressions in jobs: parsed by DuckDB's own parser, then restricted to values of a single row.

An expression may only use the columns of the row. Statements, subqueries, aggregates, windows and everything that reads
files, settings or the clock are rejected: a restarted job must compute the same values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Annotated, Any

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.operators.columns import did_you_mean
from datajob.operators.table._connection import connection

MAX_LENGTH = 16_384
"""Maximum length of an expression in characters: the parser needs up to 5 kB of memory per character."""
SqlExpression = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]

_SHOWN = 200
"""Maximum length of an expression in a message that does not point into it, in characters."""
_OPEN = "SELECT ("
_CLOSE = "\n)"  # the newline ends a trailing `-- comment`

_ALLOWED = {
    "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION",
    "CONSTANT", "FUNCTION", "LAMBDA", "OPERATOR", "TYPE",
}  # fmt: skip
_REFUSED = {
    "SUBQUERY": "contains a subquery, but only columns of the row can be used. Use a `join` step for values of another table",
    "WINDOW": "contains a window function, which needs other rows. Use `groupBy` or `sort`",
    "STAR": "contains `*`; write the names of the columns",
    "PARAMETER": "contains a `?` or `$1` parameter; write the value itself",
}
_INSTEAD = {
    "unnest": "Use an `explode` step",
    "random": "Use `sample`, `shuffle` or `split` with a seed",
    "read_text": "Use a source",
}


@dataclass(frozen=True)
class Expression:
    """A checked expression."""

    text: str
    columns: tuple[str, ...]
    """The columns it reads, in order of appearance."""
    column: str | None
    """Set if the expression is only this column."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Check an expression. Raises InvalidJob, which shows it with a caret where the parser stopped."""
    try:
        root = _root(text)
        columns = tuple(dict.fromkeys(_references(text, root, frozenset())))
    except RecursionError:
        raise InvalidJob(f"`{_short(text)}` is nested too deeply.") from None
    names = root.get("column_names", ())
    return Expression(text, columns, columns[0] if root["class"] == "COLUMN_REF" and len(names) == 1 else None)


def columns_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The columns that expressions read; nothing where DuckDB is not installed."""
    if find_spec("duckdb") is None:
        return ()
    return tuple(dict.fromkeys(column for text in texts for column in parse(text).columns))


def _root(text: str) -> dict[str, Any]:
    import duckdb

    try:
        (answer,) = connection().execute("SELECT json_serialize_sql($1)", [_OPEN + text + _CLOSE]).fetchall()[0]
    except duckdb.Error as error:  # for example, a lone surrogate
        raise InvalidJob(f"{text!r:.200} cannot be parsed: {str(error).splitlines()[0]}") from error
    parsed = json.loads(answer)
    if parsed["error"]:
        if "position" in parsed:
            raise InvalidJob(_pointed(text, parsed["error_message"], int(parsed["position"])))
        raise InvalidJob(f"`{_short(text)}` is not a single SQL expression; write an expression instead of a statement.")
    nodes = [statement["node"] for statement in parsed["statements"]]
    if not text.strip() or len(nodes) != 1 or not _is_plain_select(nodes[0]):
        raise InvalidJob(f"`{_short(text)}` is not a single SQL expression; write one such as `length(text) > 50`.")
    root: dict[str, Any] = nodes[0]["select_list"][0]
    return root


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _is_plain_select(node: dict[str, Any]) -> bool:
    """True for `SELECT <one expression>` with no other clause."""
    return (
        node["type"] == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and not node["select_list"][0].get("alias")
        and node["from_table"]["type"] == "EMPTY"
        and not any(
            node[clause] for clause in ("modifiers", "where_clause", "group_expressions", "having", "qualify", "sample")
        )
    )


def _pointed(text: str, message: str, position: int) -> str:
    """The message with the line of `text` at byte `position` of the query, and a caret below it."""
    before = text.encode()[: max(position - len(_OPEN), 0)].decode(errors="ignore")
    lines = text.split("\n")
    row, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    start = max(0, column - _SHOWN // 2)
    line = lines[row][start : start + _SHOWN]
    return f"`{_short(text)}` is not a valid SQL expression: {message}.\n    {line}\n    {' ' * (column - start)}^"


def _references(text: str, node: Any, bound: frozenset[str]) -> Iterator[str]:
    """The columns that `node` reads, leaving out the parameters of lambdas around it (`bound`)."""
    if isinstance(node, list):
        for item in node:
            yield from _references(text, item, bound)
    elif isinstance(node, dict):
        kind = node.get("class")
        if kind is not None:
            _check(text, node)
        if kind == "COLUMN_REF":
            if node["column_names"][0] not in bound:
                yield node["column_names"][0]
        elif kind == "LAMBDA" and node.get("syntax_type") != "SINGLE_ARROW":  # a single arrow is JSON's `->`
            yield from _references(text, node["expr"], bound | set(_references(text, node["lhs"], frozenset())))
        else:
            for value in node.values():
                yield from _references(text, value, bound)


def _check(text: str, node: dict[str, Any]) -> None:
    kind = node["class"]
    if kind not in _ALLOWED:
        raise InvalidJob(f"`{_short(text)}` {_REFUSED.get(kind, f'contains {kind.lower()}, which is not supported here')}.")
    if kind == "FUNCTION":
        path = node.get("qualified_name", {}).get("path", [])
        if len(path) > 1:
            raise InvalidJob(
                f"`{_short(text)}` calls `{'.'.join(path)}()`; write `{path[-1]}({'.'.join(path[:-1])}, ...)` instead."
            )
        if problem := _problem(node["function_name"].lower()):
            raise InvalidJob(f"`{_short(text)}` {problem}.")
        if "regex" in node["function_name"] and (problem := _wrong_pattern(text, node)):
            raise InvalidJob(f"`{_short(text)}` contains an invalid regular expression: {problem}.")


def _wrong_pattern(text: str, node: dict[str, Any]) -> str | None:
    """What DuckDB's engine (RE2) refuses in the constant arguments of a function that takes a pattern, on an empty text."""
    import duckdb

    query = (_OPEN + text + _CLOSE).encode()
    constants = [argument["expression"] for argument in node["arguments"][1:]]
    if not constants or any(constant["class"] != "CONSTANT" for constant in constants):
        return None
    given = [query[c["query_location"] :][: c["query_location_length"]].decode() for c in constants]
    calls = [(node["function_name"], given)]
    if node["function_name"].startswith("regexp_extract") and len(given) > 1 and given[1].isdecimal():
        # with an alternative that matches nothing: only a match shows that there is no such group
        calls.append(("regexp_extract_all", [f"({given[0]}) || '|'", *given[1:]]))
    try:
        for name, arguments in calls:
            connection().execute(f"SELECT {name}('', {', '.join(arguments)})").fetchall()
    except duckdb.Error as error:
        return str(error).splitlines()[0].partition(": ")[2].rstrip(".")
    return None


@cache
def _functions() -> dict[str, tuple[bool, str | None]]:
    """DuckDB's scalar functions by name: whether the value depends on the arguments alone, and a macro's definition."""
    rows = connection().execute(
        "SELECT lower(function_name), bool_and(stability = 'CONSISTENT' OR stability IS NULL), any_value(macro_definition) "
        "FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro') GROUP BY 1"
    )
    return {name: (pure or name == "error", macro) for name, pure, macro in rows.fetchall()}


@cache
def _problem(name: str) -> str | None:
    """Why function `name` cannot be used, or None."""
    instead = f". {_INSTEAD[name]}" if name in _INSTEAD else ""
    if name not in _functions():
        if _is_aggregate(name):
            name = name.removesuffix("_star")
            on_lists = f", or `list_{name}` on a list column" if f"list_{name}" in _functions() else ""
            return f"calls the aggregate `{name}`, which needs other rows. Use `groupBy`{on_lists}"
        hint = instead or did_you_mean(name, _functions()).rstrip("?")
        return f"calls `{name}`, which is not a function of one row{hint}"
    pure, macro = _functions()[name]
    if not pure:
        reason = "whose value can change when a job is restarted"
        return f"calls `{name}`, {reason}{instead or '. Write the value itself'}"
    if macro is not None:
        try:
            list(_references(macro, _root(macro), frozenset()))
        except InvalidJob:
            return f"calls `{name}`, which depends on more than the row"
    return None


def _is_aggregate(name: str) -> bool:
    found = connection().execute(
        "SELECT count(*) FROM duckdb_functions() WHERE function_type = 'aggregate' AND function_name = $1", [name]
    )
    return bool(found.fetchall()[0][0])
