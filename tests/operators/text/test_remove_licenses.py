"""removeLicenses removes license headers."""

import pytest
from hypothesis import strategies as st

from datajob.operators.text.remove_licenses import RemoveLicenses
from tests.support.texts import changed, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("operator", "text", "wanted"),
    [
        (RemoveLicenses(), "#!/bin/sh\n# Copyright 2020 A\n# Licensed under MIT\n\necho hi\n", "echo hi\n"),
        (RemoveLicenses(), "/* (c) 2019 B\n */\n// Copyright too\nint x; /* Copyright */", "int x; /* Copyright */"),
        (RemoveLicenses(), "# what this does\nx = 1  # copyright", "# what this does\nx = 1  # copyright"),
    ],
)
def test_examples(operator, text, wanted):
    assert changed(operator, text, "", "plain and simple words.") == [wanted, "", "plain and simple words."]
