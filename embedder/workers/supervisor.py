"""The parent of the workers: it listens, gives each connection to one of them, and keeps them alive.

It reads nothing of what comes over a connection. A worker that ends is started again; where that
happens often, after a while. On a signal it gives notice, then the workers finish and leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import logging.config
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from embedder.config import Settings
from embedder.workers.board import Board
from embedder.workers.place import Place, board_in
from embedder.workers.server import uvicorn_options
from embedder.workers.worker import CONNECTION, LEAVE, REFUSED

_LOG = logging.getLogger(__name__)

_ACCEPTED_AT_ONCE = 64
_AGAIN_S = 0.02
"""After so long a connection that no worker could take, or the system could not give, is tried again."""
_WATCH_S = 1.0
_DEAF_S, _HUNG_S = 2.0, 60.0
"""A worker whose event loop stood still so long is passed over, and ended."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 30.0
_LASTED_S = 60.0
"""A worker that lived so long did not fail at its start."""
_LAST_S = 15.0
"""Beyond twice `drain_s` (of HTTP, then of the engine), for threads and disks."""
_LONGEST_FOLDER = 80
"""Characters: a Unix socket's path holds about a hundred."""


@dataclass(slots=True)
class _Running:
    """A worker as the parent knows it; `given` connections it got so far, the last at `turn`.

    `door` is the worker's end of `channel`, read here once the worker is gone: what it had not taken.
    """

    index: int
    process: asyncio.subprocess.Process
    channel: socket.socket
    door: socket.socket
    started_s: float
    given: int = 0
    turn: int = 0


def supervise(settings: Settings, listener: socket.socket) -> int:
    """Serve from `listener` with `settings.workers` processes until a signal comes; the exit code."""
    logging.config.dictConfig(uvicorn_options(settings)["log_config"])
    with _own_folder() as folder:
        return asyncio.run(Supervisor(settings, listener, folder).run())


