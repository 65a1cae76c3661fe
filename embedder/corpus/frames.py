"""What goes between us and the process that reads: frames of rows, whose lists are plain float32."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import IO

import orjson

from embedder.corpus.rows import NotText, Record, Row, SkippedRow

FRAME = struct.Struct("<BI")
"""What it is, and how many bytes follow."""
ROWS, TOLD, FAILED, END = range(4)
_HEAD = struct.Struct("<I")


def read_frame(stream: IO[bytes]) -> tuple[int, bytes]:
    """The next frame.

    Raises:
        EOFError: there is none, or only a part of one.
    """
    head = stream.read(FRAME.size)
    if len(head) < FRAME.size:
        raise EOFError
    kind, length = FRAME.unpack(head)
    payload = stream.read(length)
    if len(payload) < length:
        raise EOFError
    return kind, payload


def write_frame(stream: IO[bytes], kind: int, payload: bytes = b"") -> None:
    """Write a frame and send it off."""
    stream.write(FRAME.pack(kind, len(payload)))
    stream.write(payload)
    stream.flush()


def pack_rows(rows: Sequence[Row]) -> bytes:
    """Records with cells by name, and skipped rows; raw rows stay behind."""
    names = sorted({name for row in rows if isinstance(row, Record) for name in row.lists})
    plain = {
        name
        for row in rows
        if isinstance(row, Record) and isinstance(row.cells, dict)
        for name, cell in row.cells.items()
        if isinstance(cell, NotText)
    }
    told: list[object] = []
    blocks: list[bytes] = []
    for row in rows:
        if isinstance(row, SkippedRow):
            told.append([row.line, _sound(row.why), _sound(row.raw)])
            continue
        assert isinstance(row.cells, dict)
        values = [row.lists.get(name) for name in names]
        lengths = [-1 if one is None else len(one) for one in values]
        blocks += [one.astype("<f4").tobytes() for one in values if one is not None]
        cells = {name: _sound(cell) for name, cell in row.cells.items()}
        told.append({"line": row.line, "cells": cells, "lists": lengths})
    head = orjson.dumps({"rows": told, "lists": names, "not_text": sorted(plain)})
    return b"".join((_HEAD.pack(len(head)), head, *blocks))


def unpack_rows(payload: bytes) -> Iterator[Row]:
    """What `pack_rows` packed.

    Raises:
        EOFError: it isn't that.
    """
    import numpy as np

    try:
        (length,) = _HEAD.unpack_from(payload)
        place = _HEAD.size + length
        told = orjson.loads(payload[_HEAD.size : place])
        not_text = set(told["not_text"])
        for row in told["rows"]:
            if isinstance(row, list):
                yield SkippedRow(*row)
                continue
            lists = {}
            for name, count in zip(told["lists"], row["lists"], strict=True):
                if count >= 0:
                    lists[name] = np.frombuffer(payload, "<f4", count, place)
                    place += 4 * count
            cells = {name: NotText(cell) if name in not_text else cell for name, cell in row["cells"].items()}
            yield Record(row["line"], cells, lists=lists)
    except (struct.error, KeyError, TypeError, ValueError):
        raise EOFError from None


def pack_told(model: str, fingerprint: str, notes: Sequence[str]) -> bytes:
    """What is known of a file beside its rows."""
    return orjson.dumps([model, fingerprint, list(notes)])


def unpack_told(payload: bytes) -> tuple[str, str, list[str]]:
    """What `pack_told` packed."""
    model, fingerprint, notes = orjson.loads(payload)
    return str(model), str(fingerprint), [str(note) for note in notes]


def pack_failure(sentence: str, line: int | None) -> bytes:
    """Why a file cannot be read."""
    return orjson.dumps([_sound(sentence), line])


def unpack_failure(payload: bytes) -> tuple[str, int | None]:
    """What `pack_failure` packed."""
    sentence, line = orjson.loads(payload)
    return str(sentence), line


def _sound(text: str) -> str:
    """`text` as UTF-8 can hold it: half surrogates become signs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return str(text)
