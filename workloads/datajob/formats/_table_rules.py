"""What a table requires of the values inside of a column: members that exist, and members and items that are not null."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def lost_member(kind: Any, stored: Any, path: str) -> str | None:
    """A member of structs in a type that the type of the table does not have, by its path such as `call.name`."""
    import pyarrow.types as t

    if t.is_struct(kind) and t.is_struct(stored):
        of_table = {field.name: field.type for field in stored}
        for field in kind:
            inner = f"{path}.{field.name}"
            found = inner if field.name not in of_table else lost_member(field.type, of_table[field.name], inner)
            if found is not None:
                return found
        return None
    pairs = zip(_inner(kind), _inner(stored), strict=False)
    return next((found for a, b in pairs if (found := lost_member(a.type, b.type, path)) is not None), None)


def has_rules(kind: Any) -> bool:
    """Whether a type requires that members or items inside are not null."""
    return any(not field.nullable or has_rules(field.type) for field in _members(kind))


def forbidden_null(array: Any, kind: Any, path: str) -> str | None:
    """The path of a member or item that is null although the type `kind` of the table does not allow it."""
    import pyarrow.types as t

    valid = array.drop_null()
    if t.is_struct(kind):
        parts = [(valid.field(field.name), field, f"{path}.{field.name}") for field in kind]
    elif t.is_map(kind):
        parts = [(valid.items, kind.item_field, f"{path}.value")]
    elif t.is_nested(kind) and _inner(kind):
        parts = [(valid.flatten(), _inner(kind)[0], f"{path}.element")]
    else:
        return None
    for values, field, inner in parts:
        if not field.nullable and values.null_count:
            return inner
        if (found := forbidden_null(values, field.type, inner)) is not None:
            return found
    return None


def _members(kind: Any) -> Iterator[Any]:
    """The fields inside of a type; of maps, only the values, because keys are never null."""
    import pyarrow.types as t

    yield from kind if t.is_struct(kind) else _inner(kind)[-1:]


def _inner(kind: Any) -> list[Any]:
    """The fields of the items of a list or a map."""
    import pyarrow.types as t

    if t.is_map(kind):
        return [kind.key_field, kind.item_field]
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return [kind.value_field]
    return []
