"""The corpus is read from real formats, split at headings and sampled reproducibly. No network access."""

import gzip
import json
import struct
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from benchmarks.corpus import build, demo
from benchmarks.corpus.__main__ import size_in_bytes
from benchmarks.corpus.documents import Document, documents_of, language_of, split
from benchmarks.corpus.fetch import CorpusError, available
from benchmarks.corpus.readers import HEADING, mark_headings, read_catalog, read_html, read_man, read_text, tidy

SHIPPED = Path(__file__).parents[2] / "manifests" / "samples" / "data"


def test_html_becomes_paragraphs_without_scripts_and_navigation() -> None:
    page = """<html><head><title>T</title></head><body><nav>Menu</nav><script>var x = 1;</script>
      <h1>Title</h1><p>One &amp; <b>two</b>\n lines.</p><ul><li>first<li>second</ul><pre>a\n  b</pre></body></html>"""
    assert tidy(read_html(page)) == "Title\n\nOne & two lines.\n\nfirst\nsecond\n\na\n  b"


def test_a_page_that_never_closes_its_head_keeps_its_body() -> None:
    assert tidy(read_html("<html><head><title>T</title><body><p>Text")) == "Text"


def test_wrapped_chinese_lines_are_joined_without_a_space() -> None:
    assert tidy(read_html("<p>数据\n  清洗</p>")) == "数据清洗"


def test_a_man_page_loses_its_macros_and_escapes() -> None:
    page = '.\\" a comment\n.TH CAT 1\n.SH NAME\ncat \\- join files\n.PP\nUse \\fBcat\\fR\nwith\n.B care\n'
    assert tidy(read_man(page)) == "NAME\ncat - join files\n\nUse cat with care"


def test_a_message_catalog_gives_its_translations() -> None:
    messages = [b"header", b"Bonjour", b"Monde"]
    strings, table = b"", b""
    for message in messages:
        table += struct.pack("<2I", len(message), 28 + 8 * len(messages) + len(strings))
        strings += message
    data = struct.pack("<7I", 0x950412DE, 0, len(messages), 28, 28, 0, 0) + table + strings
    assert read_catalog(data) == "Bonjour\nMonde"


def test_a_malformed_file_is_not_a_document(tmp_path: Path) -> None:
    (tmp_path / "notes.txt.gz").write_bytes(b"not gzip")
    (tmp_path / "bad.page").write_bytes(b"<page><p>never closed")
    (tmp_path / "picture.png").write_bytes(b"png")
    assert [read_text(path) for path in sorted(tmp_path.iterdir())] == [None, None, None]


def test_a_short_text_is_not_split_and_its_marks_are_removed() -> None:
    assert split(f"{HEADING}A\n\ntext\n\n{HEADING}B\n\nmore") == ["A\n\ntext\n\nB\n\nmore"]


def test_a_book_is_split_at_headings_only_and_loses_no_word() -> None:
    book = "".join(f"Chapter {n}\n{'=' * 9}\n\n{'word ' * 300}\n\n" for n in range(40))
    pieces = split(mark_headings(book))
    assert len(pieces) > 5
    assert all(piece.startswith("Chapter") and len(piece.encode()) <= 30_000 for piece in pieces)
    assert " ".join(pieces).split() == book.split()


def test_a_text_without_breaks_is_split_below_the_limit() -> None:
    pieces = split("字" * 50_000)
    assert "".join(pieces) == "字" * 50_000
    assert max(len(piece.encode()) for piece in pieces) <= 30_000


@pytest.mark.parametrize(
    ("package", "path", "lang"),
    [
        ("libreoffice-help-zh-cn", "libreoffice/help/zh-CN/text/swriter/main0000.html", "zh"),
        ("gnome-user-docs", "help/pt_BR/gnome-help/a11y.page", "pt"),
        ("gnome-user-docs", "help/C/gnome-help/a11y.page", "en"),
        ("debian-reference-ja", "doc/debian-reference-ja/copyright", "ja"),
        ("lilypond-doc-html-de", "doc/lilypond/html/notation/pitches.de.html", "de"),
        ("manpages-fr-dev", "man/fr/man3/abs.3.gz", "fr"),
        ("wordpress-l10n", "wordpress/wp-content/languages/admin-ka_GE.mo", "ka"),
        ("anarchism", "doc/anarchism/html/secA5.html", "en"),
    ],
)
def test_the_language_is_the_one_that_the_path_or_the_package_declares(package: str, path: str, lang: str) -> None:
    assert language_of(package, path) == lang


