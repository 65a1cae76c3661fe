"""`tessera key`: what it makes is taken by a server on the same store."""

from __future__ import annotations

from pathlib import Path

from embedder.collections.keys import Keys
from embedder.collections.opening import open_store
from tests.cli.commands import run


def test_a_key_from_its_making_to_its_end(tmp_path: Path) -> None:
    def key(*arguments: str, code: int = 0) -> tuple[list[str], str]:
        done = run(tmp_path, "key", *arguments, TESSERA_DATA_DIR=str(tmp_path / "data"))
        assert done.returncode == code, done.stderr
        return done.stdout.decode().splitlines(), done.stderr.decode()

    assert key("list")[0] == ["ID  MADE  TOKENS/MINUTE  NAME"]
    (sent,), said = key("add", "Ada's notebook", "--tokens-per-minute", "120000")
    assert sent not in said
    keys = Keys(open_store(str(tmp_path / "data" / "collections")))
    (kept,) = keys.read() or []
    assert kept.id in said
    (_, told), _ = key("list")
    assert told.split(maxsplit=3)[0::2] == [kept.id, "120,000"]
    assert told.endswith("  Ada's notebook")
    assert "no key 'ffff'" in key("revoke", "ffff", code=2)[1]
    assert kept.id in key("revoke", kept.id)[1]
    assert "no key left" in key("list")[1]
    assert "--yes" in key("forget", code=2)[1]
    key("forget", "--yes")
    assert keys.read() is None
    # What cannot be read can be forgotten, as its message says.
    key("add", "Ada")
    keys._store.open("._keys").write_info({"keys": "damaged"})
    assert "tessera key forget" in key("list", code=2)[1]
    key("forget", "--yes")
    assert keys.read() is None
