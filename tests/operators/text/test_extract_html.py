"""extractHtml: pages in any encoding."""

from typing import Any

import pyarrow as pa
import pytest
import trafilatura
from pydantic import ValidationError

from datajob.operators.base import Batch
from datajob.operators.strings.charset import codec_of, decode_page
from datajob.operators.text.extract_html import ExtractHtml
from tests.support.local_jobs import make_job, read_manifest, run

TEXTS = {
    "zh": "港口因为风暴关闭了三天，渡轮在外面等待。这是一个足够长的段落，提取器应该保留它，谢谢。",
    "tw": "港口因為風暴關閉了三天，渡輪在外面等待。這是一個足夠長的段落，擷取器應該保留它，謝謝。",
    "fr": "Le port a été fermé pendant trois jours à cause de la tempête, été comme hiver. C'est un paragraphe assez long.",
    "en": "The harbour was closed for three days because of the storm – “ferries waited outside”, they’re told, for €5 each.",
    "ru": "Порт был закрыт на три дня из-за шторма, и паромы ждали снаружи. Это достаточно длинный абзац.",
    "ja": "港は嵐のために三日間閉鎖され、フェリーは外で待っていました。これは十分に長い段落です。",
    "ko": "항구는 폭풍 때문에 사흘 동안 폐쇄되었고 여객선은 밖에서 기다렸습니다. 이것은 충분히 긴 단락입니다.",
    "pl": "Port został zamknięty na trzy dni z powodu burzy, a promy czekały na zewnątrz. To wystarczająco długi akapit.",
    "el": "Το λιμάνι έκλεισε για τρεις ημέρες λόγω της καταιγίδας και τα πλοία περίμεναν έξω από αυτό.",
    "th": "ท่าเรือปิดสามวันเพราะพายุและเรือข้ามฟากรออยู่ข้างนอก",
}
ENCODINGS = [
    ("zh", "gb2312"), ("zh", "gbk"), ("zh", "gb18030"), ("tw", "big5"), ("fr", "iso-8859-1"), ("en", "windows-1252"),
    ("ru", "windows-1251"), ("ru", "koi8-r"), ("ja", "shift_jis"), ("ja", "euc-jp"), ("ja", "iso-2022-jp"), ("ko", "euc-kr"),
    ("pl", "iso-8859-2"), ("pl", "windows-1250"), ("el", "iso-8859-7"), ("th", "tis-620"), ("zh", "utf-8"), ("fr", "utf-8"),
]  # fmt: skip

PAGE = """<html><head><title>t</title></head><body><nav><a href="/">Home</a> <a href="/x">Menu</a></nav><article><h1>Bees</h1>
<p>Bees are flying insects closely related to wasps and ants, known for their roles in pollination.</p>
<p>They live in colonies, and a colony has a queen, drones and a great many workers.</p></article>
<footer>All rights reserved</footer></body></html>"""


def page(language: str, head: str = "") -> str:
    return f"<html><head>{head}</head><body><article>{f'<p>{TEXTS[language]}</p>' * 3}</article></body></html>"


def extracted(*pages: bytes | str | None, headers: list[str | None] | None = None, **parameters: Any) -> list[str | None]:
    table = pa.table({"html": list(pages), **({"header": headers} if headers else {})})
    step = ExtractHtml.model_validate({**({"contentType": "header"} if headers else {}), **parameters})
    found: list[str | None] = step.apply(Batch(table)).column("text").to_pylist()
    return found


HEADS = ['<meta charset="{}">', "<META http-equiv='Content-Type' content='text/html; charset={}'>"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("language", "encoding"), ENCODINGS)
def test_a_page_is_decoded_by_the_charset_that_it_declares(language: str, encoding: str, head: str) -> None:
    text = page(language, head.format(encoding))
    found = extracted(text.encode(encoding))
    assert found == extracted(text)
    assert found[0] is not None and TEXTS[language] in found[0]