def test_documents_have_stable_ids_and_links_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "usr" / "share" / "doc" / "de"
    folder.mkdir(parents=True)
    (folder / "a.html").write_text(f"<p>{'Ein Satz. ' * 20}</p>")
    (folder / "empty.html").write_text("<p>kurz</p>")
    (folder / "link.html").symlink_to("a.html")
    text = ("Ein Satz. " * 20).strip()
    assert list(documents_of("p", tmp_path)) == [Document("p/doc/de/a.html", text, "de", "p/doc/de/a.html")]


@pytest.fixture
def harvest(tmp_path: Path) -> Path:
    path = tmp_path / "p_1.r1.jsonl"
    rows = [{"id": f"p/{n}", "text": f"{n % 90} " * 50, "lang": "en" if n % 2 else "ja", "source": "p"} for n in range(100)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(harvest: Path, tmp_path: Path) -> None:
    entries = build.index(harvest)
    written = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        build.write(build.choose(entries, 5_000, seed), tmp_path / name, "jsonl", 1)
        written.append((tmp_path / name / "part-00000.jsonl").read_bytes())
    assert written[0] == written[1] != written[2]


def test_a_corpus_has_the_requested_size_and_no_repetition_while_texts_last(harvest: Path) -> None:
    chosen = build.choose(build.index(harvest), 5_000, 0)
    assert 5_000 <= sum(entry.text_bytes for entry in chosen) < 5_200
    assert len({entry.id for entry in chosen}) == len(chosen)


def test_missing_documents_are_repeated_with_another_id(harvest: Path, tmp_path: Path) -> None:
    report = build.write(build.choose(build.index(harvest), 40_000, 0), tmp_path / "out", "jsonl", 3)
    ids = [json.loads(line)["id"] for part in (tmp_path / "out").iterdir() for line in part.open()]
    assert len(set(ids)) == len(ids) == report.documents
    assert report.repeated_documents == sum(name.endswith(("~2", "~3")) for name in ids) == report.documents - 100


def test_parquet_and_json_lines_contain_the_same_rows(harvest: Path, tmp_path: Path) -> None:
    chosen = build.choose(build.index(harvest), 5_000, 0)
    build.write(chosen, tmp_path / "j", "jsonl", 2)
    report = build.write(chosen, tmp_path / "p", "parquet", 2)
    for number in range(2):
        lines = (tmp_path / "j" / f"part-0000{number}.jsonl").read_text().splitlines()
        assert pq.read_table(tmp_path / "p" / f"part-0000{number}.parquet").to_pylist() == [json.loads(line) for line in lines]
    assert sum(count for count, _ in report.by_language.values()) == report.documents == len(chosen)


def test_a_folder_with_files_in_it_is_not_written_to(harvest: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not empty"):
        build.write(build.choose(build.index(harvest), 100, 0), tmp_path, "jsonl", 1)


def test_missing_debian_tools_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CorpusError, match="apt-get and dpkg-deb not found"):
        available(["anarchism"])


def test_sizes_have_units() -> None:
    assert [size_in_bytes(text) for text in ("200MB", "1.5GiB", "7")] == [200_000_000, 1_610_612_736, 7]


def test_the_demo_contains_no_real_email_address_or_host() -> None:
    text = "Ask joe.doe@mail.somewhere.org or http://www.somewhere.org/doc and main.py, com.sun.star."
    assert demo.without_addresses(text) == "Ask someone@example.org or http://example.org/doc and main.py, com.sun.star."


def test_the_shipped_corpus_is_real_multilingual_and_has_duplicates_and_junk() -> None:
    with gzip.open(SHIPPED / "docs.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    languages = Counter(row["lang"] for row in rows)
    texts = Counter(row["text"] for row in rows)
    assert 3_000 <= len(rows) <= 5_000
    assert all(set(row) == {"id", "text", "lang", "source"} and row["text"] for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)
    assert sum(count >= 100 for count in languages.values()) >= 8
    assert languages["zh"] >= 100 and languages["ja"] >= 100
    assert len(rows) - len(texts) >= 100
    assert any(row["source"].endswith("/copyright") for row in rows)


def test_the_readme_of_the_shipped_corpus_names_every_package() -> None:
    readme = (SHIPPED / "README.md").read_text()
    with gzip.open(SHIPPED / "docs.jsonl.gz", "rt", encoding="utf-8") as lines:
        packages = {json.loads(line)["source"].partition("/")[0] for line in lines}
    assert all(f"| {package} |" in readme for package in packages)
