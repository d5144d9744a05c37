"""What a schema cannot know of a job: columns that no step makes, folders in each other, missing accelerators.

Looks at the job alone, never at the data, and is pure but for `check_imports`. What only the data can tell is not
complained about.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from posixpath import normpath

from datajob.api.datajob import DataJob
from datajob.api.problems import Path, Problem, closest
from datajob.api.spec import DataJobSpec
from datajob.errors import InvalidJob
from datajob.operators.base import Global, Model, Operator
from datajob.parameters import Parameters, Reads, columns_by_field, marked_columns

Columns = tuple[str, ...]

_ANY = "\0any"
"""Stands for the columns that nobody knows before the data are opened."""


def check(job: DataJob, *, on_cluster: bool = False) -> list[Problem]:
    """Problems of a job that fits the schema. A missing accelerator is an error on a cluster, here it is a warning."""
    spec = job.spec
    return [*check_columns(spec, _source_columns(spec)), *_folders(spec), *_accelerator(spec, on_cluster)]


def check_imports(job: DataJob) -> Iterator[Problem]:
    """Functions and classes that steps name and that cannot be imported here. Imports the user's modules."""
    for index, step in enumerate(job.spec.steps):
        try:
            step.chosen.resolved()
        except InvalidJob as error:
            yield Problem(("spec", "steps", index, step.key), str(error))


def check_columns(spec: DataJobSpec, columns: Columns) -> Iterator[Problem]:
    """Follow the columns that the sources give through the steps to the sink."""
    for index, step in enumerate(spec.steps):
        operator, path = step.chosen, ("spec", "steps", index, step.key)
        try:
            yield from _missing(operator.inputs(), columns, path, operator)
            columns = operator.outputs(columns) or (_ANY,)
        except InvalidJob as error:  # an expression that is no SQL, say
            yield Problem(path, str(error))
            columns = (_ANY,)
    sink = spec.sink.chosen
    yield from _missing(marked_columns(sink, Reads), columns, ("spec", "sink", spec.sink.key), sink)


def _source_columns(spec: DataJobSpec) -> Columns:
    columns: dict[str, None] = {}
    for source in spec.sources:
        reader = source.chosen
        known = reader.known_columns()
        columns |= dict.fromkeys((_ANY,) if known is None else known)
        if reader.include_path:
            columns[reader.include_path] = None
    return tuple(columns)


def _missing(wanted: Columns, columns: Columns, path: Path, parameters: Parameters) -> Iterator[Problem]:
    if _ANY in columns:
        return
    for column in dict.fromkeys(wanted):
        if column not in columns:
            fields = [alias for alias, names in columns_by_field(parameters, Reads).items() if column in names]
            said = f"no column `{column}` reaches this place (columns: {', '.join(columns) or 'none'})"
            yield Problem((*path, *fields[:1]), said, closest(column, columns))


def _folders(spec: DataJobSpec) -> Iterator[Problem]:
    """Nothing that the job writes may be read by it, now or at its next run."""
    sink = spec.sink.chosen
    written: list[tuple[Path, str]] = [(("spec", "sink", spec.sink.key, "path"), sink.path)]
    if spec.rejects:
        written.append((("spec", "rejects", "path"), spec.rejects.path))
    if spec.errors.path:
        written.append((("spec", "errors", "path"), spec.errors.path))
    for path, folder in written:
        for source in _read_paths(spec):
            if _reads_from(source, folder):
                yield Problem(path, f"lies inside what the job reads ({source})", "write to a folder outside of it")
    for path, folder in written[1:]:
        if _reads_from(sink.path, folder):
            yield Problem(path, f"lies inside the sink ({sink.path}), where readers would take its rows for results", _HIDE)
    if sink.mode == "overwrite":
        for source in _read_paths(spec):
            if _is_inside(_plain(source), _plain(sink.path)):
                yield Problem(written[0][0], f"holds what the job reads ({source}), and `mode: overwrite` would delete it")


_HIDE = "choose another folder, or one whose name begins with `_`"


def _read_paths(spec: DataJobSpec) -> Iterator[str]:
    for source in spec.sources:
        yield from source.chosen.paths
    for operator in spec.operators():
        if isinstance(operator, Global):
            for reader in operator.side_sources():
                yield from reader.paths


def _reads_from(source: str, folder: str) -> bool:
    """True when a reader of `source` (a folder or a glob) would find a Parquet file that is written to `folder`."""
    if any(mark in source for mark in "*?["):
        return _glob_finds(_plain(source).split("/"), [*_plain(folder).split("/"), "part-0.parquet"])
    below = _plain(folder)[len(_plain(source)) :]
    return _is_inside(_plain(folder), _plain(source)) and not any(map(_is_hidden, below.split("/")))


def _glob_finds(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """Match folder by folder; a folder that matches is read whole."""
    if not pattern:
        return not any(map(_is_hidden, names))
    if pattern[0] == "**":
        return any(_glob_finds(pattern[1:], names[skipped:]) for skipped in range(len(names)))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _glob_finds(pattern[1:], names[1:])


def _is_hidden(name: str) -> bool:
    return name.startswith(("_", "."))


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/") or folder == "/"


def _plain(path: str) -> str:
    """One spelling for one place: no `file://`, no `./`, no double or trailing slash."""
    scheme, separator, rest = path.partition("://")
    if not separator:
        return normpath(path)
    return normpath(rest) if scheme == "file" else f"{scheme}://{normpath(rest)}"


def _accelerator(spec: DataJobSpec, on_cluster: bool) -> Iterator[Problem]:
    if spec.resources.accelerator:
        return
    for index, step in enumerate(spec.steps):
        operator: Operator = step.chosen
        if isinstance(operator, Model) and operator.accelerated():
            path = ("spec", "steps", index, step.key)
            if on_cluster:
                cure = "set `spec.resources.accelerator`, or `device: cpu` in the step for a small model"
                yield Problem(path, "needs an accelerator, and the job asks for none", cure)
            else:
                said = "runs on the CPU, slowly: a cluster would want `spec.resources.accelerator`"
                yield Problem(path, said, warning=True)
