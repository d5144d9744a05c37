"""Helpers for tests of the quality rules."""

import numpy as np

from datajob.operators.base import Batch, Filter
from tests.support.texts import batch_of, decide, reasons

PROSE = "The house that we have with us stands near the river and the trees. It is old, and people like to sit there.\n"


def check_empty_texts(rule: Filter, *, rejects_blank: bool = True) -> None:
    """Null is an empty text, and is rejected; so is whitespace, unless the rule allows it."""
    null, empty, blank = decide(rule, None, "", " \u3000\n\u2028 ")
    assert null == empty != ""
    assert bool(blank) or not rejects_blank


def check_dead_rows(rule: Filter) -> None:
    """Rows that earlier filters rejected do not change the verdict of the others."""
    rows = [PROSE * 3, "x", PROSE * 40, PROSE * 3]
    all_rows = rule.keep(batch_of(*rows))
    some = rule.keep(Batch(batch_of(*rows).table, alive=np.array([True, True, False, True])))
    assert [reasons(all_rows)[i] for i in (0, 1, 3)] == [reasons(some)[i] for i in (0, 1, 3)]
