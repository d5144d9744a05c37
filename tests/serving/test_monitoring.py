"""A real Prometheus scrapes a real application under the official client: every panel about it has data."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from datajob.serving.metrics import PREFIX, SERIES
from datajob_controller.modelservice.monitoring.alerts import ALERTS
from datajob_controller.modelservice.monitoring.dashboard import DASHBOARD
from hack.cluster.waiting import wait_for
from tests.support.prometheus import Prometheus, filled_in, prometheus_with
from tests.support.serving import Running

PANELS = {title: found for title, found in DASHBOARD.expressions().items() if any(PREFIX in one for one in found)}
MAY_BE_ZERO = (
    "Requests in progress",
    "Tokens that wait",
    "Age of the oldest waiting request",
    "Fill of batches",
)
"""Panels whose value is zero while no request is in progress."""


@pytest.fixture(scope="module")
def prometheus(served: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, scraping an application with the labels that the PodMonitor adds, and with a request of each kind."""
    target = {"targets": [f"127.0.0.1:{served.port}"], "labels": {"namespace": "team", "name": "test"}}
    with prometheus_with(tmp_path_factory.mktemp("prometheus"), {"job_name": "x", "static_configs": [target]}) as made:
        yield made


def ask(served: Running) -> None:
    """One request of each kind: answered, streamed, refused, and while no model is loaded."""
    from openai import BadRequestError, InternalServerError

    client, words = served.client(), [{"role": "user", "content": "a b c"}]
    client.chat.completions.create(model="test", messages=words)
    list(client.chat.completions.create(model="test", messages=words, stream=True))
    with pytest.raises(BadRequestError):
        client.chat.completions.create(model="test", messages=words, n=0)
    engine, served.service.engine = served.service.engine, None
    try:
        with pytest.raises(InternalServerError):
            client.chat.completions.create(model="test", messages=words)
    finally:
        served.service.engine = engine


@pytest.mark.slow
def test_every_panel_about_the_application_has_values(prometheus: Prometheus, served: Running) -> None:
    for title, expressions in PANELS.items():
        for expression in (filled_in(one, "team", "test") for one in expressions):

            def has_values(expression: str = expression, title: str = title) -> bool:
                ask(served)
                values = [float(one["value"][1]) for one in prometheus.query(expression)]
                return any(value > 0 or title in MAY_BE_ZERO for value in values)

            wait_for(has_values, f"values of {title}: {expression}", every=1)


def test_panels_and_alerts_use_the_names_and_labels_of_the_metrics() -> None:
    known = {f"{PREFIX}{one.name}": {"namespace", "name", "model", *one.labels} for one in SERIES}
    known |= {f"{PREFIX}{one.name}_bucket": known[f"{PREFIX}{one.name}"] | {"le"} for one in SERIES if one.kind == "histogram"}
    expressions = [one for found in PANELS.values() for one in found] + [
        one.expression for one in ALERTS if PREFIX in one.expression
    ]
    used = set()
    for expression in expressions:
        for name, selector in re.findall(rf"({PREFIX}\w+)(?:{{([^}}]*)}})?", expression):
            assert set(re.findall(r"(\w+)[=!]", selector)) <= known[name], expression
            used.add(name.removesuffix("_bucket"))
    assert used == {f"{PREFIX}{one.name}" for one in SERIES}, "every metric has a panel"
