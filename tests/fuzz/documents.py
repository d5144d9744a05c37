"""Random JSON lines, good and bad, and damage of bytes."""

import json
import random
from typing import Any

from tests.fuzz.tables import DOUBLES, INTEGERS, NAMES, TEXTS

NUMBERS = (
    *(str(number) for number in INTEGERS),
    *(repr(number) for number in DOUBLES if number == number and abs(number) != float("inf")),
    "18446744073709551615",
    "18446744073709551616",
    "-0",
    "1.10",
    "1e400",
    "1e-400",
    "0.1234567890123456789",
    "1E5",
    "12345678901234567.0",
)
ODD_LINES = (
    "null",
    "[]",
    "1",
    "true",
    '"x"',
    "{",
    "}",
    '{"id":}',
    '{"id":1} null',
    '{"a":NaN}',
    "\\ud800",
    "[" * 1000,
    "nul",
    '{"id":1,}',
    "\x00",
    '{"v":' + "[" * 300 + "]" * 300 + "}",
    '{"v":' + '{"a":' * 40 + "1" + "}" * 41,
    "{'a':1}",
    '{"a":1}{"a":2}',
    '{"a":01}',
)


def value(rng: random.Random, depth: int = 0) -> str:
    """The text of a JSON value."""
    form = rng.random()
    if depth < 3 and form < 0.12:
        members = [f"{key(rng)}:{value(rng, depth + 1)}" for _ in range(rng.randint(0, 3))]
        return "{" + ",".join(members) + "}"
    if depth < 3 and form < 0.24:
        return "[" + ", ".join(value(rng, depth + 1) for _ in range(rng.randint(0, 3))) + "]"
    if form < 0.5:
        return rng.choice(NUMBERS)
    if form < 0.55:
        return rng.choice(['"\\ud83d"', '"\\ude00x"', '"\\ud83d\\ude00"', '"\\\\ud83d"'])
    if form < 0.85:
        return json.dumps("".join(rng.choices(TEXTS, k=rng.randint(0, 3))), ensure_ascii=rng.random() < 0.5)
    return rng.choice(["null", "true", "false"])


def key(rng: random.Random) -> str:
    """The text of a name."""
    return json.dumps(rng.choice(NAMES[1:]), ensure_ascii=rng.random() < 0.5)


def lines(rng: random.Random) -> list[str]:
    """Lines with a number of their own as `id` where they are objects: mostly of the same shape, some of any."""
    columns = [(key(rng), rng.choice(["integer", "number", "text", "object", "any"])) for _ in range(rng.randint(1, 4))]
    shape = json.dumps(rng.sample(NAMES[1:], 2))
    found = []
    for number in range(rng.choice([1, 5, 60])):
        if rng.random() < 0.03:
            found.append(rng.choice(ODD_LINES))
            continue
        members = [f'"id": {number}']
        for name, form in columns:
            members.append(f"{name}: {_of_form(rng, form, shape)}")
        rng.shuffle(members)
        found.append("{" + ",".join(members) + "}")
    return found


FORMS = ("integer", "number", "text", "object", "any")


def of_form(rng: random.Random, form: str, names: list[str]) -> str:
    """The text of a value of one of FORMS; `names` are the keys of an object."""
    return _of_form(rng, form, json.dumps(names))


def trees(rng: random.Random) -> tuple[list[str], list[str]]:
    """Lines with an `id` and columns of nested objects and lists, of which few have other keys or types; the names as well."""
    names = rng.sample(("a", "b", "id2", "key"), rng.randint(1, 3))
    shapes = {name: _shape(rng, 0) for name in names}
    odd = rng.choice([0.0, 0.0, 0.01, 0.1])
    found = []
    for number in range(rng.choice([5, 60, 200])):
        row = {"id": number, **{name: _of_shape(rng, shape, odd) for name, shape in shapes.items() if rng.random() > odd}}
        found.append(json.dumps(row, ensure_ascii=False, separators=rng.choice([(",", ":"), (", ", ": ")])))
    return found, ["id", *names]


def _shape(rng: random.Random, depth: int) -> Any:
    form = rng.random()
    if depth < 3 and form < 0.45:
        return {name: _shape(rng, depth + 1) for name in rng.sample(("a", "b", "id", "key", "größe"), rng.randint(1, 3))}
    if depth < 3 and form < 0.65:
        return [_shape(rng, depth + 1)]
    return rng.choice(["integer", "text", "number"])


def _of_shape(rng: random.Random, shape: Any, odd: float) -> Any:
    if rng.random() < odd:
        return rng.choice([None, 1, "x", [], {}, {"a": None}, 2**60 + 1, 0.5])
    if isinstance(shape, dict):
        return {name: _of_shape(rng, inner, odd) for name, inner in shape.items() if rng.random() >= odd}
    if isinstance(shape, list):
        return [_of_shape(rng, shape[0], odd) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.1:
        return None
    return {"integer": rng.randint(-5, 5), "text": rng.choice(TEXTS), "number": rng.random()}[shape]


def _of_form(rng: random.Random, form: str, shape: str) -> str:
    if form == "any" or rng.random() < 0.02:
        return value(rng)
    if rng.random() < 0.1:
        return "null"
    if form == "integer":
        return str(rng.choice([1, 2, rng.randint(-(10**6), 10**6), *(INTEGERS if rng.random() < 0.1 else ())]))
    if form == "number":
        return rng.choice(["1", "2.5", repr(rng.random())])
    if form == "text":
        return json.dumps("".join(rng.choices(TEXTS, k=2)), ensure_ascii=rng.random() < 0.5)
    names: list[Any] = json.loads(shape)
    return json.dumps({name: rng.choice([1, None, 2]) for name in names})


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Bytes with a few of them changed, lost, repeated or put in."""
    for _ in range(rng.choice([1, 1, 3, 10])):
        at = rng.randint(0, len(data))
        match rng.randrange(5):
            case 0:
                data = data[:at] + rng.randbytes(1) + data[at + 1 :]
            case 1:
                data = data[:at] + data[at + rng.choice([1, 8, 100]) :]
            case 2:
                data = data[:at] + data[max(0, at - 20) : at] + data[at:]
            case 3:
                data = data[:at] + rng.choice([b"\n", b'"', b"null", b"\xff", b"\0", b"{", b"]", b"\\ud800", b"\r"]) + data[at:]
            case _:
                data = data[: max(1, at)] if rng.random() < 0.3 else data
    return data
