"""The stores that are held to the contract, by name, over a place that is a folder or an address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedder.collections.opening import open_store
from embedder.collections.store import Store
from tests.servers import Milvus, Postgres

KINDS: dict[str, dict[str, Any]] = {
    "lance": {},
    # The same with an index from a few hundred rows on, which others get at 100,000.
    "lance-indexed": {"exact_rows": 300},
    # And with no memory for vectors, so that each is read from disk.
    "lance-unheld": {"memory_bytes": 0},
    "postgres": {},
    "postgres-indexed": {"exact_rows": 300},
    # A lease is good for ten seconds, which is how long the next waits for one who was killed.
    "milvus": {"lease_s": 1.5},
}
"""A store is held to the contract by a row of its own here."""

EVERYWHERE = pytest.mark.parametrize("place", ["lance", "postgres", "milvus"], indirect=True)
"""For what is built on stores: one of each."""


def opened(kind: str, place: str, **options: Any) -> Store:
    """The store of that kind at `place`."""
    return open_store(place, **KINDS[kind], **options)


def new_place(kind: str, request: pytest.FixtureRequest, folder: Path, *, shared: bool = False) -> str:
    """Somewhere with nothing in it, in `folder` or in a server, which is started for the first who asks.

    A `shared` place is emptied for the next who asks for one.
    """
    if kind.startswith("lance"):
        return str(folder / "store")
    server: Postgres | Milvus = request.getfixturevalue(kind.partition("-")[0])
    return server.emptied() if shared else server.database()
