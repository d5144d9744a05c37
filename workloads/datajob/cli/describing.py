"""`datajob operators`, `schema` and `version`."""

import json
import platform
import textwrap
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from inspect import cleandoc

import click

from datajob import __version__
from datajob.errors import InvalidJob

_WIDTH = 100


def list_operators() -> str:
    """One line for each operator, by modality."""
    from datajob.one_of import summary
    from datajob.operators.registry import all_operators, modality

    lines: list[str] = []
    before = None
    operators = all_operators()
    column = max(map(len, operators)) + 2
    for key, operator in operators.items():
        if modality(operator) != before:
            before = modality(operator)
            lines += ["", click.style(before, bold=True)] if lines else [click.style(before, bold=True)]
        lines.append(f"  {key:{column}}{textwrap.shorten(summary(operator), _WIDTH - column, placeholder=' ...')}")
    return "\n".join([*lines, "", "Run `datajob operators NAME` for the parameters of an operator."])


def describe_operator(name: str) -> str:
    """An operator's description and parameters. Raises InvalidJob for an unknown name."""
    from datajob.api.jsonschema import reflow, resolved
    from datajob.api.problems import closest
    from datajob.api.reference import parameters
    from datajob.operators.registry import all_operators, modality

    operator = all_operators().get(name)
    if operator is None:
        raise InvalidJob(f"Unknown operator `{name}`; {closest(name, all_operators()) or 'run `datajob operators` for a list'}")
    lines = [f"{click.style(name, bold=True)} ({modality(operator)})", ""]
    for paragraph in reflow(cleandoc(operator.__doc__ or "")).split("\n\n"):
        lines += [*_wrapped(paragraph, ""), ""]
    lines.append(click.style("Parameters", bold=True))
    for key, kind, default, said in parameters(resolved(operator)):
        lines.append(f"  {click.style(key, fg='cyan')}  {_plain(kind)}{_default(default)}")
        lines += _wrapped(said, "      ")
    return "\n".join(lines)


def _default(default: str) -> str:
    if default == "**required**":
        return ", required"
    return f", default {_plain(default)}" if default and default != "see below" else ""


def _wrapped(paragraph: str, indent: str) -> Iterator[str]:
    if "\n" in paragraph or paragraph.startswith(" "):
        yield from (indent + line for line in paragraph.splitlines())
    else:
        yield from textwrap.wrap(paragraph, _WIDTH, initial_indent=indent, subsequent_indent=indent)


def _plain(markdown: str) -> str:
    return markdown.replace("`", "").replace("\\|", "|").replace("&lt;", "<")


def schema_text(kind: str, *, crd: bool) -> str:
    """The JSON Schema of a kind for editors, or its CustomResourceDefinition."""
    if kind == "ModelService":
        from datajob.api.service.crd import service_crd_yaml, service_editor_schema_text

        return service_crd_yaml() if crd else service_editor_schema_text()
    if crd:
        from datajob.api.crd import crd_yaml

        return crd_yaml()
    from datajob.api.jsonschema import editor_schema

    return json.dumps(editor_schema(), indent=1, ensure_ascii=False) + "\n"


def versions() -> str:
    """`datajob 0.1.0` and the versions of important packages, one per line."""
    lines = [f"datajob {__version__}", f"python {platform.python_version()}"]
    for package in ("pydantic", "ray", "pyarrow", "duckdb", "numpy", "torch"):
        try:
            lines.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            lines.append(f"{package} not installed")
    return "\n".join(lines)
