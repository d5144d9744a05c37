"""The parts of a dashboard: rows of panels, with every expression next to its title."""

from typing import NamedTuple

OBJECT = 'namespace=~"$namespace",name=~"$name"'
"""The objects that are selected in the dashboard."""


class Query(NamedTuple):
    """An expression and the legend of its series."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """A graph, or with `stat` a single value."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    stat: bool = False
    colors: tuple[tuple[float, str], ...] = ()
    """Thresholds of a stat: from this value on, this color."""
    description: str = ""


class Column(NamedTuple):
    """A column of the table of objects; an empty title hides it."""

    title: str
    expression: str
    unit: str = "short"


class Row(NamedTuple):
    """A row of panels; `table` puts the table of objects into it."""

    title: str
    panels: tuple[Panel, ...]
    table: tuple[Column, ...] = ()
    collapsed: bool = False


def one(title: str, expression: str, legend: str, unit: str = "short", description: str = "") -> Panel:
    """A graph of one expression."""
    return Panel(title, (Query(expression, legend),), unit, description=description)


def stat(title: str, expression: str, unit: str = "short", *colors: tuple[float, str]) -> Panel:
    """A single value."""
    return Panel(title, (Query(f"{expression} or vector(0)", title),), unit, stat=True, colors=colors)


def by_object(metric: str, labels: str = "", by: str = "") -> str:
    """A metric of the selected objects. Each replica of the controller may export it."""
    return f"max by (namespace, name{by}) ({metric}{{{OBJECT}{labels}}})"


def quantile(value: float, metric: str, by: str = "", labels: str = "") -> str:
    """A quantile of a histogram."""
    return f"histogram_quantile({value}, sum by (le{by}) (rate({metric}_bucket{labels}[$__rate_interval])))"


def accelerators(pods: str) -> Row:
    """The accelerators of the pods whose names match a pattern. The variable `$name` can be used in it."""
    return Row(
        "Accelerators (DCGM exporter, NPU exporter)",
        (
            Panel(
                "Utilization",
                (
                    Query(f"({_gpu('DCGM_FI_DEV_GPU_UTIL', pods)}) / 100", "{{pod}} GPU {{gpu}}"),
                    Query(f"{_npu('npu_chip_info_utilization', pods)} / 100", "{{pod_name}} NPU {{id}}"),
                ),
                "percentunit",
            ),
            Panel(
                "Memory in use",
                (
                    Query(f"({_gpu('DCGM_FI_DEV_FB_USED', pods)}) * 1048576", "{{pod}} GPU {{gpu}}"),
                    Query(f"{_npu('npu_chip_info_hbm_used_memory', pods)} * 1048576", "{{pod_name}} NPU {{id}}"),
                ),
                "bytes",
            ),
            Panel("Power", (Query(_gpu("DCGM_FI_DEV_POWER_USAGE", pods), "{{pod}} GPU {{gpu}}"),), "watt"),
        ),
        collapsed=True,
    )


def _gpu(metric: str, pods: str) -> str:
    """A metric of the DCGM exporter, whose labels depend on `honorLabels` of its monitor."""
    own = f'sum by (namespace, pod, gpu) ({metric}{{namespace=~"$namespace",pod=~"{pods}"}})'
    exported = f'{metric}{{exported_namespace=~"$namespace",exported_pod=~"{pods}"}}'
    renamed = f'label_replace({exported}, "pod", "$1", "exported_pod", "(.*)")'
    return f'{own} or sum by (namespace, pod, gpu) (label_replace({renamed}, "namespace", "$1", "exported_namespace", "(.*)"))'


def _npu(metric: str, pods: str) -> str:
    """A metric of the NPU exporter."""
    return f'sum by (namespace, pod_name, id) ({metric}{{namespace=~"$namespace",pod_name=~"{pods}"}})'
