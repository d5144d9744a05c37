"""The reference pages, from the models: operators, formats, the DataJob itself, exit codes."""

import inspect
import json
from collections.abc import Iterable, Iterator

from datajob import errors
from datajob.api.datajob import DataJob
from datajob.api.jsonschema import Schema, reflow, resolved
from datajob.api.report import Report
from datajob.api.status import DataJobStatus
from datajob.formats.registry import all_readers, all_writers
from datajob.one_of import EXACTLY_ONE, summary
from datajob.operators.registry import MODALITIES, all_operators, modality
from datajob.parameters import Parameters

GENERATED = "<!-- Generated from the models by `python -m datajob.api.generate`; do not edit. -->\n"


def operators_page() -> str:
    """Every operator by modality: what it does and its parameters."""
    intro = (
        "Each step of `spec.steps` has exactly one of these keys. `datajob operators NAME` prints the same in a terminal, "
        "`kubectl explain datajob.spec.steps.NAME` in a cluster."
    )
    parts = [GENERATED, "# Operators", intro]
    by_modality = {m: [o for o in all_operators().values() if modality(o) == m] for m in MODALITIES}
    for name, operators in by_modality.items():
        if operators:
            links = (f"| [`{o.key}`](#{o.key.lower()}) | {summary(o)} |" for o in operators)
            parts.append("\n".join((f"**{name.capitalize()}**\n", "| Operator | What it does |", "|---|---|", *links)))
    for name, operators in by_modality.items():
        if operators:
            parts.append(f"## {name.capitalize()}")
            parts += [section(o.key, o, 3) for o in operators]
    return joined(parts)


def formats_page() -> str:
    """Every reader and writer with its parameters."""
    parts = [GENERATED, "# Formats", "Each source has exactly one reader key, the sink exactly one writer key.", "## Readers"]
    parts += [section(key, reader, 3) for key, reader in all_readers().items()]
    parts.append("## Writers")
    parts += [section(key, writer, 3) for key, writer in all_writers().items()]
    return joined(parts)


def datajob_page() -> str:
    """The DataJob block by block, its status, and the report of a run."""
    tree = resolved(DataJob)
    parts = [GENERATED, "# DataJob", "```yaml\napiVersion: datajob.io/v1alpha1\nkind: DataJob\n```", "## spec"]
    parts.append(table(tree["properties"]["spec"]))
    parts += ["## status", "Written by the controller.", table(resolved(DataJobStatus))]
    parts += ["## report.json", "Written to the sink as `_datajob/report.json`.", table(resolved(Report))]
    return joined(parts)


def exit_codes_page() -> str:
    """The exit codes of `datajob`, from the exception classes."""
    rows = ["| Code | Meaning |", "|---|---|", "| 0 | Success. |", "| 1 | Unexpected error. `--debug` prints the traceback. |"]
    for error in sorted(errors.DataJobError.__subclasses__(), key=lambda e: e.exit_code):
        usage = " Also used for invalid command line options." if error is errors.InvalidJob else ""
        rows.append(f"| {error.exit_code} | {inspect.cleandoc(error.__doc__ or '')}{usage} |")
    rows.append("| 130 | Interrupted by Ctrl-C. The next run resumes and reuses committed shards. |")
    return joined([GENERATED, "# Exit codes", "\n".join(rows)])


def section(key: str, model: type[Parameters], level: int) -> str:
    """A heading, the class docstring and the table of parameters."""
    return joined([f"{'#' * level} {key}", reflow(inspect.cleandoc(model.__doc__ or "")), table(resolved(model))])


def table(block: Schema) -> str:
    """The fields of a block as a Markdown table; those of lists of blocks follow as `field[].key`, of maps as `field.*.key`."""
    rows = [f"| `{name}` | {kind} | {default} | {said} |" for name, kind, default, said in parameters(block)]
    return "\n".join(("| Parameter | Type | Default | Description |", "|---|---|---|---|", *rows)) if rows else "No parameters."


def parameters(block: Schema, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and description of each field of a block and of the blocks inside."""
    required = block.get("required", [])
    for name, field in block.get("properties", {}).items():
        default = "**required**" if name in required else _default(field)
        yield prefix + name, type_of(field), default, _cell(field.get("description", ""))
        inner = field.get("items", field)
        if "properties" in inner and EXACTLY_ONE not in inner:
            yield from parameters(inner, f"{prefix}{name}{'[]' if 'items' in field else ''}.")
        values = field.get("additionalProperties")
        if isinstance(values, dict) and "properties" in values and EXACTLY_ONE not in values:
            yield from parameters(values, f"{prefix}{name}.*.")


def type_of(field: Schema) -> str:
    """A type in words: `list of string`, `number 0..1`, `"a" or "b"`."""
    if EXACTLY_ONE in field:
        return f"one {field[EXACTLY_ONE]}"
    if "enum" in field or "const" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field.get("enum", [field.get("const")]))
    if "pattern" in field and "x-kubernetes-int-or-string" in field:
        return "quantity"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(type_of(branch) for branch in field["anyOf"]))
    kind = field.get("type")
    if kind == "array":
        return f"list of {type_of(field.get('items', {}))}"
    if kind == "object":
        return _map_type(field)
    return _SCALARS.get(str(kind), "any value") + _range(field)


_SCALARS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean"}


def _map_type(field: Schema) -> str:
    inner = field.get("additionalProperties")
    return f"map of {type_of(inner)}" if isinstance(inner, dict) and inner else "object"


def _range(field: Schema) -> str:
    low = field.get("minimum", field.get("exclusiveMinimum"))
    high = field.get("maximum", field.get("exclusiveMaximum"))
    if low is not None and high is not None:
        return f" {low}..{high}"
    if low is not None:
        return f" >= {low}" if "minimum" in field else f" > {low}"
    if high is not None:
        return f" <= {high}" if "maximum" in field else f" < {high}"
    return ""


def _default(field: Schema) -> str:
    default = field.get("default")
    if default is None or "properties" in field:
        return "" if default is None else "see below"
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def _cell(text: str) -> str:
    """One line for a table. `<` is escaped outside of code, where it would start a tag."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


def joined(parts: Iterable[str]) -> str:
    """The parts of a page with an empty line between them."""
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"
