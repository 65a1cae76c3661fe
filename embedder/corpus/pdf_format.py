"""PDF: one text a page, as pypdf extracts it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from embedder.corpus.rows import MAX_TEXT_CHARS, Record, Row, SkippedRow, Source
from embedder.errors import FileUnreadable

_HYPHENATED = re.compile(r"(?<=[a-zß-ÿ])-\n(?=[a-zß-ÿ])")
_SPACES = re.compile(r"[^\S\n]+")
_EMPTY = "no text on this page; is it a picture?"


def read_pdf(data: bytes) -> Source:
    """Records of `text` and `page`; pages without text, or broken ones, are skipped rows.

    Raises:
        FileUnreadable: it's none, or locked with a password.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileUnreadable("The PDF is locked with a password. Save it without one.")
        pages = len(reader.pages)
    except FileUnreadable:
        raise
    except (FileNotDecryptedError, DependencyError):
        raise FileUnreadable("The PDF is encrypted. Save it without encryption.") from None
    except MemoryError:
        raise
    except Exception as error:  # pypdf raises whatever a broken file leads it to
        raise FileUnreadable(f"The PDF is broken: {_said(error)}. Print it to a new PDF.") from None
    if not pages:
        raise FileUnreadable("The PDF has no pages.")
    return Source(_pages(reader, pages), "page")


def _pages(reader: object, pages: int) -> Iterator[Row]:
    texts = 0
    for number in range(1, pages + 1):
        try:
            text = tidy(reader.pages[number - 1].extract_text())  # type: ignore[attr-defined]
        except MemoryError:
            raise
        except Exception as error:
            yield SkippedRow(number, f"its text cannot be read: {_said(error)}")
            continue
        if not text:
            yield SkippedRow(number, _EMPTY)
            continue
        texts += 1
        yield Record(number, {"text": text[: MAX_TEXT_CHARS + 1], "page": str(number)})
    if not texts:
        raise FileUnreadable(
            "The PDF holds no text, only pictures or empty pages. Recognise its text (OCR) first.", line=1
        )


def tidy(text: str) -> str:
    """Lines without their hyphens and blanks at the ends; NUL and half surrogates become signs."""
    sound = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    lines = (_SPACES.sub(" ", line).strip() for line in sound.splitlines())
    return _HYPHENATED.sub("", "\n".join(lines)).strip()


def _said(error: Exception) -> str:
    return str(error)[:120].rstrip(".") or type(error).__name__
