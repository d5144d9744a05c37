"""Numbers as text, for the terminal and the report page."""

from datajob.api.report import Report, StepReport, Threshold


def count(value: int) -> str:
    """`1234567` -> `1,234,567`."""
    return f"{value:,}"


def number(value: float) -> str:
    """A measure with three significant digits: `0.0312`, `12.5`, `80`, `1,235`."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def size(value: float) -> str:
    """Bytes: `12345678` -> `12.3 MB` (powers of ten)."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def duration(seconds: float) -> str:
    """`0 s`, `0.42 s`, `12.3 s`, `2 min 5 s`, `3 h 12 min`; whole seconds for an int."""
    if isinstance(seconds, int) and seconds < 60:
        return f"{seconds} s"
    if seconds < 0.01:
        return "< 0.01 s" if seconds else "0 s"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def share(part: float, whole: float) -> str:
    """`12.3%`; a dash if `whole` is zero. Only exactly all or nothing becomes `100%` or `0%`."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1%"
    if 99.9 < percent < 100:
        return "> 99.9%"
    return f"{percent:.0f}%" if percent in (0, 100) else f"{percent:.1f}%"


def share_of_rows(part: int, report: Report) -> str:
    """A share of all rows that were read or that steps added."""
    read, added = report.progress.rows_in, sum(step.rows_added for step in report.steps)
    return f"{share(part, read + added)} of rows read{' or added' if added else ''}" if read else "no rows read"


def removed_items(step: StepReport) -> list[str]:
    """One line for each reason for which a step removed items from lists."""
    return [f"{counted(items, 'item')} removed from lists: {reason}" for reason, items in (step.removed_items or {}).items()]


def short(value: int) -> str:
    """A number for an axis: `0`, `512`, `4k`, `2M` (powers of two)."""
    for unit in ("", "k", "M", "G"):
        if value < 1024 or unit == "G":
            break
        value //= 1024
    return f"{value}{unit}"


def counted(value: int, noun: str) -> str:
    """`1 file`, `3 files`."""
    return f"{count(value)} {noun}" + "s" * (value != 1)


def speed(report: Report) -> tuple[float, float] | None:
    """Bytes and rows that this attempt read per second, excluding startup; None before the first shard is done."""
    progress = report.progress
    worked = report.seconds - report.startup_seconds
    if worked <= 0 or not progress.shards_done:
        return None
    share_here = (progress.shards_done - report.shards_reused) / progress.shards_done
    return report.input_bytes * progress.percent / 100 * share_here / worked, progress.rows_in * share_here / worked


def can_reject(limit: Threshold) -> bool:
    """False for a minimum of 0 if no higher one is suggested: the measure is never negative."""
    return limit.side == "max" or max(limit.limit, limit.suggested) > 0
