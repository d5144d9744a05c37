"""fasttextClassifier keeps rows by the probability of a label."""

import pytest

from datajob.errors import InputError
from datajob.operators.text.fasttext_classifier import FasttextClassifier
from tests.support.texts import batch_of, decide, reasons

ENGLISH = "The committee will meet again tomorrow morning in order to discuss all the remaining questions."
CHINESE = "委员会明天早上将再次开会，讨论所有剩下的问题。"


def test_a_classifier_keeps_by_the_probability_of_its_label(lid_path):
    rule = FasttextClassifier(model=lid_path, label="en", min=0.5, output="p")
    verdict = rule.keep(batch_of(ENGLISH, CHINESE, None))
    assert reasons(verdict) == ["", "probability_too_low", "probability_too_low"]
    assert verdict.columns["p"].to_pylist()[2] == 0.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"label": "nope"}, r"has no label `nope`; it has"), ({"model": "/nowhere.bin"}, "cannot be read as a fastText model")],
)
def test_a_wrong_model_or_label_is_a_clear_error(lid_path, parameters, message):
    with pytest.raises(InputError, match=message):
        decide(FasttextClassifier(**{"model": lid_path, "label": "en", **parameters}), "text")


def test_both_limits_are_limits_of_the_probability(lid_path):
    rule = FasttextClassifier(model=lid_path, label="en", min=0.5)
    assert [(b.parameter, b.measure, b.limit, b.is_minimum) for b in rule.bounds()] == [
        ("min", "probability", 0.5, True),
        ("max", "probability", 1.0, False),
    ]
    measured = rule.measures(batch_of(ENGLISH, None))["probability"]
    assert measured[0] > 0.5
    assert measured[1] == 0
