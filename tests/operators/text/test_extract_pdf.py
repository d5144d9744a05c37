"""Text of PDF files, which are written here by hand, and of what only looks like one."""

import pyarrow as pa
import pytest

from datajob.api.datajob import DataJob
from datajob.engine.driver import run_job
from datajob.engine.options import RunOptions
from datajob.errors import InputError
from datajob.operators.base import Batch
from datajob.operators.text.extract_pdf import ExtractPdf

ENCRYPTION = f"/ID[<{'00' * 16}><{'00' * 16}>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'00' * 32}>/U<{'00' * 32}>>>"


def pdf(*pages: list[str], encryption: str = "") -> bytes:
    """A file with these lines on its pages."""
    font = 3 + 2 * len(pages)
    kids = " ".join(f"{3 + 2 * i} 0 R" for i in range(len(pages)))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>"]
    for lines in pages:
        content = "BT /F 12 Tf 14 TL 50 700 Td " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
        resources = f"/Contents {len(objects) + 2} 0 R/Resources<</Font<</F {font} 0 R>>>>"
        objects.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]{resources}>>")
        objects.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    objects.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    file, places = "%PDF-1.4\n", ""
    for number, body in enumerate(objects, 1):
        places += f"{len(file):010} 00000 n \n"
        file += f"{number} 0 obj{body}endobj\n"
    size = len(objects) + 1
    table = f"xref\n0 {size}\n0000000000 65535 f \n{places}trailer<</Size {size}/Root 1 0 R{encryption}>>"
    return f"{file}{table}\nstartxref\n{len(file)}\n%%EOF".encode()


FILE = pdf(["Bees are fly-", "ing insects.", "Well-known."], ["Page two"])


def extracted(file, kind=None, **parameters):
    batch = Batch(pa.table({"bytes": pa.array([file, None], kind)}))
    text, nothing = ExtractPdf(**parameters).apply(batch).column("text").to_pylist()
    assert nothing is None
    return text


@pytest.mark.parametrize(
    ("file", "parameters", "wanted"),
    [
        (FILE, {}, "Bees are flying insects.\nWell-known.\n\nPage two"),
        (FILE, {"page_separator": "\f"}, "Bees are flying insects.\nWell-known.\fPage two"),
        (FILE, {"pages": 1}, "Bees are flying insects.\nWell-known."),
        (FILE, {"pages": 9, "page_separator": " "}, "Bees are flying insects.\nWell-known. Page two"),
        (pdf([]), {}, ""),
    ],
)
def test_the_text_of_the_pages_with_broken_words_joined(file, parameters, wanted):
    assert extracted(file, **parameters) == wanted


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(len(FILE))], ids=str)
def test_every_type_of_bytes_is_taken(kind):
    assert extracted(FILE, kind, pages=1).startswith("Bees")


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (b"", r"cannot be read \(0 bytes\)"),
        (b"<html>", r"cannot be read \(6 bytes\)"),
        (FILE[:200], "cannot be read"),
        (pdf(["secret"], encryption=ENCRYPTION), "encrypted and requires a password"),
    ],
)
def test_the_error_about_a_file_that_cannot_be_read_has_the_reason(file, error):
    with pytest.raises(ValueError, match=error):
        extracted(file)


def test_a_text_column_is_rejected():
    with pytest.raises(InputError, match="column `bytes` contains string, not bytes"):
        extracted("%PDF-1.4")


def test_a_broken_file_fails_alone_in_a_job(tmp_path):
    for name, content in {"a": FILE, "b": b"broken", "c": pdf(["Third"])}.items():
        (tmp_path / f"{name}.pdf").write_bytes(content)
    spec = {
        "sources": [{"binaryFiles": {"paths": [str(tmp_path / "*.pdf")]}}],
        "steps": [{"extractPdf": {"pages": 1}}, {"select": {"columns": ["text"]}}],
        "sink": {"json": {"path": str(tmp_path / "out")}},
        "errors": {"policy": "drop", "maxRatio": 0.5},
    }
    job = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "pdf"}, "spec": spec}
    report = run_job(DataJob.model_validate(job), RunOptions(executor="local"))
    assert (report.progress.rows_out, report.progress.rows_failed) == (2, 1)
