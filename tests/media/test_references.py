"""References: paths with `#bytes=` and `#t=`, and names that contain `#` and `%`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob.media.errors import MediaError
from datajob.media.references import Reference, literal, parse_reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b.jpg", Reference("a/b.jpg")),
        ("a.tar#bytes=1536,2048", Reference("a.tar", (1536, 2048))),
        ("a.mp4#t=1.5,4", Reference("a.mp4", None, (1.5, 4.0))),
        ("a.mp4#t=10", Reference("a.mp4", None, (10.0, None))),
        ("a.mp4#t=,10", Reference("a.mp4", None, (0.0, 10.0))),
        ("a.mp4#t=npt:0:01:05.5,1:02:00", Reference("a.mp4", None, (65.5, 3720.0))),
        ("a.mp4#t=01:05,01:06", Reference("a.mp4", None, (65.0, 66.0))),
        ("a.tar#bytes=0,10&t=2,3", Reference("a.tar", (0, 10), (2.0, 3.0))),
        ("a.tar#t=2,3&bytes=0,10", Reference("a.tar", (0, 10), (2.0, 3.0))),
        ("s3://b/k.tar#bytes=0,10", Reference("s3://b/k.tar", (0, 10))),
        ("s3://b/a%23b%25.tar#bytes=0,10", Reference("s3://b/a#b%.tar", (0, 10))),
        ("https://x.y/a%20b%23?q=1#t=1,2", Reference("https://x.y/a%20b%23?q=1", None, (1.0, 2.0))),
        # without a part, a path is literal
        ("a#1.jpg", Reference("a#1.jpg")),
        ("100%25.jpg", Reference("100%25.jpg")),
        ("a%23.jpg", Reference("a%23.jpg")),
        ("a#xywh=1,2,3,4", Reference("a#xywh=1,2,3,4")),
        ("", Reference("")),
        ("#", Reference("#")),
    ],
)
def test_a_reference_is_parsed(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected


BAD_RANGES = ["1", "-1,2", "1,2,3", "x,y", "0,1&bytes=0,1", "999999999999999999999,1", "\u0661,2"]
BAD_TIMES = ["", "2,1", "1,1", "a", ",", "5,", "-1,2", "nan", "1e9"]


@pytest.mark.parametrize("text", [*(f"a#bytes={part}" for part in BAD_RANGES), *(f"a#t={part}" for part in BAD_TIMES)])
def test_a_part_that_cannot_be_read_is_an_error_with_a_reason(text: str) -> None:
    with pytest.raises(MediaError) as error:
        parse_reference(text)
    assert error.value.reason == "badReference"


SECONDS = st.integers(0, 10**9).map(lambda ms: ms / 1000)
SPANS = st.one_of(
    st.none(),
    st.tuples(SECONDS, st.none()),
    st.tuples(SECONDS, SECONDS).filter(lambda span: span[0] < span[1]),
)


@given(
    path=st.text(st.sampled_from("ab/#%23=&,t:bytes. \u00e9"), min_size=1),
    part=st.one_of(st.none(), st.tuples(st.integers(0, 1 << 50), st.integers(0, 1 << 40))),
    span=SPANS,
)
def test_every_reference_survives_its_text(
    path: str, part: tuple[int, int] | None, span: tuple[float, float | None] | None
) -> None:
    reference = Reference(path, part, span)
    if part is None and span is None:
        reference = parse_reference(literal(path, 7))
        assert reference == Reference(path, reference.byte_range) and reference.byte_range in (None, (0, 7))
    assert parse_reference(str(reference)) == reference
