"""piiRedact redacts what the patterns find."""

import pyarrow as pa
import pytest

from datajob.operators.text.pii_redact import PiiRedact
from tests.support.texts import batch_of


def redacted(text, **parameters):
    return PiiRedact(**parameters).apply(batch_of(text, None)).column("text").to_pylist()[0]


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        ({}, "é <EMAIL> at <IP> or <PHONE>"),
        ({"replacement": "[x]"}, "é [x] at [x] or [x]"),
        ({"mode": "mask"}, "é *@*.** at *.*.*.* or ***********"),
        ({"kinds": ("email",)}, "é <EMAIL> at 8.8.8.8 or 13812345678"),
    ],
)
def test_modes_of_redaction(parameters, wanted):
    assert redacted("é a@b.io at 8.8.8.8 or 13812345678", **parameters) == wanted


def test_a_match_is_a_whole_token_and_code_is_left_alone():
    assert (
        redacted("Mail anna.müller@example.de, client ::ffff:93.184.216.34 connected") == "Mail <EMAIL>, client <IP> connected"
    )
    assert redacted("int main(){ a::f(); x = c::e(d); }") == "int main(){ a::f(); x = c::e(d); }"
    assert redacted("pay DE89 3704 0044 0532 0130 00 or call 8 (495) 123-45-67") == "pay <IBAN> or call <PHONE>"


def test_hashes_are_stable_and_keyed():
    one, two = redacted("a@b.io", mode="hash"), redacted("a@b.io", mode="hash", hash_key="secret")
    assert one == redacted("a@b.io", mode="hash") != two
    assert one.startswith("<EMAIL:")


def test_redactions_are_counted_and_types_kept():
    table = PiiRedact(output="found").apply(batch_of("a@b.io c@d.io", None, "", kind=pa.large_string()))
    assert table.to_pylist() == [{"text": "<EMAIL> <EMAIL>", "found": 2}, {"text": None, "found": 0}, {"text": "", "found": 0}]
    assert table.schema.field("text").type == pa.large_string()
