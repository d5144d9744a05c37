"""Reading and writing whole folders the way the engine does: files, schema, fragments, tables."""

from dataclasses import dataclass, field

import pyarrow as pa

from datajob.formats.base import OutputFile, Reader, Writer


@dataclass
class Bad:
    """Collects bad records."""

    records: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, text: str, reason: str) -> None:
        self.records.append((text, reason))

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.records]


def read(reader: Reader, bad: Bad | None = None, target: int = 64 << 20, batch_bytes: int = 8 << 20) -> pa.Table:
    """All rows, in the order of the input; every table has the schema that the reader promised."""
    files = reader.files()
    schema = reader.schema(files)
    reader.check_names(schema, files)
    tables = [schema.empty_table()]
    for file in files:
        for fragment in reader.fragments(file, target):
            for table in reader.read(fragment, schema, batch_bytes, bad or Bad()):
                assert table.schema.equals(schema)
                table.validate(full=True)
                tables.append(table)
    return pa.concat_tables(tables)


def write(writer: Writer, *tables: pa.Table, prefix: str = "00000") -> list[OutputFile]:
    """Write tables as one shard."""
    shard = writer.open(writer.path, prefix, tables[0].schema)
    for table in tables:
        shard.write(table)
    return shard.close()
