"""Checks that a schema cannot express: missing columns, overlapping folders, missing accelerators.

The checks look at the job alone, not at its data, and have no side effects except in `check_imports`.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from posixpath import normpath

from datajob.api.contract import SET_BY_CONTROLLER, SET_BY_KUBERAY, SET_BY_USER
from datajob.api.datajob import DataJob
from datajob.api.pod_checks import pod_problems
from datajob.api.problems import Path, Problem, closest
from datajob.api.spec import DataJobSpec
from datajob.errors import InvalidJob
from datajob.formats.base import Reader
from datajob.formats.listing import expand_braces, is_hidden
from datajob.operators.base import Global, Model, Operator
from datajob.parameters import Parameters, Reads, columns_by_field, marked_columns

Columns = tuple[str, ...]

_ANY = "\0any"
"""Represents columns that are unknown until the data is opened."""


def check(job: DataJob, *, on_cluster: bool = False) -> list[Problem]:
    """Problems of a job that matches the schema.

    On a cluster, a missing accelerator is an error and not a warning, and all paths must be reachable from all pods.
    """
    spec = job.spec
    found = [*check_columns(spec, _source_columns(spec)), *_folders(spec), *_accelerator(spec, on_cluster), *pod_problems(spec)]
    found += _secrets(spec)
    return [*found, *_unreachable(spec)] if on_cluster else found


def check_imports(job: DataJob) -> Iterator[Problem]:
    """Functions and classes of steps that cannot be imported. Imports the modules of the user."""
    for index, step in enumerate(job.spec.steps):
        try:
            step.chosen.resolved()
        except InvalidJob as error:
            yield Problem(("spec", "steps", index, step.key), str(error))


def check_columns(spec: DataJobSpec, columns: Columns) -> Iterator[Problem]:
    """Track the columns of the sources through the steps to the sink."""
    trimmed: dict[str, dict[str, int]] = {}
    for index, step in enumerate(spec.steps):
        operator, path = step.chosen, ("spec", "steps", index, step.key)
        try:
            yield from _untrimmed(operator, index, columns, path, trimmed)
            yield from _missing(operator.inputs(), columns, path, operator)
            columns = operator.outputs(columns) or (_ANY,)
        except InvalidJob as error:  # for example, an invalid SQL expression
            yield Problem(path, str(error))
            columns = (_ANY,)
    sink = spec.sink.chosen.for_columns(columns)
    yield from _missing(marked_columns(sink, Reads), columns, ("spec", "sink", spec.sink.key), sink)


def _untrimmed(
    operator: Operator, index: int, columns: Columns, path: Path, trimmed: dict[str, dict[str, int]]
) -> Iterator[Problem]:
    """Columns that an earlier step kept in line with a list, and that this one does not, although it removes items.

    `trimmed` contains these columns and the indexes of the steps by list. It is updated.
    """
    if (found := operator.trims()) is None:
        return
    media, beside = found
    earlier = trimmed.setdefault(media, {})
    for column, first in earlier.items():
        if column not in beside and (column in columns or _ANY in columns):
            message = f"removes items of `{media}`, but does not change `{column}` accordingly, as steps[{first}] does"
            yield Problem(path, message, "name the column in both steps, or remove `keep: each`")
    earlier.update({column: index for column in beside if column not in earlier})


def _source_columns(spec: DataJobSpec) -> Columns:
    columns: dict[str, None] = {}
    for source in spec.sources:
        reader = source.chosen
        known = reader.known_columns()
        columns |= dict.fromkeys((_ANY,) if known is None else known)
        columns |= dict.fromkeys(reader.columns_of_job())
    return tuple(columns)


def _missing(wanted: Columns, columns: Columns, path: Path, parameters: Parameters) -> Iterator[Problem]:
    if _ANY in columns:
        return
    for column in dict.fromkeys(wanted):
        if column not in columns:
            fields = [alias for alias, names in columns_by_field(parameters, Reads).items() if column in names]
            message = f"column `{column}` is not available at this step (columns: {', '.join(columns) or 'none'})"
            yield Problem((*path, *fields[:1]), message, closest(column, columns))


def _folders(spec: DataJobSpec) -> Iterator[Problem]:
    """The job must not read what it writes, in this run or the next one."""
    sink = spec.sink.chosen
    written: list[tuple[Path, str]] = [(("spec", "sink", spec.sink.key, "path"), sink.path)]
    if spec.rejects:
        written.append((("spec", "rejects", "path"), spec.rejects.path))
    if spec.errors.path:
        written.append((("spec", "errors", "path"), spec.errors.path))
    for path, folder in written:
        if folder.startswith("hf://"):
            hub = "use the sink `huggingface` with `repository`, or write to another place"
            yield Problem(path, "is on the Hugging Face Hub, where files cannot be written one by one", hub)
        for source in _read_paths(spec):
            if _reads_from(source, folder):
                yield Problem(path, f"is inside the input of the job ({source})", "write to a folder outside the input")
    for path, folder in written[1:]:
        if _reads_from(sink.path, folder):
            yield Problem(path, f"is inside the sink ({sink.path}), where its rows would be read as results", _HIDE)
    if sink.mode == "overwrite":
        for source in _read_paths(spec):
            if _is_inside(_plain(source), _plain(sink.path)):
                yield Problem(written[0][0], f"contains the input of the job ({source}), which `mode: overwrite` would delete")


_HIDE = "choose another folder, or one whose name begins with `_`"


def _read_paths(spec: DataJobSpec) -> Iterator[str]:
    for source in spec.sources:
        yield from _expanded(source.chosen)
    for operator in spec.operators():
        if isinstance(operator, Global):
            for reader in operator.side_sources():
                yield from _expanded(reader)


def _expanded(reader: Reader) -> Iterator[str]:
    """Each path of a reader, and what its `{a,b}` stand for."""
    for _, path in reader.places():
        yield from dict.fromkeys((path, *expand_braces(path)))


def _reads_from(source: str, folder: str) -> bool:
    """Whether a reader of `source` (a folder or a glob) would find a Parquet file written to `folder`."""
    if any(mark in source for mark in "*?["):
        return _glob_finds(_plain(source).split("/"), [*_plain(folder).split("/"), "part-0.parquet"])
    below = _plain(folder)[len(_plain(source)) :]
    return _is_inside(_plain(folder), _plain(source)) and not any(map(is_hidden, below.split("/")))


def _glob_finds(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """Match folder by folder. A matching folder is read recursively."""
    if not pattern:
        return not any(map(is_hidden, names))
    if pattern[0] == "**":
        return any(_glob_finds(pattern[1:], names[skipped:]) for skipped in range(len(names)))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _glob_finds(pattern[1:], names[1:])


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/") or folder == "/"


def _plain(path: str) -> str:
    """Normalize a path: no `file://`, no `./`, no double or trailing slashes."""
    scheme, separator, rest = path.partition("://")
    if not separator:
        return normpath(path)
    return normpath(rest) if scheme == "file" else f"{scheme}://{normpath(rest)}"


_PER_POD_VOLUMES = ("emptyDir", "ephemeral")
_LOCAL_SCHEMES = ("file", "local", "memory")
_SHARE = (
    "use object storage, such as `s3://bucket/folder/`, or a path below the `mountPath` of a volume that all pods share "
    "(`spec.runtime.volumes` and `spec.runtime.volumeMounts`)"
)


def _unreachable(spec: DataJobSpec) -> Iterator[Problem]:
    """Paths that each pod of a cluster has for itself: data would be missing, or lost with the pod."""
    # Volumes and mounts are passed to Kubernetes unchecked, so any of their fields can be missing.
    per_pod = [volume.get("name") for volume in spec.runtime.volumes if any(kind in volume for kind in _PER_POD_VOLUMES)]
    mounts = [(normpath(str(mount.get("mountPath"))), mount.get("name")) for mount in spec.runtime.volume_mounts]
    for path, place in _places(spec):
        scheme, separator, rest = place.partition("://")
        if separator and scheme not in _LOCAL_SCHEMES:
            continue
        local = normpath(rest if separator else place)
        inside = [mount for mount in mounts if _is_inside(local, mount[0])]
        if scheme == "memory" or not inside:
            yield Problem(path, f"`{place}` is local to a pod, so other pods cannot access it", _SHARE)
        elif (volume := max(inside, key=lambda mount: len(mount[0]))[1]) in per_pod:
            yield Problem(path, f"`{place}` is on the volume `{volume}`, which is separate for each pod", _SHARE)


def _places(spec: DataJobSpec) -> Iterator[tuple[Path, str]]:
    """Every path that the job reads or writes, and the field that sets it."""
    for index, source in enumerate(spec.sources):
        for field, place in source.chosen.places():
            yield ("spec", "sources", index, source.key, *field), place
    for index, step in enumerate(spec.steps):
        if isinstance(step.chosen, Global):
            for reader in step.chosen.side_sources():
                yield from ((("spec", "steps", index, step.key), place) for _, place in reader.places())
    yield ("spec", "sink", spec.sink.key, "path"), spec.sink.chosen.path
    if spec.rejects:
        yield ("spec", "rejects", "path"), spec.rejects.path
    if spec.errors.path:
        yield ("spec", "errors", "path"), spec.errors.path


def _secrets(spec: DataJobSpec) -> Iterator[Problem]:
    """Environment variables for Secrets of steps that are also set otherwise, or have the value of another Secret."""
    found: dict[str, tuple[str, str]] = {}
    set_by_job = {variable.get("name") for variable in spec.runtime.env}
    for index, step in enumerate(spec.steps):
        path = ("spec", "steps", index, step.key, "endpoint", "keyFrom", "env")
        for name, entry in step.chosen.secrets().items():
            if name in SET_BY_KUBERAY | SET_BY_CONTROLLER | SET_BY_USER:
                yield Problem(path, f"the variable `{name}` is reserved", "use another name")
            elif name in set_by_job:
                yield Problem(path, f"the variable `{name}` is also set in `runtime.env`", "remove one of them")
            elif found.setdefault(name, entry) != entry:
                yield Problem(path, f"the variable `{name}` is set from two Secrets", "use different names in `env`")


def _accelerator(spec: DataJobSpec, on_cluster: bool) -> Iterator[Problem]:
    if spec.resources.accelerator:
        return
    for index, step in enumerate(spec.steps):
        operator: Operator = step.chosen
        if isinstance(operator, Model) and operator.accelerated():
            path = ("spec", "steps", index, step.key)
            if on_cluster:
                cure = "set `spec.resources.accelerator`, or for a small model `device: cpu` in the step"
                yield Problem(path, "requires an accelerator, but the job requests none", cure)
            else:
                message = "is slow on a machine without an accelerator; on a cluster, set `spec.resources.accelerator`"
                yield Problem(path, message, warning=True)
