"""`datajob analyze`: measure the rows of a job and show what its limits would reject."""

from collections.abc import Sequence
from pathlib import Path

import click

from datajob.cli.running import checked_job, chosen_document
from datajob.python.jobs import module_folders


def analyze_file(
    *,
    file: str,
    name: str | None,
    overrides: Sequence[str],
    column: str | None,
    columns: tuple[str, ...],
    measures: tuple[str, ...],
    sample: float,
    after: str | None,
    out: str | None,
    html: str | None,
    form: str,
    executor: str,
    ray_address: str | None,
    python_path: Sequence[str],
    quiet: bool,
) -> None:
    """Measure the rows of one job of a file. Raises DataJobError."""
    from datajob.engine.options import RunOptions
    from datajob.engine.plan.analysis import Analysis as Wanted
    from datajob.engine.report.page import render
    from datajob.python.analysis import Analysis, analysis_text
    from datajob.python.progress import watching
    from datajob.python.running import analyze_job

    job, folders = checked_job(chosen_document(file, name, overrides)), module_folders(file, python_path)
    wanted = Wanted(column, columns, measures, sample, after)
    with watching(job.metadata.name, quiet=quiet) as on_event:
        options = RunOptions.from_environment(
            executor=executor,
            ray_address=ray_address,
            python_path=folders,
            on_event=on_event,
        )
        report = analyze_job(job, wanted, out, options)
    if html:
        Path(html).write_text(render(report), encoding="utf-8")
    if form == "json":
        click.echo(report.model_dump_json(by_alias=True, indent=1, include={"name", "progress", "measures"}))
    else:
        click.echo(analysis_text(Analysis(report)))
        if out:
            folder = f"{out.rstrip('/')}/_datajob"
            click.echo(f"\nReport  {folder}/report.html (JSON: {folder}/report.json)")
