"""What workers tell each other: in one piece of memory, whichever process writes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from embedder.admission import Admission
from embedder.errors import Overloaded, TooLarge
from embedder.metrics import Metrics
from embedder.types import HeldTokens
from embedder.workers.board import Board, Seat
from embedder.workers.place import Place


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board", 3)


def test_another_process_sees_what_is_told(board: Board, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from embedder.workers.board import *; "
        "from embedder.types import HeldTokens; board = Board(Path(sys.argv[1]), 3); "
        "board.clear(2); board.tell_state(2, 'ready'); board.tell_tokens(2, HeldTokens(2**40, 5, 6)); "
        "board.tell_closed(2, 7)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "board")], check=True)
    assert (board.state(0), board.state(2), board.closed(2)) == ("starting", "ready", 7)
    assert Seat(board, 0).tokens() == HeldTokens(2**40, 5, 6)
    assert Seat(board, 2).tokens() == HeldTokens(0, 0, 0)
    assert 0 <= board.silent_s(2) < 60


def test_all_are_loaded_once_each_was(board: Board) -> None:
    for index in (0, 1):
        Seat(board, index).tell_loaded(failed=False)
    Seat(board, 2).tell_loaded(failed=True)
    assert not board.all_loaded
    assert board.state(2) == "failed"
    Seat(board, 2).tell_loaded(failed=False)
    assert board.all_loaded
    board.clear(1)  # one that is started again is not waited for: the others serve
    assert board.state(1) == "starting"
    assert Seat(board, 0).all_loaded


def test_a_place_is_told_by_one_word(tmp_path: Path) -> None:
    folder = tmp_path / "a, b"
    folder.mkdir()
    place = Place(1, 2, folder, Board(folder / "board", 2))
    told = Place.of(str(place))
    assert (told.index, told.count, told.folder, told.has_page) == (1, 2, folder, False)
    place.board.tell_state(0, "leaving")
    assert told.board.state(0) == "leaving"


def test_the_limit_is_of_all_together(board: Board) -> None:
    first, second = (Admission(100, Metrics(), Seat(board, index)) for index in (0, 1))
    first.request(60)
    second.request(30)
    with pytest.raises(Overloaded):
        second.request(11)
    with pytest.raises(TooLarge):
        second.request(101)
    first.release(60)
    second.request(70)
    with pytest.raises(Overloaded):
        first.request(1)


async def test_a_job_gets_the_room_that_another_process_gives_back(board: Board) -> None:
    first, second = (Admission(100, Metrics(), Seat(board, index)) for index in (0, 1))
    first.request(100)
    waiting = asyncio.create_task(second.wait(40))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.2)
    with pytest.raises(Overloaded):
        first.request(1)
    first.release(60)  # 40 are held still, 40 are waited for, and kept from requests of both
    for admission in (first, second):
        with pytest.raises(Overloaded):
            admission.request(30)
    await asyncio.wait_for(waiting, 5)
    first.request(20)
    with pytest.raises(Overloaded):
        first.request(1)


async def test_jobs_of_all_together_leave_room_for_requests(board: Board) -> None:
    first, second = (Admission(100, Metrics(), Seat(board, index)) for index in (0, 1))
    await first.wait(50)
    waiting = asyncio.create_task(second.wait(50))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.2)
    second.request(25)
    first.release(50, job=True)
    await asyncio.wait_for(waiting, 5)


async def test_who_leaves_the_line_keeps_no_room(board: Board) -> None:
    first, second = (Admission(100, Metrics(), Seat(board, index)) for index in (0, 1))
    first.request(50)
    waiting = asyncio.create_task(second.wait(60))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        first.request(10)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    first.request(50)
