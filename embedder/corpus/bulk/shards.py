"""How files are cut into shards: by their own row groups, in equal parts, or at the ends of lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from embedder.errors import FileUnreadable

_SHARDS = 64
"""At least so many shards, unless they would be small: a node that comes or goes then moves little."""
ROWS, BYTES = (256, 8192), (16 * 2**10, 2 * 2**20)
"""The size of a shard lies between these, in bytes where rows are not counted beforehand."""
_BLOCK_BYTES, _MOST_LINE_BYTES = 1 << 16, 1 << 26


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows (of JSONL: bytes) `start` to `stop` of the file `file`; `number` is its place in the output."""

    number: int
    file: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Its share of the work, in what the source counts."""
        return self.stop - self.start


def spans_of_groups(groups: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Rows as (start, stop): whole groups together, up to `most` rows; a larger one in equal parts."""
    start = at = 0
    for rows in groups:
        if at > start and at + rows - start > most:
            yield start, at
            start = at
        if rows > most:
            yield from ((at + first, at + last) for first, last in equal_spans(rows, most))
            start = at + rows
        at += rows
    if at > start:
        yield start, at


def equal_spans(size: int, most: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of as few parts of at most `most` as there can be, all of about the same size."""
    parts = -(-size // most)
    return ((size * part // parts, size * (part + 1) // parts) for part in range(parts))


def lines_between(source: Any, start: int, stop: int, address: str) -> bytes:
    """The lines of an open file whose first byte lies from `start` to `stop`, the last one whole.

    Raises:
        FileUnreadable: a line is too long to be one of a text.
    """
    first = max(start - 1, 0)  # whether a line begins at `start`, the byte before it tells
    source.seek(first)
    data: bytes = source.read(stop - first)
    if start:
        begin = data.find(b"\n") + 1
        if not begin:
            return b""  # all of it belongs to a line that began before
        data = data[begin:]
    whole = not data or data.endswith(b"\n")
    return data if whole else data + _rest_of_line(source, address)


def _rest_of_line(source: Any, address: str) -> bytes:
    blocks: list[bytes] = []
    while block := source.read(_BLOCK_BYTES):
        end = block.find(b"\n") + 1
        blocks.append(block[:end] if end else block)
        if end:
            break
        if len(blocks) * _BLOCK_BYTES > _MOST_LINE_BYTES:
            raise FileUnreadable(f"{address} has a line of more than {_MOST_LINE_BYTES >> 20} MB. Split it.")
    return b"".join(blocks)


def most_of(total: int, bounds: tuple[int, int]) -> int:
    """The most that a shard of an input of this size holds."""
    return max(bounds[0], min(bounds[1], -(-total // _SHARDS)))
