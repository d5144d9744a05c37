"""Metrics of single objects in the text format of Prometheus."""

from collections.abc import Iterable, Mapping

Sample = tuple[str, dict[str, str], float]
"""Name, labels and value."""


def families(documentation: Mapping[str, str], samples: Iterable[Sample]) -> str:
    """Gauges with their documentation."""
    lines: dict[str, list[str]] = {name: [] for name in documentation}
    for name, labels, value in samples:
        lines[name].append(line(name, labels, value))
    return "".join(head(name, text) + "".join(lines[name]) for name, text in documentation.items())


def head(name: str, documentation: str) -> str:
    """The lines before the samples of a gauge."""
    return f"# HELP {name} {documentation}\n# TYPE {name} gauge\n"


def line(name: str, labels: dict[str, str], value: float) -> str:
    """A sample."""
    listed = ",".join(f'{label}="{_escaped(labels[label])}"' for label in sorted(labels))
    return f"{name}{{{listed}}} {float(value)!r}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
