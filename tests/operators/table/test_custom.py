"""custom runs the operator class of a user."""

import pytest

from datajob.errors import InvalidJob
from datajob.operators.base import Batch, Filter
from datajob.operators.table.custom import Custom
from tests.support.functions import HERE, ROWS


def test_a_changed_user_operator_changes_its_identity(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "from datajob.operators.base import Map\nclass Same(Map):\n    def apply(self, batch): return batch.table\n"
    (tmp_path / "job_operators.py").write_text(source)
    operator = Custom(operator="job_operators:Same").resolved()
    before = operator.identity()
    (tmp_path / "job_operators.py").write_text(f"{source}# changed\n")
    assert before[:2] == ["same", {}]
    assert operator.identity() != before


def test_a_users_operator_takes_the_place_of_custom():
    step = Custom(operator=f"{HERE}:LongerThan", params={"column": "text", "characters": 2})
    operator = step.resolved()
    assert isinstance(operator, Filter)
    assert [code == 0 for code in operator.keep(Batch(ROWS)).codes] == [True, False, False]
    assert step.inputs() == ("text",)
    assert step.outputs(("id", "text")) == ("id", "text")


@pytest.mark.parametrize(
    ("operator", "params", "message"),
    [
        (f"{HERE}:LongThan", {}, "did you mean `LongerThan`"),
        (f"{HERE}:words", {}, "is not an operator"),
        (f"{HERE}:Counter", {}, "is not an operator"),
        ("datajob.operators.base:Filter", {}, "is not an operator"),
        (f"{HERE}:LongerThan", {}, "`column`: Field required"),
        (f"{HERE}:LongerThan", {"column": "text", "charactres": 3}, "`charactres`: Extra inputs"),
    ],
)
def test_an_invalid_custom_operator_is_an_error_of_the_job(operator, params, message):
    step = Custom(operator=operator, params=params)
    with pytest.raises(InvalidJob, match=message):
        step.resolved()
    assert step.inputs() == ()
    assert step.outputs(("a",)) is None
