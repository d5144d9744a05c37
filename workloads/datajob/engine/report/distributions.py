"""Turns sketches into the measures of the report: quantiles, a histogram, rejected rows per limit, suggested limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import exp, log

from datajob.api.report import Measure, Threshold
from datajob.engine.counts.sketch import Sketch
from datajob.engine.counts.tally import MeasureKey
from datajob.engine.plan.steps import Step
from datajob.operators.base import Bound, Filter, Observe, Operator

QUANTILES = {"p1": 0.01, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
TAIL = 0.01
"""Maximum share of the rows that a suggested limit rejects."""
DIGITS = 2
"""Significant digits of a suggested limit."""
BINS = 24
LEFT_OUT = 0.005
"""Share of the rows at each end that a histogram omits. Otherwise a few outliers would squeeze all others into one bin."""
WIDE = 20.0
"""Values that range over more than this factor get bins of equal ratio instead of equal width."""


def measure_reports(measures: Mapping[MeasureKey, Sketch], steps: Iterable[Step[Operator]]) -> tuple[Measure, ...]:
    """The measures of the report, in the order in which they were taken, without those that no row has."""
    observers = {step.name: step.operator for step in steps if isinstance(step.operator, Observe)}
    return tuple(_report(*key, sketch, observers[key[0]]) for key, sketch in measures.items() if sketch.count)


def _report(step: str, of: str, name: str, sketch: Sketch, observer: Observe) -> Measure:
    assert sketch.lowest is not None and sketch.highest is not None
    rule, edges = observer.filters().get(of), bin_edges(sketch)
    return Measure(
        step=step,
        of=of,
        in_job=of in observer.job_filters(),
        name=name,
        rows=sketch.count,
        missing=sketch.missing,
        lowest=sketch.lowest,
        highest=sketch.highest,
        quantiles=dict(zip(QUANTILES, sketch.quantiles(tuple(QUANTILES.values())), strict=True)),
        edges=edges,
        counts=tuple(sketch.counts_between(edges)),
        thresholds=tuple(_thresholds(sketch, rule, name)) if rule else (),
    )


def bin_edges(sketch: Sketch) -> tuple[float, ...]:
    """Edges of a histogram with about BINS bins.

    A few integers get one bin each. Otherwise the bins have equal width, or, if the values vary widely, equal ratio
    (with one bin for all values below one).
    """
    end = LEFT_OUT if sketch.count * LEFT_OUT >= 1 else 0.0
    low, start, high = sketch.quantiles((end, 0.05, 1 - end))
    whole = sketch.is_whole(low, high)
    if low == high:
        return low, low + 1
    if whole and high - low <= 2 * BINS:
        return tuple(low + step for step in range(int(high - low) + 2))
    first = max(low, 1.0)
    if low < 0 or high < WIDE * max(start, first):
        edges = [low + (high - low) * step / BINS for step in range(BINS)]
    else:
        edges = [*((low,) if low < first else ()), *(first * exp(log(high / first) * step / BINS) for step in range(BINS))]
    return (*dict.fromkeys(float(round(edge)) if whole else edge for edge in edges), high)


def _thresholds(sketch: Sketch, rule: Filter, measure: str) -> Iterator[Threshold]:
    defaults = {(bound.parameter, bound.measure): bound.limit for bound in _with_defaults(rule)}
    for bound in rule.bounds():
        if bound.measure == measure:
            default = defaults.get((bound.parameter, measure))
            suggested = suggest(sketch, is_minimum=bound.is_minimum)
            yield Threshold(
                parameter=bound.parameter,
                side="min" if bound.is_minimum else "max",
                limit=bound.limit,
                rejected=_rejected(sketch, bound.limit, bound),
                default=default,
                default_rejected=None if default is None else _rejected(sketch, default, bound),
                suggested=suggested,
                suggested_rejected=_rejected(sketch, suggested, bound),
            )


def _with_defaults(rule: Filter) -> tuple[Bound, ...]:
    """The limits of the filter if none of its parameters is set."""
    limits = {bound.parameter.split("[")[0] for bound in rule.bounds()}
    fields = {name: field for name, field in type(rule).model_fields.items() if (field.alias or name) in limits}
    return rule.model_copy(update={name: f.default for name, f in fields.items() if not f.is_required()}).bounds()


def _rejected(sketch: Sketch, limit: float, bound: Bound) -> int:
    return sketch.below(limit) if bound.is_minimum else sketch.above(limit)


def suggest(sketch: Sketch, *, is_minimum: bool) -> float:
    """The value that rejects at most TAIL of the rows, rounded to DIGITS in the direction that rejects fewer rows."""
    beyond = int(TAIL * sketch.count)
    [exact] = sketch.nth([beyond if is_minimum else sketch.count - 1 - beyond])
    number = Decimal(exact)
    digit = Decimal(1).scaleb(number.adjusted() - DIGITS + 1)
    return float((number / digit).to_integral_value(ROUND_FLOOR if is_minimum else ROUND_CEILING) * digit)
