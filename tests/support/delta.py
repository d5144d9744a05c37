"""Delta tables as other engines write them: with deletion vectors, features and checkpoints."""

import base64
import json
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from pyroaring import BitMap64

from datajob.formats._delta_vectors import _B85, _Z85
from datajob.formats._roaring import MAGIC


def log_file(table: Path, version: int) -> Path:
    """The file of a version."""
    return table / "_delta_log" / f"{version:020}.json"


def commit(table: Path, *actions: dict[str, Any]) -> int:
    """Add a version with these actions."""
    version = DeltaTable(table).version() + 1
    log_file(table, version).write_text("".join(json.dumps(action) + "\n" for action in actions))
    return version


def protocol(*features: str) -> dict[str, Any]:
    """The action that adds features to a table."""
    return {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}}


def add_actions(table: Path) -> dict[str, dict[str, Any]]:
    """The `add` actions of the log by path."""
    found = {}
    for file in sorted((table / "_delta_log").glob("*.json")):
        for action in map(json.loads, file.read_text().splitlines()):
            if add := action.get("add"):
                found[add["path"]] = add
    return found


def vector(table: Path, rows: Sequence[int], inline: bool) -> dict[str, Any]:
    """A deletion vector in the log or in a file of its own."""
    data = MAGIC + BitMap64(rows).serialize()
    facts = {"sizeInBytes": len(data), "cardinality": len(rows)}
    if inline:
        return {"storageType": "i", "pathOrInlineDv": z85(data), **facts}
    name = uuid.uuid4()
    stored = b"\x01" + len(data).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")
    (table / f"deletion_vector_{name}.bin").write_bytes(stored)
    return {"storageType": "u", "pathOrInlineDv": z85(name.bytes), "offset": 1, **facts}


def delete_rows(table: Path, path: str, rows: Sequence[int], inline: bool = False) -> int:
    """Add a version in which rows of a file are deleted by a deletion vector."""
    add = add_actions(table)[path]
    remove = {"path": path, "deletionTimestamp": 1, "dataChange": True, "partitionValues": add["partitionValues"]}
    if add.get("deletionVector"):
        remove["deletionVector"] = add["deletionVector"]
    return commit(
        table,
        protocol("deletionVectors"),
        {"remove": remove},
        {"add": {**add, "deletionVector": vector(table, rows, inline)}},
    )


def z85(data: bytes) -> str:
    """Text of bytes, filled up to a multiple of four."""
    padded = data + b"\0" * (-len(data) % 4)
    return base64.b85encode(padded).decode().translate(str.maketrans(_B85, _Z85))
