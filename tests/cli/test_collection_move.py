"""`tessera collection move`, in processes of its own, between a folder and a database behind a password."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from embedder.collections.keys import Keys
from embedder.collections.lance.store import LanceStore
from embedder.collections.opening import open_store
from tests.cli.commands import run, start
from tests.collections.conftest import rows_of
from tests.servers import PASSWORD, Milvus, Postgres

INFO = {"model": "", "fingerprint": "", "created": 1_700_000_000, "metadata": {"note": "n"}}


def kept(folder: Path, count: int, dimensions: int = 8) -> None:
    """A collection `notes` in the folder that the command takes for its own."""
    store = LanceStore(folder / "data" / "collections")
    table = store.create("notes", dimensions, INFO)
    texts = [f"note number {n}" for n in range(count)]
    vectors = np.random.default_rng(0).standard_normal((count, dimensions)).astype(np.float32)
    table.upsert(rows_of(texts, columns=[{"n": n} for n in range(count)], vectors=vectors))
    store.close()


def collection(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    done = run(folder, "collection", *arguments, TESSERA_DATA_DIR=str(folder / "data"), **variables)
    for told in (done.stdout, done.stderr):
        assert b"s3cret" not in told, "a password was shown"
        assert b"Traceback" not in told
    return done


def counted(place: Path | str) -> dict[str, int]:
    """How many texts each collection of a store has, hidden ones too."""
    store = open_store(str(place / "data" / "collections") if isinstance(place, Path) else place)
    found = {name: store.open(name).count() for name in store.names()}
    store.close()
    return found


def test_there_by_a_variable_searched_there_and_back(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.database()
    kept(tmp_path, 300)
    moved = collection(tmp_path, "move", "notes", "--to", "env:THERE", "--as", "moved", THERE=url)
    told = moved.stderr.decode()
    assert moved.returncode == 0, told
    assert "300 texts of notes in " in told
    assert " as moved, compared one by one (checksum " in told
    assert "is still there" in told
    assert (counted(tmp_path), counted(url)) == ({"notes": 300}, {"moved": 300})
    words = ["search", "moved", "number 123", "--mode", "keyword", "-k", "1"]
    assert b"note number 123" in collection(tmp_path, *words, TESSERA_DATA_URL=url).stdout
    back = collection(tmp_path, "move", "moved", "--from", url, "--as", "back", "--delete", "--progress")
    assert back.returncode == 0, back.stderr.decode()
    assert "is deleted" in back.stderr.decode()
    assert "comparing" in back.stderr.decode()
    assert (counted(tmp_path), counted(url)) == ({"back": 300, "notes": 300}, {})
    assert told.split("checksum ")[1].split(")")[0] in back.stderr.decode()


def test_keys_stay_with_their_store(tmp_path: Path) -> None:
    kept(tmp_path, 3)
    here, there = (open_store(str(tmp_path / place)) for place in ("data/collections", "there"))
    Keys(here).add("Ada", 100)
    before = Keys(here).read()
    assert before
    moved = collection(tmp_path, "move", "notes", "--to", str(tmp_path / "there"), "--delete")
    assert moved.returncode == 0, moved.stderr.decode()
    assert counted(str(tmp_path / "there")) == {"notes": 3}
    assert Keys(there).read() is None
    assert Keys(here).read() == before
    for store in (here, there):
        store.close()


@pytest.mark.parametrize(("kind", "sign"), [("postgres", signal.SIGKILL), ("milvus", signal.SIGINT)])
def test_stopped_half_way_nothing_shows_there_and_moving_again_goes_on(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, sign: signal.Signals
) -> None:
    server: Postgres | Milvus = request.getfixturevalue(kind)
    url = server.database()
    kept(tmp_path, 8000, dimensions=64)
    arguments = ["collection", "move", "notes", "--to", url, "--delete"]
    process = start(tmp_path, *arguments, TESSERA_DATA_DIR=str(tmp_path / "data"))
    store = open_store(url)
    try:
        deadline = time.monotonic() + 180
        while not store.names() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        while store.open(".notes").count() < 2000 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(sign)
        _, told = process.communicate(timeout=180)
    finally:
        process.kill()
    assert process.returncode in (130, -signal.SIGKILL), told.decode()
    store.close()
    found = counted(url)
    assert list(found) == [".notes"], "it was not stopped half way"
    assert 2000 <= found[".notes"] < 8000
    if sign == signal.SIGINT:
        assert b"Stopped. Nothing shows there yet" in told
    assert counted(tmp_path) == {"notes": 8000}
    again = collection(tmp_path, *arguments[1:])
    assert again.returncode == 0, again.stderr.decode()
    assert (counted(tmp_path), counted(url)) == ({}, {"notes": 8000})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["notes"], "Say where it goes with --to"),
        (["notes", "--to", "mysql://root:s3cret@host/db"], "This is no address of a store."),
        (["notes", "--to", "env:NOT_THERE"], "no variable 'NOT_THERE'"),
        (["notes", "--to", "postgresql://u:s3cret@127.0.0.1:1/db"], "127.0.0.1:1/db cannot be used: nothing"),
        (["notes", "--to", "milvus://u:s3cret@127.0.0.1:1"], "127.0.0.1:1 cannot be used"),
    ],
)
def test_errors_are_one_sentence(tmp_path: Path, arguments: list[str], says: str) -> None:
    kept(tmp_path, 3)
    refused = collection(tmp_path, "move", *arguments)
    assert (refused.returncode, refused.stdout) == (2, b"")
    (line,) = refused.stderr.decode().splitlines()
    assert line.startswith("tessera: ")
    assert says in line


def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path, postgres: Postgres) -> None:
    assert "s3cret" in PASSWORD
    url = postgres.database().replace("s3cret", "s3cretno")
    kept(tmp_path, 3)
    refused = collection(tmp_path, "move", "notes", "--to", url)
    assert refused.returncode == 2
    assert "it refuses the user or the password" in refused.stderr.decode()
    served = collection(tmp_path, "list", TESSERA_DATA_URL=url)
    assert "it refuses the user or the password" in served.stderr.decode()
