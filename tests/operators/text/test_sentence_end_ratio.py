"""sentenceEndRatio measures sentences that end in an end mark."""

from unicodedata import category

import pytest

from datajob.operators.kernels.unicode import TERMINALS
from datajob.operators.text.sentence_end_ratio import SentenceEndRatio
from datajob.operators.text.sentence_split import SentenceSplit
from tests.support.measures import check_measure, share
from tests.support.texts import batch_of, decide


def marked_sentences(text: str) -> float:
    def without_closings(part: str) -> str:
        while (
            part
            and part[-1] not in TERMINALS
            and (part[-1] in "\"'”’»" or part[-1].isspace() or category(part[-1]) in ("Ps", "Pe"))
        ):
            part = part[:-1]
        return part

    sentences = SentenceSplit().apply(batch_of(text)).column("sentences")[0].as_py()
    parts = [left for part in sentences if (left := without_closings(part))]
    return share(sum(part.endswith(tuple(TERMINALS)) for part in parts), len(parts))


def test_the_measure_is_that_of_plain_python():
    check_measure(SentenceEndRatio(), marked_sentences)


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (SentenceEndRatio(), "Menu\nHome\nAbout\nContact\nNews\nShop\nCart\nHelp. ", "sentence_end_ratio_too_low"),
        (SentenceEndRatio(min=1), 'He said “yes.”\n(It was so.)\n"真的吗？」', ""),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
