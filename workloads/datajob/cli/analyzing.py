"""`datajob analyze`: measure the rows of a job and say what its limits would drop."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import click

from datajob.api.report import Measure, Report, Threshold
from datajob.cli.modules import importing_from
from datajob.cli.running import checked_job, chosen_document, module_folders
from datajob.cli.tables import aligned
from datajob.engine.report.formatting import can_reject, counted, number, share
from datajob.errors import InvalidJob


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
    """Measure the rows of one job of a file. Raises DataJobError for what a person has to mend."""
    from datajob.cli.progress import watching
    from datajob.engine.driver import run_job
    from datajob.engine.options import RunOptions
    from datajob.engine.plan.analysis import Analysis, analysis_job
    from datajob.engine.report.page import render

    if ray_address and not out:
        raise InvalidJob("--ray-address needs --out: a folder that all workers reach, for what they find")
    job, folders = checked_job(chosen_document(file, name, overrides)), module_folders(file, python_path)
    wanted = Analysis(column, columns, measures, sample, after)
    with importing_from(*folders), _folder(out) as folder, watching(job.metadata.name, quiet=quiet) as on_event:
        options = RunOptions(
            executor=executor,  # type: ignore[arg-type]  # click offers no other
            ray_address=ray_address,
            python_path=folders,
            on_event=on_event,
        )
        report = run_job(analysis_job(job, wanted, folder), options)
    if html:
        Path(html).write_text(render(report), encoding="utf-8")
    if form == "json":
        click.echo(report.model_dump_json(by_alias=True, indent=1, include={"name", "progress", "measures"}))
    else:
        click.echo(analysis_text(report))
        if out:
            click.echo(f"\nReport  {out.rstrip('/')}/_datajob/report.html (figures for programs: report.json)")


@contextmanager
def _folder(out: str | None) -> Iterator[str]:
    if out:
        yield out
    else:
        with tempfile.TemporaryDirectory(prefix="datajob-analyze-") as folder:
            yield folder


def analysis_text(report: Report) -> str:
    """Two tables: how the measures are distributed, and what their limits drop."""
    measured = [m for m in report.measures if m.step == report.measures[-1].step]  # a job may analyze before, too
    if not measured:
        return f"{report.name}: no row had anything to measure."
    rows = max(measure.rows + measure.missing for measure in measured)
    return "\n".join(
        [f"{report.name}: measured {counted(rows, 'row')}.", "", *_distributions(measured), "", *_limits(measured, rows)]
    )


def _distributions(measured: Sequence[Measure]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("Measure", *measured[0].quantiles)]
    for of, group in groupby(measured, key=lambda measure: measure.of):
        rows.append((of, *[""] * (len(rows[0]) - 1)))
        rows += [(f"  {measure.name}", *map(number, measure.quantiles.values())) for measure in group]
    return _styled(rows)


def _limits(measured: Sequence[Measure], total: int) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("Limit", "In the job", "drops", "Default", "drops", "Suggested", "drops")]
    for of, group in groupby(measured, key=lambda measure: measure.of):
        limits = [(measure, t) for measure in group for t in measure.thresholds if can_reject(t)]
        if limits:
            rows.append((of, *[""] * 6))
            rows += [_limit(measure, threshold, total) for measure, threshold in limits]
    return _styled(rows)


def _styled(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    for index, line in enumerate(aligned(rows)):
        yield line if line.startswith(" ") else click.style(line, bold=index == 0, fg="cyan" if index else None)


def _limit(measure: Measure, limit: Threshold, total: int) -> tuple[str, ...]:
    here = (number(limit.limit), share(limit.rejected, total)) if measure.in_job else ("", "")
    default = ("", "")
    if limit.default is not None and limit.default_rejected is not None:
        default = number(limit.default), share(limit.default_rejected, total)
    of = "" if limit.parameter == limit.side else f" of {measure.name}"
    return f"  {limit.parameter}{of}", *here, *default, number(limit.suggested), share(limit.suggested_rejected, total)
