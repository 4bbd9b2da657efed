"""Builds the office documents that tests read: real DOCX and PDF files, no fixtures on disk."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import docx
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from pypdf import PdfWriter


def docx_bytes(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def handbook() -> bytes:
    """A DOCX with headings, lists, a table, a link, and a running head."""
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Kopfzeile"
    document.add_heading("Handbuch Drucken", 0)
    document.add_paragraph("Gedruckt wird über eine gemeinsame Warteschlange.")
    document.add_heading("Einrichten", 1)
    document.add_paragraph("Treiber laden", style="List Number")
    document.add_paragraph("Drucker hinzufügen", style="List Number")
    document.add_paragraph("unter Windows", style="List Bullet 2")
    document.add_heading("Preise", 2)
    table = document.add_table(rows=2, cols=2)
    for row, column, text in ((0, 0, "Art"), (0, 1, "Cent"), (1, 0, "s/w | grau"), (1, 1, "5")):
        table.cell(row, column).text = text
    document.add_paragraph("# 1 der Liste")
    _add_link(document.add_paragraph("Guthaben: siehe "), "das Portal", "https://print.example/")
    return docx_bytes(document)


def _add_link(paragraph: Any, words: str, target: str) -> None:
    relation = paragraph.part.relate_to(target, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
    link, run, text = (OxmlElement(name) for name in ("w:hyperlink", "w:r", "w:t"))
    link.set(qn("r:id"), relation)
    text.text = words
    run.append(text)
    link.append(run)
    paragraph._p.append(link)


def with_part(data: bytes, name: str, content: bytes) -> bytes:
    """The archive with one part put in the place of another, or added."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, content)
    return buffer.getvalue()


def pdf_bytes(
    pages: Sequence[Sequence[str]], *, outline: Sequence[tuple[str, int]] = (), password: str = ""
) -> bytes:
    """A PDF with these lines on its pages. `outline` holds titles with the level below the last."""
    writer = PdfWriter(io.BytesIO(_plain_pdf(pages)))
    above: list[Any] = [None]
    for title, level in outline:
        del above[level + 1 :]
        above.append(writer.add_outline_item(title=title, page_number=0, parent=above[level]))
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _plain_pdf(pages: Sequence[Sequence[str]]) -> bytes:
    objects: dict[int, bytes] = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for number, lines in enumerate(pages):
        page, content = 4 + 2 * number, 5 + 2 * number
        stream = b"BT /F1 11 Tf 14 TL 50 780 Td " + b" ".join(map(_shown, lines)) + b" ET"
        objects[page] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            b"/Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % content
        )
        objects[content] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(pages)))
    objects[2] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids)
    return _assembled(objects)


def _shown(line: str) -> bytes:
    escaped = line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(")
    return b"(%s) Tj T*" % escaped.replace(b")", b"\\)")


def _assembled(objects: dict[int, bytes]) -> bytes:
    data, offsets = b"%PDF-1.4\n", []
    for number in sorted(objects):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, objects[number])
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        data
        + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(offsets) + 1, table)
        + b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(offsets) + 1)
        + b"startxref\n%d\n%%%%EOF\n" % len(data)
    )