@pytest.mark.parametrize("engine", ["trafilatura", "resiliparse"])
@pytest.mark.parametrize(("language", "encoding"), ENCODINGS)
def test_a_page_that_declares_nothing_is_decoded_by_what_its_bytes_look_like(language: str, encoding: str, engine: str) -> None:
    found = extracted(page(language).encode(encoding), engine=engine)
    assert found[0] is not None and TEXTS[language] in found[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("language", ["zh", "fr", "ru"])
def test_a_byte_order_mark_or_every_second_byte_determines_the_encoding(language: str, encoding: str) -> None:
    found = extracted(page(language, '<meta charset="iso-8859-1">').encode(encoding))
    assert found[0] is not None and TEXTS[language] in found[0]


@pytest.mark.parametrize(("language", "encoding"), [e for e in ENCODINGS if e[1] not in ("iso-2022-jp", "utf-8")])
def test_the_text_is_that_of_trafilatura_on_the_same_bytes(language: str, encoding: str) -> None:
    content = page(language, f'<meta charset="{encoding}">').encode(encoding)
    assert extracted(content, favor="balance", tables=True) == [trafilatura.extract(content, include_comments=False)]


def test_the_response_header_takes_precedence_over_the_page() -> None:
    russian = page("ru", '<meta charset="iso-8859-1">').encode("koi8-r")
    found = extracted(russian, russian, None, headers=["text/html; charset=KOI8-R", "text/html", None])
    assert [TEXTS["ru"] in (text or "") for text in found] == [True, False, False]


def test_a_given_encoding_takes_precedence() -> None:
    found = extracted(page("ru", '<meta charset="utf-8">').encode("koi8-r"), encoding="koi8-r")
    assert found[0] is not None and TEXTS["ru"] in found[0]


def test_an_xml_declaration_counts_and_a_comment_does_not() -> None:
    text = '<?xml version="1.0" encoding="windows-1251"?><!-- <meta charset="koi8-r"> -->' + page("ru")
    found = extracted(text.encode("windows-1251"))
    assert found[0] is not None and TEXTS["ru"] in found[0]


@pytest.mark.parametrize("label", ["iso-8859-1", "windows-1251", "gb2312", "shift_jis", "utf-16", "nonsense"])
def test_a_page_in_utf_8_that_declares_something_else_is_utf_8(label: str) -> None:
    found = extracted(page("fr", f'<meta charset="{label}">').encode(), page("zh", f'<meta charset="{label}">').encode())
    assert [TEXTS[language] in (text or "") for language, text in zip(("fr", "zh"), found, strict=True)] == [True, True]


def test_labels_have_the_same_meaning_as_in_browsers() -> None:
    assert decode_page('<meta charset="iso-8859-1">“5 €”'.encode("cp1252")).endswith("“5 €”")
    assert decode_page('<meta charset="gb2312">镕€'.encode("gb18030")).endswith("镕€")
    assert decode_page(b'<meta charset="iso-8859-1">a\x81b\xe9').endswith("a\x81bé")
    assert [codec_of(label) for label in ("Shift_JIS", "ks_c_5601-1987", "x-sjis", "unicode-escape", "idna", "hex")] == [
        "cp932", "cp949", "cp932", None, None, None,
    ]  # fmt: skip


BROKEN = b'<html><head><meta charset="utf-8"></head><body><p>caf\x00\xff\xfe \x80\x81</p></body></html>'


def test_bytes_in_no_encoding_fail_with_a_reason_or_are_replaced() -> None:
    with pytest.raises(ValueError, match="the page is not valid"):
        extracted(page("ru").encode("koi8-r"), encoding="utf-8")
    with pytest.raises(ValueError, match="the page is binary"):
        extracted(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)))
    (replaced,) = extracted(page("ru").encode("koi8-r"), encoding="utf-8", undecodable="replace")
    assert replaced is not None and "\ufffd" in replaced


def test_an_unknown_encoding_is_rejected() -> None:
    with pytest.raises(ValidationError, match="`latin-99` is not an encoding"):
        ExtractHtml(encoding="latin-99")


def test_empty_null_and_dictionary_pages_are_taken() -> None:
    assert extracted(b"", None, b"  ") == ["", None, ""]
    table = pa.table({"html": pa.array([page("fr").encode("latin-1")]).dictionary_encode()})
    assert TEXTS["fr"] in ExtractHtml().apply(Batch(table)).column("text")[0].as_py()


def test_one_page_that_cannot_be_decoded_fails_alone(tmp_path: Any) -> None:
    (tmp_path / "in").mkdir()
    for name, content in (("a", page("zh").encode("gb18030")), ("b", b"\0\xff\xfe\x80"), ("c", page("fr").encode("latin-1"))):
        (tmp_path / "in" / f"{name}.html").write_bytes(content)
    steps = [{"extractHtml": {"column": "bytes"}}, {"select": {"columns": ["path", "text"]}}]
    spec = {"sources": [{"binaryFiles": {"paths": [str(tmp_path / "in")]}}], "errors": {"policy": "drop"}}
    progress = run(make_job(tmp_path, tmp_path / "out", steps, **spec)).progress
    assert (progress.rows_in, progress.rows_out, progress.rows_rejected, progress.rows_failed) == (3, 2, 0, 1)
    assert [TEXTS["zh"] in row["text"] or TEXTS["fr"] in row["text"] for row in read_manifest(tmp_path / "out")] == [True, True]


@pytest.mark.parametrize("engine", ["trafilatura", "resiliparse"])
def test_the_main_text_of_a_page_is_extracted(engine: str) -> None:
    pages = pa.table({"html": pa.array([PAGE.encode(), None, b""], pa.binary())})
    texts = ExtractHtml(engine=engine).apply(Batch(pages)).column("text").to_pylist()
    assert "Bees are flying insects" in texts[0]
    assert "Menu" not in texts[0]
    assert texts[1:3] == [None, ""]