class Supervisor:
    """Starts workers, gives them connections, and ends them."""

    def __init__(self, settings: Settings, listener: socket.socket, folder: Path) -> None:
        self._settings = settings
        self._listener = listener
        self._folder = folder
        self._count = settings.workers
        self._board = Board(board_in(folder), self._count)
        self._metrics = folder / "metrics"
        self._page: socket.socket | None = None
        self._running: dict[int, _Running] = {}
        self._waiting: deque[socket.socket] = deque()
        self._turn = 0
        self._exit_code = 0
        self._signals = 0
        self._noticed = asyncio.Event()
        self._ending = asyncio.Event()
        self._killing = asyncio.Event()

    async def run(self) -> int:
        """Until a signal comes, or a worker says that it can never start."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the last where its terminal is closed
            loop.add_signal_handler(sign, self._on_signal)
        self._metrics.mkdir()
        self._page = socket.socket(socket.AF_UNIX)
        self._page.bind(str(self._place(0).page_socket))
        self._page.listen(128)
        keepers = [asyncio.create_task(self._keep(index)) for index in range(self._count)]
        watch = asyncio.create_task(self._watch())
        self._listener.setblocking(False)
        loop.add_reader(self._listener.fileno(), self._accept)
        await self._noticed.wait()
        await self._give_notice()
        self._end()
        await asyncio.gather(*keepers)
        watch.cancel()
        self._board.close()
        return self._exit_code

    def _place(self, index: int) -> Place:
        return Place(index, self._count, self._folder, self._board)

    async def _keep(self, index: int) -> None:
        """Have a worker of this number, again and again."""
        failures = 0
        while not self._ending.is_set():
            worker = await self._start(index)
            code = await self._ended(worker)
            self._forget(worker)
            if self._ending.is_set():
                return
            if code == REFUSED:
                self._exit_code = REFUSED
                self._noticed.set()
                self._ending.set()
                return
            failures = 0 if time.monotonic() - worker.started_s > _LASTED_S else failures + 1
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(failures, 10))
            _LOG.warning("Worker %d ended (%d); another is started in %.1f s.", index, code, pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause_s)

    async def _start(self, index: int) -> _Running:
        ours, theirs = socket.socketpair()
        assert self._page is not None
        self._board.clear(index)
        descriptors = theirs.fileno(), self._page.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "embedder.workers.worker", *map(str, descriptors), str(self._place(index))),
            env=os.environ | self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=descriptors,
            process_group=0,  # Ctrl-C is for the parent, which then tells them
        )
        ours.setblocking(False)
        worker = self._running[index] = _Running(index, process, ours, theirs, time.monotonic())
        if self._ending.is_set():  # meanwhile
            ours.close()
        return worker

    def _environment(self) -> dict[str, str]:
        """Settings of one worker: what a machine has is divided, limits are shared through the board."""
        settings = self._settings
        return {
            "TESSERA_THREADS": str(max(1, settings.cpu_threads // self._count)),
            "TESSERA_CACHE_BYTES": str(settings.cache_bytes // self._count),
            "PROMETHEUS_MULTIPROC_DIR": str(self._metrics),
            # The same code as here, from wherever this was started.
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        }

    async def _ended(self, worker: _Running) -> int:
        """Wait for its end; once all are to end, not for ever."""
        ended = asyncio.ensure_future(worker.process.wait())
        ending = asyncio.create_task(self._ending.wait())
        await asyncio.wait((ended, ending), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            killing = asyncio.create_task(self._killing.wait())
            longest_s = 2 * self._settings.drain_s + _LAST_S
            await asyncio.wait((ended, killing), timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
            killing.cancel()
            if not ended.done():
                _LOG.warning("Worker %d did not end in time and is killed.", worker.index)
                worker.process.kill()
        ending.cancel()
        return await ended

    def _forget(self, worker: _Running) -> None:
        from prometheus_client.multiprocess import mark_process_dead

        self._running.pop(worker.index, None)
        worker.channel.close()
        self._take_back(worker.door)
        self._board.clear(worker.index)
        mark_process_dead(worker.process.pid, str(self._metrics))  # type: ignore[no-untyped-call]

    def _take_back(self, door: socket.socket) -> None:
        """Give the connections that a worker left at its door to others, if any are to get more."""
        with door:
            while (message := socket.recv_fds(door, 1, 1))[0]:
                for descriptor in message[1]:
                    self._waiting.append(socket.socket(fileno=descriptor))
        if self._ending.is_set():
            while self._waiting:
                self._waiting.pop().close()
        elif self._waiting:
            self._pause()

    async def _watch(self) -> None:
        """End workers whose event loop stands still."""
        while True:
            await asyncio.sleep(_WATCH_S)
            for worker in list(self._running.values()):
                if self._board.silent_s(worker.index) > _HUNG_S and worker.process.returncode is None:
                    _LOG.error("Worker %d does not answer and is killed.", worker.index)
                    worker.process.kill()

    def _accept(self) -> None:
        """Take what waits at the door, and give it on."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no descriptor left, say
                _LOG.warning("A connection could not be taken: %s", error.strerror)
                self._pause()
                return
            with contextlib.suppress(OSError):  # its client left already
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._give(connection):
                self._waiting.append(connection)
                self._pause()
                return

    def _pause(self) -> None:
        """Take nothing more for a moment."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener.fileno())
        loop.call_later(_AGAIN_S, self._go_on)

    def _go_on(self) -> None:
        while self._waiting:
            if not self._give(self._waiting[0]):
                asyncio.get_running_loop().call_later(_AGAIN_S, self._go_on)
                return
            self._waiting.popleft()
        if self._listener.fileno() >= 0 and not self._ending.is_set():
            asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept)

    def _give(self, connection: socket.socket) -> bool:
        """Hand a connection to the worker that has the fewest; False where none can take it now."""
        for worker in sorted(self._running.values(), key=self._burden):
            try:
                socket.send_fds(worker.channel, [CONNECTION], [connection.fileno()])
            except OSError:  # it is ending, or stands still and its channel is full
                continue
            self._turn += 1
            worker.given, worker.turn = worker.given + 1, self._turn
            connection.close()
            return True
        return False

    def _burden(self, worker: _Running) -> tuple[bool, bool, bool, int, int]:
        """Ready ones that answer come first, then those with fewer connections, then who waited longer."""
        state = self._board.state(worker.index)
        has = worker.given - self._board.closed(worker.index)
        deaf = self._board.silent_s(worker.index) > _DEAF_S
        return state == "leaving", state != "ready", deaf, has, worker.turn

    def _on_signal(self) -> None:
        """The first gives notice, the second ends that, the third waits for nothing."""
        self._signals += 1
        stages: tuple[Callable[[], None], ...] = (self._noticed.set, self._ending.set, self._killing.set)
        stages[min(self._signals, len(stages)) - 1]()

    async def _give_notice(self) -> None:
        for worker in self._running.values():
            with contextlib.suppress(OSError):
                worker.channel.send(LEAVE)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), self._settings.notice_s)

    def _end(self) -> None:
        """Take nothing more; the end of their channels tells the workers."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener.fileno())
        self._accept()  # what was at the door already
        self._ending.set()
        self._listener.close()
        for worker in self._running.values():
            worker.channel.close()


@contextlib.contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder that only this user may enter, gone at the end."""
    where = None if len(tempfile.gettempdir()) < _LONGEST_FOLDER else "/tmp"
    folder = tempfile.mkdtemp(prefix="tessera-", dir=where)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
