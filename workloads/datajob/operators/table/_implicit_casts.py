"""Finds the casts that DuckDB adds to an expression, and makes those exact that could round or cut off a value.

DuckDB converts the operands of comparisons, CASE, COALESCE, lists and the like to one type: integers to doubles, decimals
to fewer digits, text to numbers and dates. The bound plan of an expression shows these casts and where they are. The
arguments of arithmetic and of functions of doubles are left alone: their result is a double in any case.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from datajob.errors import InvalidJob
from datajob.formats._columns import empty_table
from datajob.operators.table._cast_conditions import ADVICE, checked_cast, name_of
from datajob.operators.table._connection import connection

if TYPE_CHECKING:
    import pyarrow as pa

_OPEN, _CLOSE = "SELECT (", "\n)"
_EXACT_DIVISIONS = {"//", "%", "mod", "fmod"}
"""Functions of doubles whose result is a wrong integer if an operand is rounded."""

Span = tuple[int, int]
"""Position and length of an expression in the statement, as the parser and the plan state it."""


class _Cast(NamedTuple):
    """A cast in a bound plan."""

    span: Span
    source: dict[str, Any]
    target: dict[str, Any]
    within: bool
    """True if its operand is a cast at the same place."""
    computes: bool
    """True if it is an argument of a function of floating-point numbers."""


@lru_cache(1024)
def exact(text: str, schema: pa.Schema) -> str:
    """An expression equal to `text` over columns of `schema`, which raises where an implicit cast would change a value.

    Raises InvalidJob if a cast of a constant would, or if a cast cannot be checked.
    """
    plan = _plan(text, schema)
    if plan is None:
        return text
    statement = _parsed(text)
    nodes = dict(_nodes(statement))
    in_try = any(node.get("type") == "OPERATOR_TRY" for node in nodes.values())
    changes: dict[Span, str] = {}
    for cast in _casts(plan, False):
        template = checked_cast(cast.source, cast.target, in_try)
        if template is None or _may_round(cast, nodes):
            continue
        if template == "" or cast.span not in nodes or changes.get(cast.span, template) != template:
            raise InvalidJob(
                f"`{text}` converts {name_of(cast.source)} to {name_of(cast.target)}, which can change values. {ADVICE}."
            )
        changes[cast.span] = template
    for span in sorted(changes, key=lambda span: span[1]):  # inner expressions first
        _check_constant(text, nodes[span], changes[span])
        _replace(nodes[span], changes[span])
    return _text(statement).removeprefix("SELECT ") if changes else text


def _plan(text: str, schema: pa.Schema) -> Any:
    """The bound plan of an expression; None if it cannot be bound, which the caller notices too."""
    con = connection()
    con.register("shape", empty_table(schema))
    try:
        con.execute("CREATE OR REPLACE TEMP TABLE planned AS SELECT * FROM shape")
    finally:
        con.unregister("shape")
    found = con.execute("SELECT json_serialize_plan($1)", [f"{_OPEN}{text}{_CLOSE} FROM planned"]).fetchall()
    plan = json.loads(found[0][0])
    return None if plan["error"] else plan["plans"]


def _casts(node: Any, computes: bool) -> Iterator[_Cast]:
    """All casts within a bound node; inner casts first."""
    if isinstance(node, list):
        for item in node:
            yield from _casts(item, computes)
    elif isinstance(node, dict):
        if node.get("expression_class") == "BOUND_FUNCTION" and node["type"] != "OPERATOR_CAST":
            computes = _computes(node["qname"]["path"][-1])
        elif "expression_class" in node and node["type"] != "OPERATOR_CAST":
            computes = False
        for value in node.values():
            yield from _casts(value, computes)
        if node.get("type") == "OPERATOR_CAST" and node.get("children"):
            operand, span = node["children"][0], _span(node)
            source = operand.get("return_type") or operand.get("value", {}).get("type")
            within = operand.get("type") == "OPERATOR_CAST" and _span(operand) == span
            if source is not None:
                yield _Cast(span, source, node["return_type"], within, computes)


def _span(node: dict[str, Any]) -> Span:
    return node["query_location"], node["query_location_length"]


@cache
def _computes(function: str) -> bool:
    """Whether a function takes floating-point numbers, and not values of any type that it compares or returns."""
    found = connection().execute(
        "SELECT count(*) FROM duckdb_functions() WHERE function_name = $1 AND function_type = 'scalar' "
        "AND len(list_intersect(parameter_types, ['DOUBLE', 'FLOAT', 'DOUBLE[]', 'FLOAT[]'])) > 0",
        [function],
    )
    return bool(found.fetchall()[0][0]) and function not in _EXACT_DIVISIONS


def _parsed(text: str) -> dict[str, Any]:
    (found,) = connection().execute("SELECT json_serialize_sql($1)", [_OPEN + text + _CLOSE]).fetchall()[0]
    statement: dict[str, Any] = json.loads(found)
    return statement


def _text(statement: dict[str, Any]) -> str:
    (found,) = connection().execute("SELECT json_deserialize_sql($1::JSON)", [json.dumps(statement)]).fetchall()[0]
    return str(found)


def _nodes(node: Any) -> Iterator[tuple[Span, dict[str, Any]]]:
    """The parsed expressions by place. Of several at one place, the outermost comes last."""
    if isinstance(node, list):
        for item in node:
            yield from _nodes(item)
    elif isinstance(node, dict):
        for value in node.values():
            yield from _nodes(value)
        if node.get("class") not in (None, "TYPE") and "query_location" in node:
            yield _span(node), node


def _may_round(cast: _Cast, nodes: dict[Span, dict[str, Any]]) -> bool:
    """Whether rounding is expected: in arithmetic, in the user's own casts, and of numbers such as 0.1."""
    node = nodes.get(cast.span)
    in_arithmetic = cast.computes and cast.source["id"] != "VARCHAR"
    return in_arithmetic or (node is not None and (_is_explicit(cast, node) or _is_fraction(node)))


