"""The collections that the settings say."""

from __future__ import annotations

from typing import Any

from embedder.collections.addresses import folder_of, kind_of_store, shown
from embedder.collections.catalogue import Collections
from embedder.collections.maps import KeptMaps
from embedder.collections.store import Store
from embedder.config import Settings
from embedder.engine import Engine


def open_collections(settings: Settings, engine: Engine | None) -> Collections:
    """Those at `settings.data_url`, else in `settings.data_dir`; nothing is read before it is needed.

    Raises:
        ConfigError: the address is none.
    """
    url = store_url(settings)
    maps = KeptMaps(settings.data_dir / "maps", _identity(url))
    return Collections(open_store(url), engine, maps)


def _identity(url: str) -> str:
    """What tells a store from others: a folder's whole path, or an address without its password."""
    return str(folder_of(url).resolve()) if kind_of_store(url) == "folder" else shown(url)


def store_url(settings: Settings) -> str:
    """Where the settings keep collections: it may hold a password."""
    if settings.data_url is not None:
        return settings.data_url.get_secret_value()
    return str(settings.data_dir / "collections")


def open_store(url: str, **options: Any) -> Store:
    """The store at a folder or an address; nothing is read or made before it is needed.

    Raises:
        ConfigError: the address is none.
    """
    match kind_of_store(url):
        case "folder":
            from embedder.collections.lance.store import LanceStore

            return LanceStore(folder_of(url), **options)
        case "postgres":
            from embedder.collections.postgres.store import PostgresStore

            return PostgresStore(url, **options)
        case "milvus":
            from embedder.collections.milvus.store import MilvusStore

            return MilvusStore(url, **options)
