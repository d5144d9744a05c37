"""The generated parts of the chart are up to date."""

from hack.chart import ROOT, stale


def test_the_chart_contains_current_copies_and_settings() -> None:
    assert not [str(path.relative_to(ROOT)) for path in stale()], "run make generate"
