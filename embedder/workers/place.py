"""Which of a server's workers a process is, and where what they share lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from embedder.workers.board import Board, Seat

_PAGE_SOCKET = "page.sock"


@dataclass(frozen=True, slots=True)
class Place:
    """Worker `index` of `count`; `folder` is the server's own, which nobody else may enter."""

    index: int
    count: int
    folder: Path
    board: Board = field(repr=False)

    @property
    def has_page(self) -> bool:
        """Whether the page is here: its state is in one process."""
        return self.index == 0

    @property
    def page_socket(self) -> Path:
        """Where the worker with the page hears the others."""
        return self.folder / _PAGE_SOCKET

    @property
    def seat(self) -> Seat:
        """The place as the engine sees it."""
        return Seat(self.board, self.index)

    @classmethod
    def of(cls, told: str) -> Place:
        """The place that `str` of another told."""
        index, count, folder = told.split(",", 2)
        return cls(int(index), int(count), Path(folder), Board(board_in(Path(folder)), int(count)))

    def __str__(self) -> str:
        return f"{self.index},{self.count},{self.folder}"


def board_in(folder: Path) -> Path:
    """The board's file in a server's folder."""
    return folder / "board"
