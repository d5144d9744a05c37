"""`datajob report`: the report that a run has written to its sink."""

import sys
import tempfile
import webbrowser
from pathlib import Path

import click

from datajob.api.report import Report
from datajob.errors import InputError
from datajob.python.tables import report_text


def show_report(path: str, html: str | None, *, in_browser: bool) -> None:
    """Print the report at `path`, or write or open it as HTML. Raises InputError if there is none."""
    report = read_report(path)
    if html is None and not in_browser:
        click.echo(report_text(report))
        return
    from datajob.engine.report.page import render

    page = render(report)
    if html == "-":
        sys.stdout.write(page)
    elif html:
        Path(html).write_text(page, encoding="utf-8")
    if in_browser:
        file = Path(html) if html and html != "-" else Path(tempfile.mkdtemp(prefix="datajob-")) / "report.html"
        file.write_text(page, encoding="utf-8")
        webbrowser.open(file.absolute().as_uri())


def read_report(path: str) -> Report:
    """The report of the sink `path`, or in the file `path`. Raises InputError if it is missing or invalid."""
    name = path if path.endswith(".json") else f"{path.rstrip('/').removesuffix('/_datajob')}/_datajob/report.json"
    try:
        return Report.model_validate_json(_bytes(name))
    except ValueError as error:
        raise InputError(f"{name} is not a report: {error}") from error


def _bytes(path: str) -> bytes:
    if "://" in path:
        from datajob.formats.folder import Folder

        folder, _, name = path.rpartition("/")
        return Folder(folder).read(name)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); specify the sink of a run that has started") from error
