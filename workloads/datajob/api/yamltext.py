"""Parses YAML into plain values with the line of each key and list entry, and writes values as YAML.

Stricter than YAML: duplicate keys are reported. Dates remain strings, as in Kubernetes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from datajob.api.problems import Path, Problem

MAX_VALUES = 100_000
"""Limit for one document, because nested aliases multiply."""
MAX_DEPTH = 64

_TIMESTAMP, _FLOAT, _MERGE, _MAP, _SEQ = (f"tag:yaml.org,2002:{name}" for name in ("timestamp", "float", "merge", "map", "seq"))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Resolves scalars as Kubernetes does: no dates, and `1e-3` is a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [rule for rule in rules if rule[0] != _TIMESTAMP]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_EXPONENT = re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
_Loader.add_implicit_resolver(_FLOAT, _EXPONENT, list("-+0123456789"))


@dataclass
class YamlDocument:
    """One document of a stream."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    """Line (from 1) of each key and list entry."""
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest block around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def add_syntax(self, error: yaml.YAMLError, text: str) -> None:
        """Add the problem that `text` is not valid YAML, located at the error."""
        details = " ".join(str(part) for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part)
        hint = None
        if mark := getattr(error, "problem_mark", None):
            self.lines[()] = mark.line + 1
            line = "".join(text.splitlines()[mark.line : mark.line + 1])
            if "\t" in line:
                hint = "indent with spaces; YAML does not allow tabs"
            elif "did not find expected key" in details or "mapping values are not allowed" in details:
                hint = "check the indentation of this line and of the one before it, and quote values that contain `: `"
        self.problems.append(Problem((), f"is not valid YAML: {details or error}", hint))


def parse(text: str) -> Iterator[YamlDocument]:
    """The nonempty documents of a YAML stream. A syntax error ends the stream with a document that has the problem."""
    loader = _Loader(text)
    try:
        while loader.check_node():
            document = YamlDocument()
            node = loader.get_node()
            try:
                document.value = _Builder(document).build(node, (), 0)
            except yaml.YAMLError as error:
                document.add_syntax(error, text)
            if document.value is not None or document.problems:
                yield document
    except yaml.YAMLError as error:
        broken = YamlDocument()
        broken.add_syntax(error, text)
        yield broken
    finally:
        loader.dispose()


class _Dumper(yaml.SafeDumper):
    """Quotes every text that `parse` would read as a number, and writes texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver(_FLOAT, _EXPONENT, list("-+0123456789"))


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Escape the line breaks of YAML 1.1 that are not newlines: unescaped, they would be folded."""
    style = '"' if re.search("[\x85\u2028\u2029]", text) else "|" if "\n" in text else None
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
    return node


_Dumper.add_representer(str, _text_node)


def dump(value: Any) -> str:
    """Plain values as YAML that `parse` reads as the same values."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def scalar_or_block(text: str) -> Any:
    """The value of a short YAML text such as `3`, `[a, b]` or `{a: 1}`. Raises yaml.YAMLError."""
    documents = list(parse(text))
    if len(documents) > 1 or any(d.problems for d in documents):
        raise yaml.YAMLError(documents[0].problems[0].message if documents[0].problems else "several documents")
    return documents[0].value if documents else None


class _Builder:
    """Turns nodes into values, and records lines and problems in `document`."""

    def __init__(self, document: YamlDocument) -> None:
        self.document = document
        self.scalars = yaml.constructor.SafeConstructor()
        self.values = 0

    def build(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self.values += 1
        if self.values > MAX_VALUES or depth > MAX_DEPTH:
            raise yaml.YAMLError(f"more than {MAX_VALUES} values or {MAX_DEPTH} nested levels")
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in (_MAP, _SEQ):
            raise yaml.MarkedYAMLError(problem=f"the tag {node.tag} is not supported", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(entry, (*path, index), depth + 1) for index, entry in enumerate(node.value)]
        return self.scalars.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged |= self._merge(value_node, path, depth)
                continue
            key = self._key(key_node, path)
            here = (*path, key)
            self.document.lines[here] = key_node.start_mark.line + 1
            if key in own:
                self.document.problems.append(Problem(here, f"duplicate key `{key}`"))
            own[key] = self.build(value_node, here, depth + 1)
        return merged | own

    def _key(self, node: yaml.Node, path: Path) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="keys must be strings", problem_mark=node.start_mark)
        if not isinstance(self.scalars.construct_object(node), str):
            self.document.problems.append(Problem((*path, node.value), "keys must be strings", f'quote it: "{node.value}"'))
        return str(node.value)

    def _merge(self, node: yaml.Node, path: Path, depth: int) -> dict[str, Any]:
        """The keys merged by `<<: *anchor` or `<<: [*a, *b]`; earlier ones take precedence."""
        keys: dict[str, Any] = {}
        for block in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(block, yaml.MappingNode):
                raise yaml.MarkedYAMLError(
                    problem="`<<` requires a mapping or a list of mappings", problem_mark=node.start_mark
                )
            keys = self._mapping(block, path, depth + 1) | keys
        return keys
