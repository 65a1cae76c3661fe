"""Bytes of a file to text: UTF-8 first, marks obeyed, old encodings guessed, the rest refused."""

from __future__ import annotations

import codecs
import re

from embedder.errors import FileUnreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = (
    (b"\x1f\x8b", "compressed by gzip; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)
# Guesses are held to what people's files are in: from all of its ninety, charset-normalizer
# prefers oddities such as mac_iceland for short Western texts.
_OLD_ENCODINGS = (
    "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256",
    "cp932", "gb18030", "big5", "cp949", "koi8_r",
)  # fmt: skip
_SAMPLE_BYTES = 64 * 1024
_NON_ASCII = bytes(range(128, 256))
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


def decode(data: bytes) -> tuple[str, str]:
    """The text of `data` and the name of its encoding.

    Single bytes that break an otherwise sound UTF-8 file come out as lone surrogates
    (PEP 383), for `unusable` to find, so that they cost their row and not the file.

    Raises:
        FileUnreadable: not text, or in an encoding that cannot be told.
    """
    for signature, what in _SIGNATURES:
        if data.startswith(signature):
            raise FileUnreadable(f"The file is not text: it is {what}.")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_marked(data, encoding, len(mark)), encoding
    if data.count(0) * 100 > len(data):
        raise FileUnreadable(
            "The file is full of NUL bytes: it is no text, or UTF-16 without its byte-order mark. "
            "Save it as UTF-8."
        )
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    broken = len(data) - len(data.decode("utf-8", "ignore").encode("utf-8"))
    non_ascii = len(data) - len(data.translate(None, _NON_ASCII))
    if non_ascii - broken > broken:
        return data.decode("utf-8", "surrogateescape"), "utf-8"
    encoding = _guess(data)
    return data.decode(encoding), encoding


def unusable(text: str) -> str | None:
    """Why no model can read `text`, or None."""
    found = _UNUSABLE.search(text)
    if found is None:
        return None
    if found.group() == "\x00":
        return "a NUL character"
    if "\udc80" <= found.group() <= "\udcff":
        return "bytes that are not UTF-8"
    return "half a surrogate pair"


def _decode_marked(data: bytes, encoding: str, mark_bytes: int) -> str:
    """Text after a byte-order mark; UTF-16 and UTF-32 codecs read theirs themselves."""
    try:
        if encoding == "utf-8":
            return data[mark_bytes:].decode("utf-8", "surrogateescape")
        return data.decode(encoding, "surrogatepass")
    except UnicodeDecodeError as error:
        raise FileUnreadable(
            f"The file begins as {encoding.upper()} but breaks at byte {error.start + 1} "
            f"({error.reason}). Save it again as UTF-8."
        ) from None


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    matches = from_bytes(data[:_SAMPLE_BYTES], cp_isolation=list(_OLD_ENCODINGS))
    candidates = [
        (match.chaos, _OLD_ENCODINGS.index(encoding), encoding)
        for match in matches
        for encoding in match.could_be_from_charset  # those that read the sample alike
        if encoding in _OLD_ENCODINGS
    ]
    for _, _, encoding in sorted(candidates):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    line = 1 + data[: _first_broken(data)].count(b"\n")
    raise FileUnreadable(
        f"Line {line} is not UTF-8, and no other encoding could be recognised. Save the file as UTF-8.",
        line=line,
    )


def _first_broken(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(data)
