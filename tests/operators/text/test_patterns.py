"""What is found as e-mail, URL, IP address, phone, card or identity number, and what is not."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.text._patterns import CARD, EMAIL, IBAN, IP, NATIONAL_ID, PATTERNS, PHONE, URL
from datajob.operators.text._spans import spans_of
from tests.support.texts import batch_of, texts

EXAMPLES = [
    (EMAIL, "write to john.doe+x@mail.example.com, please", ["john.doe+x@mail.example.com"]),
    (EMAIL, "写信给jane@a.co.uk。", ["jane@a.co.uk"]),
    (EMAIL, "(o'neil@b.org) 13812345678@qq.com", ["o'neil@b.org", "13812345678@qq.com"]),
    (EMAIL, "a@b @home user@localhost @ 5@", []),
    (EMAIL, "anna.müller@example.de or josé.garcía@ejemplo.es", ["anna.müller@example.de", "josé.garcía@ejemplo.es"]),
    (
        EMAIL,
        "user@münchen.de пользователь@пример.рф 用户@例子.广告",
        ["user@münchen.de", "пользователь@пример.рф", "用户@例子.广告"],
    ),
    (
        EMAIL,
        "x@xn--e1afmkfd.xn--p1ai jane@a.com谢谢 jane@例子.广告",
        ["x@xn--e1afmkfd.xn--p1ai", "jane@a.com", "jane@例子.广告"],
    ),
    (EMAIL, "a..b@c.com", ["a..b@c.com"]),
    (URL, "http://例子.广告/path http://пример.рф/путь", ["http://例子.广告/path", "http://пример.рф/путь"]),
    (URL, "see https://example.com/a?b=c, or http://x.org.", ["https://example.com/a?b=c", "http://x.org"]),
    (URL, "见https://example.com/页面 WWW.Foo.com/Bär!", ["https://example.com/", "WWW.Foo.com/Bär"]),
    (URL, "http:// :// www. www.", []),
    (IP, "8.8.8.8, then 2001:4860:4860::8888.", ["8.8.8.8", "2001:4860:4860::8888"]),
    (IP, "10.0.0.1 127.0.0.1 192.168.1.1 256.1.1.1 1.2.3.4.5 fe80::1 12:30:45 ::1", []),
    (IP, "client ::ffff:93.184.216.34 on 64:ff9b::8.8.8.8", ["::ffff:93.184.216.34", "64:ff9b::8.8.8.8"]),
    (IP, "::ffff:10.0.0.1 a::f(); x = c::e(d); ab::cd std::cafe::f 2600::beef() 2001:db8::1 fc00::1", []),
    (
        IBAN,
        "DE89 3704 0044 0532 0130 00 USD, GB82WEST12345698765432.",
        ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"],
    ),
    (IBAN, "FR14 2004 1010 0505 0001 3M02 606", ["FR14 2004 1010 0505 0001 3M02 606"]),
    (IBAN, "NL91 ABNA 0417 1643 00 GB82 WEST 1234 5698 7654 32", ["NL91 ABNA 0417 1643 00", "GB82 WEST 1234 5698 7654 32"]),
    (IBAN, "DE89 3704 0044 0532 0130 01 DE893704004405320130001 XDE89370400440532013000", []),
    (CARD, "4111 1111 1111 1111 or 378282246310005", ["4111 1111 1111 1111", "378282246310005"]),
    (CARD, "4111111111111112 1234567812345670 41111111111111111111", []),
    (NATIONAL_ID, "身份证11010519491231002X。ssn 123-45-6789", ["11010519491231002X", "123-45-6789"]),
    (NATIONAL_ID, "DNI 12345678Z", ["12345678Z"]),
    (NATIONAL_ID, "X1234567L Y-1234567-X 12345678-Z", ["X1234567L", "Y-1234567-X", "12345678-Z"]),
    (NATIONAL_ID, "X1234567A XX1234567L", []),
    (NATIONAL_ID, "110105194912310021 000-45-6789 12345678A 1123-45-67890", []),
    (PHONE, "+49 (0)30 123456-78, (415) 555-2671", ["+49 (0)30 123456-78", "(415) 555-2671"]),
    (PHONE, "电话13812345678号 138 1234 5678", ["13812345678", "138 1234 5678"]),
    (PHONE, "8 (495) 123-45-67, 8-495-123-45-67", ["8 (495) 123-45-67", "8-495-123-45-67"]),
    (PHONE, "0086-138-1234-5678 or 008613812345678", ["0086-138-1234-5678", "008613812345678"]),
    (PHONE, "84951234567 001234567890", []),
    (PHONE, "030/1234567 and 555.123.4567", ["030/1234567", "555.123.4567"]),
    (PHONE, "2024-01-15 10:20 1234567890 100,000,000 3.14159265 v1.2.3", []),
]


@pytest.mark.parametrize(("pattern", "text", "wanted"), EXAMPLES, ids=lambda v: getattr(v, "name", None))
def test_examples(pattern, text, wanted):
    spans = spans_of(batch_of("before", text, "after"), "text", (pattern,))
    assert list(spans.matches) == wanted
    assert spans.rows.tolist() == [0, 0, len(wanted), len(wanted)]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.one_of(texts, st.sampled_from([text for _, text, _ in EXAMPLES])), max_size=5), st.sampled_from(list(PATTERNS))
)
def test_the_scan_hides_nothing_from_the_patterns(rows, kind):
    pattern = PATTERNS[kind]
    spans = spans_of(batch_of(*rows, kind=pa.string()), "text", (pattern,))
    wanted = [m.group() for text in rows for m in pattern.regex.finditer(text) if pattern.valid(m.group())]
    assert list(spans.matches) == wanted
