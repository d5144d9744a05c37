"""Models in which exactly one key is set."""

import pytest
from pydantic import Field, ValidationError

from datajob.one_of import choice
from datajob.parameters import Parameters


class Left(Parameters):
    """Goes left."""

    how_far: int = Field(default=1, description="Steps.")


class Right(Parameters):
    """Goes right."""


Turn = choice("Turn", "direction", {"left": Left, "right": Right, "json": Right}, "Where to go.")


def test_the_key_that_is_set_is_the_choice() -> None:
    turn = Turn.model_validate({"left": {"howFar": 3}})
    assert (turn.key, turn.chosen) == ("left", Left(how_far=3))


def test_only_the_choice_is_written() -> None:
    turn = Turn.model_validate({"left": {"howFar": 3}})
    assert turn.model_dump() == {"left": {"howFar": 3}}
    assert Turn.model_validate(turn.model_dump(mode="json")) == turn


def test_a_key_can_have_the_name_of_a_method() -> None:
    assert Turn.model_validate({"json": {}}).key == "json"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "needs exactly one direction key, found none"),
        ({"left": {}, "right": {}}, "needs exactly one direction key, found 2: left, right"),
        ({"left": None}, "`left` has no value; write `left: {}` to use the defaults"),
        ({"up": {}}, "Extra inputs are not permitted"),
        ({"left": {"howFar": "3"}}, "Input should be a valid integer"),
        ({"left": {"far": 3}}, "left.far"),
    ],
)
def test_anything_but_one_known_key_is_rejected(value: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Turn.model_validate(value)
    assert said in str(refused.value)


def test_the_schema_has_the_parameters_of_every_key_and_no_null() -> None:
    schema = Turn.model_json_schema()
    assert schema["x-exactly-one"] == "direction" and list(schema["properties"]) == ["left", "right", "json"]
    assert schema["properties"]["left"]["properties"]["howFar"]["description"] == "Steps."
    assert "anyOf" not in schema["properties"]["right"]
