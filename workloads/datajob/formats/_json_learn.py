"""The columns of one JSON file, with types that represent all values exactly."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datajob.formats._columns import leaves, rebuilt
from datajob.formats._exact import EXACT
from datajob.formats._json_check import kind_of, type_check
from datajob.formats._json_parse import JsonParser, long_fraction, may_be_inexact
from datajob.formats._json_types import certainly_complete, has_nulls, is_column, joined, lacks_keys, number_type, overflows
from datajob.formats._json_values import MAX_TEXT_DEPTH, RawKind, depth, parsed_line
from datajob.formats._lines import Block

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_BYTES = 64 << 10
"""Size of the first piece of a sample. Pieces grow, so that objects with varying keys are detected before they use memory."""
GROWTH = 4
LAST_BYTES = 4 << 20
ATTEMPTS = 20
"""Maximum number of times a piece is parsed, each time with more columns as text. Then only its good lines are used."""


@dataclass
class Learned:
    """The columns of a file."""

    kinds: dict[str, Any] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    """Columns of integers that doubles cannot represent."""
    negative: set[str] = field(default_factory=set)
    """Columns of integers that unsigned integers cannot represent."""


class FileLearner:
    """Learns the columns of one file from pieces of it."""

    def __init__(self, declared: JsonParser) -> None:
        self._declared = declared
        self._kinds: dict[str, Counter[Any]] = defaultdict(Counter)
        self._json: set[str] = set()
        self._changing: dict[str, Counter[str]] = {}
        self._numbers: dict[str, set[Any]] = defaultdict(set)
        self._large: set[str] = set()
        self._negative: set[str] = set()
        self._bytes = FIRST_BYTES

    def add(self, data: bytes) -> None:
        """Learn from whole lines."""
        for piece in self._pieces(data):
            self._add(_without_deep_lines(piece))

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        start = 0
        while start < len(data):
            end = data.find(b"\n", min(len(data), start + self._bytes)) + 1 or len(data)
            yield data[start:end]
            start, self._bytes = end, min(self._bytes * GROWTH, LAST_BYTES)

    def _add(self, data: bytes) -> None:
        import pyarrow as pa

        for _ in range(ATTEMPTS):
            parser = self._parser()
            try:
                self._learn(parser.unchecked(data), data, parser)
                return
            except (pa.ArrowException, ValueError, RecursionError) as error:
                rest = self._found_out(data, parser, str(error))
                if rest is None:
                    break
                data = rest
        for table in parser.tables(Block(0, data), lambda line, reason: None):
            self._learn(table, data, parser)

    def _learn(self, table: pa.Table, data: bytes, parser: JsonParser) -> None:
        for column in table.schema.names:
            if column not in self._declared.schema.names:
                self._count(column, table, data, parser)
        if may_be_inexact(data, table, long_fraction(table.schema)):
            self._look_at_doubles(data, table, parser)

    def _parser(self) -> JsonParser:
        import pyarrow as pa

        known = self._declared.schema
        raw: dict[str, RawKind] = dict.fromkeys((*self._json, *self._changing), "json")
        fields = [*known, *(pa.field(name, pa.string()) for name in raw)]
        return JsonParser(pa.schema(fields), "infer", {**self._declared.raw, **raw}, self._declared.replace_surrogates)

    def _found_out(self, data: bytes, parser: JsonParser, error: str) -> bytes | None:
        """The good lines of a piece, once the columns that change their type are known; None if there are none."""
        classes: dict[str, set[str]] = defaultdict(set)
        good: list[bytes] = []
        as_json: set[str] = set()
        for line in data.split(b"\n"):
            if not line or line.isspace():
                continue
            try:
                row = parsed_line(parser.prepared(line))
            except ValueError:
                continue
            good.append(line)
            for name, value in row.items():
                if value is not None and name not in parser.schema.names:
                    classes[name].add(kind_of(value))
                    if overflows(value):
                        as_json.add(name)
        changing = {name: Counter[str]() for name, kinds in classes.items() if len(kinds) > 1}
        all_good = len(good) == sum(1 for line in data.split(b"\n") if line and not line.isspace())
        if all_good and not changing:
            as_json |= _named(error, classes)
        self._changing |= changing
        self._json |= as_json
        return b"\n".join(good) if changing or as_json or not all_good else None

    def _count(self, name: str, table: pa.Table, data: bytes, parser: JsonParser) -> None:
        column: Any = table.column(name)
        if name in self._changing:
            self._count_classes(name, column)
        elif name not in self._json:
            kind = rebuilt(column.type, _times_as_text)
            if not is_column(kind) or (has_nulls(column) and self._lacks_keys(name, kind, table, data, parser)):
                self._json.add(name)
                return
            self._kinds[name][kind] += len(column) - column.null_count
            self._note_integers(name, column)

    def _lacks_keys(self, name: str, kind: Any, table: pa.Table, data: bytes, parser: JsonParser) -> bool:
        """Whether objects of a column lack keys that others have. If counting keys does not tell, each line is looked at."""
        if not parser.raw and certainly_complete(table, data):
            return False
        return lacks_keys(name, kind, data.split(b"\n"))

    def _count_classes(self, name: str, column: Any) -> None:
        """Count the JSON types of a column that was read as text, by the first character of each value."""
        present = column.drop_null().to_pylist()
        self._changing[name].update(_CLASS.get(text[0], "number") for text in present)
        self._numbers[name].update(text for text in present if text[0] not in _CLASS)

    def _note_integers(self, name: str, column: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        for leaf in (leaf for chunk in column.chunks for leaf in leaves(chunk)):
            if pa.types.is_int64(leaf.type) and len(leaf) > leaf.null_count:
                ends = pc.min_max(leaf).as_py()
                if ends["min"] < 0:
                    self._negative.add(name)
                if max(-ends["min"], ends["max"]) > EXACT:
                    self._large.add(name)

    def _look_at_doubles(self, data: bytes, table: pa.Table, parser: JsonParser) -> None:
        """Columns with a number that doubles cannot represent become uint64 if that fits all values, otherwise JSON text."""
        import pyarrow as pa

        checks = {
            f.name: type_check(f.type)
            for f in table.schema
            if f.name in self._kinds and f.name not in self._declared.schema.names
        }
        values: dict[str, list[Any]] = defaultdict(list)
        inexact: set[str] = set()
        for line in filter(None, data.split(b"\n")):
            row = parsed_line(parser.prepared(line)) if not line.isspace() else {}
            for name in checks.keys() & row.keys():
                if pa.types.is_floating(table.schema.field(name).type):
                    values[name].append(row[name])
                    if type(row[name]) is int and not -(2**63) <= row[name] < 2**64:
                        inexact.add(name)
                if row[name] is not None and checks[name](row[name], name):
                    inexact.add(name)
        for name in inexact:
            unsigned = name in values and all(v is None or (type(v) is int and 0 <= v < 2**64) for v in values[name])
            if unsigned:
                self._kinds[name][pa.uint64()] += self._kinds[name].pop(pa.float64(), 0)
                self._large.add(name)
            else:
                self._json.add(name)

    def learned(self) -> Learned:
        """The result."""
        import pyarrow as pa

        found = Learned(large=self._large, negative=self._negative)
        for name, counts in self._kinds.items():
            found.kinds[name] = self._most(name, counts)
        for name, classes in self._changing.items():
            found.kinds[name] = self._of_classes(name, classes)
        found.kinds |= dict.fromkeys(self._json, pa.json_(pa.string()))
        return found

    def _most(self, name: str, counts: Counter[Any]) -> Any:
        """A type for all values. If scalars have different types, the most frequent one."""
        united, *others = sorted(counts, key=lambda kind: -counts[kind])
        for kind in others:
            united = joined(united, kind, name in self._large, name in self._negative)
        return united

    def _of_classes(self, name: str, classes: Counter[str]) -> Any:
        """JSON text if most values are objects or lists. Otherwise, the most frequent type; other values are bad records."""
        import pyarrow as pa

        most = max(classes, key=lambda one: classes[one], default="object")
        if most in ("object", "array"):
            return pa.json_(pa.string())
        return {"string": pa.string(), "boolean": pa.bool_()}.get(most) or number_type(self._numbers[name])


_CLASS = {'"': "string", "{": "object", "[": "array", "t": "boolean", "f": "boolean"}
"""JSON type by the first character of a value; any other begins a number."""


def _without_deep_lines(data: bytes) -> bytes:
    """`data` without lines that are nested too deeply for any type."""
    lines = data.split(b"\n")
    deep = [i for i, line in enumerate(lines) if len(line) > MAX_TEXT_DEPTH and _is_deep(line)]
    for i in reversed(deep):
        del lines[i]
    return b"\n".join(lines) if deep else data


def _is_deep(line: bytes) -> bool:
    if line.count(b"[") + line.count(b"{") <= MAX_TEXT_DEPTH:
        return False
    try:
        return depth(parsed_line(line)) > MAX_TEXT_DEPTH
    except ValueError:
        return True


def _named(error: str, names: Any) -> set[str]:
    """The column that an error of pyarrow's parser is about."""
    path = re.search(r"Column\(/(.*?)\) changed from", error)
    return set() if path is None else {name for name in names if path[1] == name or path[1].startswith(f"{name}/")}


def _times_as_text(kind: Any) -> Any:
    import pyarrow as pa

    return pa.string() if pa.types.is_temporal(kind) else kind
