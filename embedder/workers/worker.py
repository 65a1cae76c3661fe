"""One worker: `python -m embedder.workers.worker`, started by `embedder.workers.supervisor`.

It listens on no address: connections come from the parent, one message each. The end of that
channel, be it because the parent was killed, is the order to finish what is begun and leave.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import socket
import sys
from contextlib import suppress
from typing import Any

import uvicorn

from embedder.config import Settings
from embedder.errors import TesseraError
from embedder.libraries import settle_environment
from embedder.workers.passing import Passed
from embedder.workers.place import Place
from embedder.workers.server import Server, uvicorn_options

CONNECTION, LEAVE = b"c", b"l"
"""What the parent says: here is a connection, whose descriptor comes with it; give notice."""
REFUSED = 2
"""Exit code of a worker that would fail again."""
_LEAST_NOTICE_S = 0.5
"""A worker that is told to leave by a signal, not by its parent, still takes what is on its way to it."""


class Worker(Server):
    """uvicorn's server over connections that are given to it.

    `channel` is where the parent gives them, `others` where other workers pass on what is the page's.
    """

    def __init__(
        self, app: Any, settings: Settings, place: Place, channel: socket.socket, others: socket.socket
    ) -> None:
        options = uvicorn_options(settings) | {"ws": "none"}
        notice_s = max(settings.notice_s, _LEAST_NOTICE_S)
        super().__init__(uvicorn.Config(app, **options), self._leave_alone, notice_s)
        self._leave = app.leave
        # What proxies say was read by the worker that passed the request on.
        inner = options | {"proxy_headers": False, "log_config": None}
        self._passed = uvicorn.Config(Passed(app), **inner)
        self._place = place
        self._channel = channel
        self._others = others
        self._closed = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._hearing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, with the parent's channel in the place of a socket that listens."""
        await super().startup(sockets=[])
        loop = asyncio.get_running_loop()
        self._channel.setblocking(False)
        loop.add_reader(self._channel.fileno(), self._hear)
        if self._place.has_page:
            self._hearing = loop.create_task(self._hear_others())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's."""
        asyncio.get_running_loop().remove_reader(self._channel.fileno())
        if self._hearing is not None:
            self._hearing.cancel()
        await super().shutdown(sockets=[])

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: the parent sees that this loop turns."""
        self._place.board.beat(self._place.index)
        return await super().on_tick(counter)

    def _leave_alone(self) -> None:
        """A signal came to this worker only: the parent gives it no more."""
        self._place.board.tell_state(self._place.index, "leaving")
        self._leave()

    def _hear(self) -> None:
        try:
            word, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        except BlockingIOError:
            return
        except OSError:
            word, descriptors = b"", []
        if word == CONNECTION and descriptors:
            self._begin(socket.socket(fileno=descriptors[0]), self._counted())
        elif word == LEAVE:
            self._leave()
        elif not word:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self.should_exit = True

    async def _hear_others(self) -> None:
        loop = asyncio.get_running_loop()
        self._others.setblocking(False)
        while True:
            connection, _ = await loop.sock_accept(self._others)
            self._begin(connection, self._protocol(self._passed))

    def _begin(self, connection: socket.socket, protocol: asyncio.Protocol) -> None:
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(_connect(connection, protocol))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _protocol(self, config: uvicorn.Config) -> asyncio.Protocol:
        """What uvicorn makes for a connection of its own."""
        if not config.loaded:
            config.load()
        made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def _counted(self) -> asyncio.Protocol:
        """A protocol whose end the parent sees."""
        made = self._protocol(self.config)
        ended = made.connection_lost

        def connection_lost(error: Exception | None) -> None:
            self._closed += 1
            self._place.board.tell_closed(self._place.index, self._closed)
            ended(error)

        made.connection_lost = connection_lost  # type: ignore[assignment, method-assign]
        return made


async def _connect(connection: socket.socket, protocol: asyncio.Protocol) -> None:
    with suppress(OSError):  # its client left meanwhile
        await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, connection)


def main(argv: list[str]) -> int:
    """Serve until the parent closes the channel; the exit code."""
    channel, others, told = argv
    settle_environment()
    try:
        settings, place = Settings.load(), Place.of(told)
        app = importlib.import_module("app").create_app(settings, place)
    except TesseraError as error:
        print(f"tessera: {error}", file=sys.stderr)  # noqa: T201 - as the command line says it
        return REFUSED
    server = Worker(
        app, settings, place, socket.socket(fileno=int(channel)), socket.socket(fileno=int(others))
    )
    server.run()
    return 0 if server.started else REFUSED


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # All that was to be finished is. To take torch and its threads apart takes seconds, which a process
    # that ends by a signal, as one without workers does, does not spend either.
    os._exit(exit_code)
