"""The collections that the settings say."""

from __future__ import annotations

from embedder.collections.catalogue import Collections
from embedder.config import Settings
from embedder.engine import Engine


def open_collections(settings: Settings, engine: Engine | None) -> Collections:
    """Those in `settings.data_dir`; nothing is read or made before it is needed."""
    from embedder.collections.lance.store import LanceStore

    return Collections(LanceStore(settings.data_dir / "collections"), engine)
