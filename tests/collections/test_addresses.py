"""Addresses of stores, and that no part of a password is ever shown."""

from __future__ import annotations

import sys

import pytest

from embedder import Settings
from embedder.collections.addresses import kind_of_store, resolved, shown, user_and_password
from embedder.collections.opening import open_collections, open_store, store_url
from embedder.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "kind", "told"),
    [
        ("folder", "folder", "folder"),
        ("/a/b c", "folder", "/a/b c"),
        ("postgresql://u:secret@host:5433/db?sslmode=require", "postgres", "postgresql://host:5433/db"),
        ("postgres://u:se/cret@host/db", "postgres", "postgres://host/db"),
        ("postgresql://u:se@cret@a:1,b:2/db?password=secret", "postgres", "postgresql://a:1,b:2/db"),
        ("postgresql:///db?host=/run&password=secret", "postgres", "postgresql:///db"),
        ("milvus://u:secret@[::1]:19530/db", "milvus", "milvus://[::1]:19530/db"),
        ("milvus://host", "milvus", "milvus://host"),
        ("https://u:s%40cret@host:443#secret", "milvus", "https://host:443"),
        ("http://token-secret@host/", "milvus", "http://host"),
    ],
)
def test_an_address_is_known_and_shown_without_its_password(url: str, kind: str, told: str) -> None:
    assert kind_of_store(url) == kind
    assert shown(url) == told
    assert "cret" not in shown(url)


@pytest.mark.parametrize(
    "url",
    ["", " ", "mysql://u:secret@host/db", "milvus://", "milvus://:secret@", "http://host:secret", "://x"],
)
def test_what_is_no_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_store(url)
    assert "secret" not in str(refused.value)
    assert "postgresql://" in str(refused.value)


def test_an_address_can_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE", "milvus://a:b%2Fc@host")
    assert resolved("env:STORE") == "milvus://a:b%2Fc@host"
    assert user_and_password(resolved("env:STORE")) == ("a", "b/c")
    assert resolved("folder") == "folder"
    with pytest.raises(ConfigError, match="NOT_THERE"):
        resolved("env:NOT_THERE")


def test_the_settings_say_where_collections_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_url(Settings.load({"data_dir": "/data"})) == "/data/collections"
    monkeypatch.setenv("TESSERA_DATA_URL", "postgresql://u:secret@host/db")
    settings = Settings.load({"data_dir": "/data"})
    assert store_url(settings) == "postgresql://u:secret@host/db"
    assert "secret" not in f"{settings!r} {settings}"
    monkeypatch.setenv("TESSERA_DATA_URL", "redis://u:secret@host/db")
    with pytest.raises(ConfigError) as refused:
        open_collections(Settings.load(), None)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "package", "install"),
    [
        ("postgresql://127.0.0.1:1/db", "psycopg", "pip install 'psycopg[binary,pool]'"),
        ("milvus://127.0.0.1:1", "pymilvus", "pip install pymilvus"),
    ],
)
def test_a_package_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, url: str, package: str, install: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    store = open_store(url)
    for asked in (store.names, lambda: store.open("x"), lambda: store.create("x", 2, {})):
        with pytest.raises(ConfigError) as refused:
            asked()
        assert install in str(refused.value)
    store.close()
