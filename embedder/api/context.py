"""What every route needs, kept in the application's state."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from fastapi import Request

from embedder.api.bodies import Bodies
from embedder.api.keys import Gate
from embedder.collections import Collections
from embedder.collections.documents import Documents
from embedder.collections.uploads import Uploads
from embedder.config import Settings
from embedder.engine import Engine


@dataclass(frozen=True, slots=True)
class Context:
    """The engine and what stands before it; `created` is the server's start in Unix seconds.

    `leaving` is set once the server is about to stop.
    """

    engine: Engine
    settings: Settings
    gate: Gate
    bodies: Bodies
    collections: Collections
    uploads: Uploads
    documents: Documents
    created: int
    leaving: threading.Event


def context_of(request: Request) -> Context:
    """The context of the application that answers `request`."""
    context: Context = request.app.state.context
    return context
