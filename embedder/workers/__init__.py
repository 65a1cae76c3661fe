"""Several processes as one server: `tessera serve --workers N`.

The parent (`supervisor`) listens and hands each connection to the worker with the fewest; a worker
(`worker`) is the whole server, but for the page, which one of them has and the others pass on to
(`passing`). What they must know of each other is in a piece of shared memory (`board`).
"""

from embedder.workers.board import Board
from embedder.workers.passing import Passed, PassOn

__all__ = ["Board", "PassOn", "Passed"]