def _is_explicit(cast: _Cast, node: dict[str, Any]) -> bool:
    if cast.within or node["class"] != "CAST":
        return False
    return _type_of(json.dumps(node["type_expr"])) == name_of(cast.target)


@cache
def _type_of(type_expression: str) -> str:
    """DuckDB's name of the type of a cast."""
    statement = _parsed("typeof(CAST(NULL AS INT))")
    call = statement["statements"][0]["node"]["select_list"][0]
    call["arguments"][0]["expression"]["type_expr"] = json.loads(type_expression)
    return str(connection().execute(_text(statement)).fetchall()[0][0])


def _is_fraction(node: dict[str, Any]) -> bool:
    """True for a number such as 0.1: no floating-point number equals it, but everyone expects the nearest one."""
    literal = node.get("literal", {})
    return literal.get("kind") != "STRING" and bool(str(literal.get("text", "")).partition(".")[2].strip("0"))


def _check_constant(text: str, node: dict[str, Any], template: str) -> None:
    """Raises InvalidJob if the cast of a constant would change it: no row is needed to find out."""
    import duckdb

    if any(inner["class"] in ("COLUMN_REF", "LAMBDA") for _, inner in _nodes(node)):
        return
    statement = _parsed("1")
    statement["statements"][0]["node"]["select_list"][0] = node
    try:
        connection().execute("SELECT " + template.replace("{x}", f"({_text(statement).removeprefix('SELECT ')})")).fetchall()
    except duckdb.Error as error:
        raise InvalidJob(f"`{text}`: {str(error).splitlines()[0].partition(': ')[2]}.") from error


def _replace(node: dict[str, Any], template: str) -> None:
    """Turns a parsed expression into its checked cast."""
    checked = _parsed(template.replace("{x}", "operand_"))["statements"][0]["node"]["select_list"][0]
    operand = dict(node)
    node.clear()
    node.update(_substituted(checked, operand))


def _substituted(node: Any, operand: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_substituted(item, operand) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("class") == "COLUMN_REF" and node["column_names"] == ["operand_"]:
        return operand
    return {key: _substituted(value, operand) for key, value in node.items()}
