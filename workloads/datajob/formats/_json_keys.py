"""Keys of objects that the type of their column lacks, and keys of the type that an object lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datajob.formats._json_types import certainly_complete, has_nulls, lacks_keys

if TYPE_CHECKING:
    import pyarrow as pa


class KeyCheck:
    """Finds blocks in which an object may have other keys than its type: pyarrow would omit them or add null.

    `forms` are the types that pyarrow parses. If other columns are ignored, pyarrow would ignore other keys in objects, too.
    `inferred` are columns whose objects have the same keys in the whole sample. Objects of other columns may lack keys.
    """

    def __init__(self, forms: pa.Schema, ignores: bool, inferred: Sequence[str], texts: bool) -> None:
        """`texts`: there are columns of JSON text, whose objects can have any keys."""
        import pyarrow.json

        self._forms = forms
        self._countable = not (ignores or texts)
        self._inferred = [name for name in inferred if _has_objects(forms.field(name).type)]
        nested = ignores and any(map(_has_objects, forms.types))
        self.options = pyarrow.json.ParseOptions(explicit_schema=forms, unexpected_field_behavior="infer") if nested else None
        """How to parse so that other keys appear in the types of the table, if pyarrow does not refuse them."""

    def checked(self, table: pa.Table) -> pa.Table:
        """The columns that are not ignored. Raises ValueError for another key in an object."""
        known = table.select([name for name in self._forms.names if name in table.column_names])
        for field in known.schema:
            if not field.type.equals(self._forms.field(field.name).type):
                raise ValueError("an object has a further key")
        return known

    def lacks_keys(self, table: pa.Table, data: bytes) -> bool:
        """Whether an object in an inferred column lacks a key."""
        nulls = [name for name in self._inferred if name in table.column_names and has_nulls(table.column(name))]
        if not nulls:
            return False
        if self._countable and certainly_complete(table, data):
            return False
        lines = data.split(b"\n")
        return any(lacks_keys(name, table.schema.field(name).type, lines) for name in nulls)


def _has_objects(kind: Any) -> bool:
    import pyarrow.types as t

    return bool(t.is_struct(kind) or (t.is_list(kind) and _has_objects(kind.value_type)))
