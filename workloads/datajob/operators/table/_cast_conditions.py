"""The SQL conditions under which a cast between two types of DuckDB represents a value exactly."""

from __future__ import annotations

from typing import Any

_INTEGER_BITS = {
    "TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128,
    "UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128, "BIGNUM": 1 << 20,
}  # fmt: skip
_FLOAT_BITS = {"FLOAT": 24, "DOUBLE": 53}
_FRACTION_DIGITS = {
    "TIMESTAMP_S": 0, "TIMESTAMP_MS": 3, "TIMESTAMP": 6, "TIMESTAMP_NS": 9,
    "TIMESTAMP WITH TIME ZONE": 6, "TIME": 6, "TIME WITH TIME ZONE": 6,
}  # fmt: skip
_INTEGER_TEXT = r"\s*[+-]?\d+(\.0*)?\s*"
_OFFSET = r"\d:\d+([.]\d*)?\s*[+-]\d"

ADVICE = "Convert one of the values with an explicit CAST, which may round"

Type = dict[str, Any]
"""A type in a bound plan."""


def name_of(kind: Type) -> str:
    """The type as SQL."""
    info: dict[str, Any] = kind.get("type_info") or {}
    if info.get("alias"):
        return str(info["alias"])
    if kind["id"] == "DECIMAL":
        return f"DECIMAL({info['width']},{info['scale']})"
    if kind["id"] == "MAP" and "child_type" in info:
        return f"MAP({', '.join(name_of(inner) for inner in _inner(info['child_type']))})"
    if kind["id"] == "LIST" and "child_type" in info:
        return f"{name_of(info['child_type'])}[]"
    if "child_types" in info:
        fields = (f'"{field["first"]}" {name_of(field["second"])}' for field in info["child_types"])
        return f"{kind['id']}({', '.join(fields)})"
    return str(kind["id"])


def checked_cast(source: Type, target: Type, in_try: bool) -> str | None:
    """SQL that casts `{x}` and raises for a value that would change; "" if there is none; None if no value can change.

    `error` gives the better message, but `TRY` does not allow it.
    """
    if source["id"] == target["id"] == "LIST":
        of_element = checked_cast(source["type_info"]["child_type"], target["type_info"]["child_type"], in_try)
        return of_element and f"list_transform({{x}}, lambda element_: {of_element.replace('{x}', 'element_')})"
    if inner := _inner(source):
        changes = any(checked_cast(a, b, in_try) is not None for a, b in zip(inner, _inner(target), strict=False))
        return "" if changes else None
    condition = _condition(source, target)
    if condition is None:
        return None
    name = name_of(target)
    problem = f"error(CAST({{x}} AS VARCHAR) || ' cannot be represented exactly as {name}. {ADVICE}')"
    if in_try:
        problem = f"CAST(CAST({{x}} AS VARCHAR) || ' is not exact' AS {name})"
    return f"CASE WHEN {{x}} IS NULL OR ({condition}) THEN CAST({{x}} AS {name}) ELSE {problem} END"


def _inner(kind: Type) -> list[Type]:
    """The types within a nested type."""
    info: dict[str, Any] = kind.get("type_info") or {}
    if "child_types" in info:
        return [field["second"] for field in info["child_types"]]
    return [info["child_type"]] if "child_type" in info else []


def _condition(source: Type, target: Type) -> str | None:
    """SQL that is true if a cast represents `{x}` exactly; None if it always does."""
    if source["id"] == "VARCHAR":
        is_json = (source.get("type_info") or {}).get("alias") == "JSON"
        condition = _text_condition("trim(CAST({x} AS VARCHAR), '\"')" if is_json else "CAST({x} AS VARCHAR)", target)
        return f"CAST({{x}} AS VARCHAR) = 'null' OR {condition}" if condition and is_json else condition
    bits = _INTEGER_BITS.get(source["id"])
    rounds = (
        (bits is not None and bits > _FLOAT_BITS.get(target["id"], 1 << 30))
        or (source["id"] == "DECIMAL" and target["id"] in _FLOAT_BITS)
        or (source["id"] == target["id"] == "DECIMAL" and source["type_info"]["scale"] > target["type_info"]["scale"])
    )
    if not rounds:
        return None
    return f"coalesce(TRY_CAST(TRY_CAST({{x}} AS {name_of(target)}) AS {name_of(source)}) = {{x}}, false)"


def _text_condition(text: str, target: Type) -> str | None:
    """The condition for a cast of `text`, of which DuckDB rounds, cuts off or ignores what the type does not have."""
    kind = target["id"]
    if kind in _INTEGER_BITS:
        return f"regexp_full_match({text}, '{_INTEGER_TEXT}')"
    if kind == "DECIMAL":
        digits = rf"\s*[+-]?\d*([.]\d{{0,{target['type_info']['scale']}}}0*)?\s*"
        return f"regexp_full_match({text}, '{digits}')"
    if kind in _FLOAT_BITS:
        same = f"coalesce(TRY_CAST(TRY_CAST({text} AS {kind}) AS HUGEINT) = TRY_CAST({text} AS HUGEINT), false)"
        fits = f"NOT isinf(TRY_CAST({text} AS {kind})) OR regexp_matches({text}, '(?i)inf')"
        return f"CASE WHEN regexp_full_match({text}, '{_INTEGER_TEXT}') THEN {same} ELSE {fits} END"
    if kind == "DATE":
        return rf"NOT regexp_matches({text}, '\d:\d')"
    if kind in _FRACTION_DIGITS:
        lost = rf"[.]\d{{{_FRACTION_DIGITS[kind]}}}0*[1-9]"
        return f"NOT regexp_matches({text}, '{lost if kind.endswith('ZONE') else f'{lost}|{_OFFSET}'}')"
    return None
