"""A Grafana dashboard as JSON, from its rows of panels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datajob_controller.shared.monitoring.panels import Column, Panel, Query, Row

DOCS = "https://github.com/datajob/datajob/blob/main/docs"
_WIDTH, _PER_ROW = 24, 3
_HEIGHT, _STAT_HEIGHT, _TABLE_HEIGHT = 8, 4, 10
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Dashboard:
    """A dashboard of all objects of a kind, one of which has a table of these objects."""

    kind: str
    uid: str
    rows: tuple[Row, ...]
    links: Mapping[str, str]
    """Pages of the documentation by title, relative to its folder."""
    namespaces: str
    """The query of the namespaces to select from."""
    names: str
    """The query of the names to select from."""
    phases: Mapping[str, str]
    """The color of each phase."""
    runbook: str
    """The page of the reasons in the table."""
    sort_by: str
    """The column by which the table is sorted, in descending order."""
    gauge: str = ""
    """A column from 0 to 1 that is drawn as a bar."""

    @property
    def title(self) -> str:
        """The title of the dashboard and of its table."""
        return f"{self.kind}s"

    def json(self) -> dict[str, Any]:
        """The dashboard in the model of Grafana."""
        links = [
            {"title": title, "url": f"{DOCS}/{page}", "type": "link", "icon": "doc", "targetBlank": True}
            for title, page in self.links.items()
        ]
        return {
            "title": self.title,
            "uid": self.uid,
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "",
            "tags": ["datajob", "ray"],
            "time": {"from": "now-6h", "to": "now"},
            "refresh": "30s",
            "annotations": {"list": []},
            "links": links,
            "templating": {
                "list": [
                    {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}},
                    _variable("namespace", "Namespace", self.namespaces),
                    _variable("name", self.kind, self.names),
                ]
            },
            "panels": _panels(self),
        }

    def expressions(self) -> dict[str, list[str]]:
        """The expressions of each panel by its title; those of the table by column."""
        graphs = {panel.title: [query.expression for query in panel.queries] for row in self.rows for panel in row.panels}
        table = [column for row in self.rows for column in row.table]
        return {**graphs, **{f"Table: {column.title or 'Phase'}": [column.expression] for column in table}}


def _panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    """All panels with their places. Panels of a collapsed row are inside it."""
    made: list[dict[str, Any]] = []
    y = identity = 0
    for row in dashboard.rows:
        identity += 1
        place = {"h": 1, "w": _WIDTH, "x": 0, "y": y}
        head: dict[str, Any] = {"id": identity, "type": "row", "title": row.title, "collapsed": row.collapsed, "gridPos": place}
        inside, y = _row(dashboard, row, y + 1, identity)
        identity += len(inside)
        made += [{**head, "panels": inside}] if row.collapsed else [{**head, "panels": []}, *inside]
    return made


def _row(dashboard: Dashboard, row: Row, y: int, identity: int) -> tuple[list[dict[str, Any]], int]:
    """The panels of a row from a height on, and the height of the next row."""
    made: list[dict[str, Any]] = []
    if row.table:
        made.append(
            {"id": identity + 1, **_table(dashboard, row.table), "gridPos": {"h": _TABLE_HEIGHT, "w": _WIDTH, "x": 0, "y": y}}
        )
        y += _TABLE_HEIGHT
    stats = all(panel.stat for panel in row.panels)
    height, columns = (_STAT_HEIGHT, len(row.panels)) if stats else (_HEIGHT, _PER_ROW)
    width = _WIDTH // columns
    for index, panel in enumerate(row.panels):
        place = {"h": height, "w": width, "x": index % columns * width, "y": y + index // columns * height}
        made.append({"id": identity + len(made) + 1, **_panel(panel), "gridPos": place})
    return made, y + -(-len(row.panels) // columns) * height


def _panel(panel: Panel) -> dict[str, Any]:
    steps = [{"color": color, "value": None if index == 0 else value} for index, (value, color) in enumerate(panel.colors)]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        **({"thresholds": {"mode": "absolute", "steps": steps}} if steps else {}),
    }
    shared = {
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [_target(query, index, instant=panel.stat) for index, query in enumerate(panel.queries)],
    }
    if panel.stat:
        options = {
            "colorMode": "value",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
        return {"type": "stat", **shared, "options": options}
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi"}}
    return {"type": "timeseries", **shared, "options": options}


def _target(query: Query, index: int, *, instant: bool) -> dict[str, Any]:
    return {
        "refId": _letter(index),
        "datasource": _SOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
        "instant": instant,
        "range": not instant,
    }


def _table(dashboard: Dashboard, columns: tuple[Column, ...]) -> dict[str, Any]:
    """The table of objects: one instant query for each column, joined by namespace and name."""
    targets = [
        {**_target(Query(column.expression, ""), index, instant=True), "format": "table"}
        for index, column in enumerate(columns)
    ]
    names = {f"Value #{_letter(index)}": column.title for index, column in enumerate(columns)}
    shown = {"name": dashboard.kind, "namespace": "Namespace", "phase": "Phase", "reason": "Reason"}
    order = ["namespace", "name", "phase", "reason", *(value for value, title in names.items() if title)]
    organize = {
        "excludeByName": {"Time": True, **{value: True for value, title in names.items() if not title}},
        "renameByName": {**shown, **{value: title for value, title in names.items() if title}},
        "indexByName": {name: index for index, name in enumerate(order)},
    }
    return {
        "title": dashboard.title,
        "type": "table",
        "description": f"One line for each {dashboard.kind}. Select a name to show only that {dashboard.kind}.",
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": "short", "noValue": ""}, "overrides": _overrides(dashboard, columns)},
        "options": {"showHeader": True, "sortBy": [{"displayName": dashboard.sort_by, "desc": True}]},
        "targets": targets,
        "transformations": [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}],
    }


def _overrides(dashboard: Dashboard, columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    kind = dashboard.kind
    units = [_override(column.title, unit=column.unit) for column in columns if column.title and column.unit != "short"]
    gauge = [_override(dashboard.gauge, min=0, max=1, **{"custom.cellOptions": {"type": "gauge", "mode": "basic"}})]
    variables = f"var-namespace=${{__data.fields.Namespace}}&var-name=${{__data.fields.{kind}}}"
    url = f"/d/{dashboard.uid}?${{__url_time_range}}&{variables}"
    runbook = {"title": "Runbook", "url": f"{DOCS}/{dashboard.runbook}", "targetBlank": True}
    mappings = [
        {"type": "value", "options": {phase: {"color": color, "index": i}}}
        for i, (phase, color) in enumerate(dashboard.phases.items())
    ]
    return [
        *units,
        *(gauge if dashboard.gauge else []),
        _override(kind, links=[{"title": f"Show this {kind}", "url": url}]),
        _override("Phase", mappings=mappings, **{"custom.cellOptions": {"type": "color-text"}}),
        _override("Reason", links=[runbook]),
    ]


def _override(column: str, **properties: Any) -> dict[str, Any]:
    made = [{"id": name, "value": value} for name, value in properties.items()]
    return {"matcher": {"id": "byName", "options": column}, "properties": made}


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
