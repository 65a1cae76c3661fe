"""What a store holds in memory of all its tables, within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict

from embedder.collections.lance.matrix import Matrix


class Memory:
    """The matrices of a store within `max_bytes`: those not asked for longest go first.

    What one takes in once it was given counts when the next is asked for.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Matrix] = OrderedDict()

    def matrix(self, key: str, rows: int, dimensions: int) -> Matrix | None:
        """The matrix of `key`, made if need be; None where so many vectors don't fit."""
        wanted_bytes = 4 * rows * dimensions
        with self._lock:
            if wanted_bytes > self._max_bytes:
                self._held.pop(key, None)
                return None
            matrix = self._held.get(key)
            if matrix is None:
                matrix = self._held[key] = Matrix(dimensions, self._max_bytes)
            self._held.move_to_end(key)
            others = [one for one in self._held if one != key]
            room = self._max_bytes - max(wanted_bytes, matrix.held_bytes)
            while others and sum(self._held[one].held_bytes for one in others) > room:
                del self._held[others.pop(0)]
            return matrix

    def forget(self, key: str) -> None:
        """Let go of the matrix of `key`."""
        with self._lock:
            self._held.pop(key, None)
