"""Files in a collection: cut, kept, told apart, and gone on with after a stop."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from embedder.collections import Collection, Collections, ownership
from embedder.collections.documents import Document, Documents
from embedder.collections.ownership import CLOCKS_APART_S, LEASE_S, new_owner
from embedder.collections.rows import Rows
from embedder.collections.uploads import Upload, Uploads
from embedder.corpus.chunks import Chunking
from embedder.errors import CollectionBusy, StoreFailed, TooLarge, UnknownFile
from tests.collections.conftest import Runtime

WORDS = " ".join(f"word{n}" for n in range(300))


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "files")


@pytest.fixture
async def documents(uploads: Uploads) -> AsyncIterator[Documents]:
    made = Documents(uploads)
    yield made
    await made.close()


@pytest.fixture
async def store(collections: Collections) -> Collection:
    return await collections.create("vs_1", metadata={"name": "n"})


async def ended(documents: Documents, store: Collection, file_id: str) -> Document:
    async with asyncio.timeout(60):
        while (found := await documents.get(store, file_id)).state == "in_progress":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def test_a_file_is_cut_within_what_the_model_reads(
    documents: Documents, store: Collection, uploads: Uploads
) -> None:
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    begun = await documents.attach(store, upload.id, {"kind": "words"}, None)
    # The runtime reads 64 tokens; OpenAI's own chunks would be 800, of which it would see a twelfth.
    assert (begun.state, begun.tokens, begun.overlap) == ("in_progress", 64, 32)
    done = await ended(documents, store, upload.id)
    assert (done.state, done.filename, done.error) == ("completed", "long.txt", "")
    rows = await store.get([f"{upload.id}#{n}" for n in range(1, done.chunks + 1)])
    assert len(rows) == done.chunks == await store.count() > 4
    assert all(len(row.text.split()) <= 62 for row in rows)
    assert {word for row in rows for word in row.text.split()} == set(WORDS.split())
    assert {row.document for row in rows} == {upload.id}
    assert {row.columns["kind"] for row in rows} == {"words"}

    again = await documents.attach(store, upload.id, {}, Chunking(32, 0))
    assert (again.tokens, again.overlap) == (32, 0)
    finer = await ended(documents, store, upload.id)
    assert finer.chunks > done.chunks
    assert await store.count() == finer.chunks, "chunks of before are left"
    await documents.change(store, upload.id, {"kind": "new"})
    assert (await store.get([f"{upload.id}#1"]))[0].columns == {"kind": "new"}
    await documents.detach(store, upload.id)
    assert await store.count() == 0
    assert await documents.of(store) == []
    with pytest.raises(UnknownFile):
        await documents.detach(store, upload.id)
    assert uploads.get(upload.id).filename == "long.txt", "the file itself stays"
    assert store.about.metadata["name"] == "n"


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.txt", b"", "no text"),
        ("blank.md", b" \n\n", "no text"),
        ("broken.pdf", b"%PDF-1.7 nothing", "PDF"),
        ("broken.parquet", b"PAR1", "Parquet"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100), "picture"),
    ],
)
async def test_a_file_that_holds_no_text_fails_with_a_sentence(
    documents: Documents, store: Collection, uploads: Uploads, name: str, data: bytes, says: str
) -> None:
    upload = uploads.add(name, "assistants", data)
    await documents.attach(store, upload.id, {}, None)
    failed = await ended(documents, store, upload.id)
    assert failed.state == "failed"
    assert says in failed.error
    assert await store.count() == 0


async def test_odd_bytes_do_not_lose_a_file(
    documents: Documents, store: Collection, uploads: Uploads
) -> None:
    upload = uploads.add("odd.txt", "assistants", "one two caf\u00e9 ".encode() * 20 + b"\xff end")
    await documents.attach(store, upload.id, {}, None)
    assert (await ended(documents, store, upload.id)).state == "completed"


async def test_what_a_stop_cut_off_is_gone_on_with(
    documents: Documents, store: Collection, uploads: Uploads, runtimes: dict[str, Runtime]
) -> None:
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    await documents.attach(store, upload.id, {}, None)
    await documents.close()
    later = Documents(uploads)
    assert (await later.get(store, upload.id)).state == "in_progress"
    done = await ended(later, store, upload.id)
    assert done.state == "completed"
    assert await store.count() == done.chunks
    await later.close()


def fails_for(name: str, read: Any) -> Any:
    def about(collection: Collection) -> Any:
        if collection.name == name:
            raise StoreFailed("damaged")
        return read(collection)

    return about


async def test_what_a_stop_cut_off_is_gone_on_with_though_nobody_asks(
    documents: Documents, collections: Collections, store: Collection, uploads: Uploads
) -> None:
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    await documents.attach(store, upload.id, {}, None)
    await documents.close()
    later = Documents(uploads)
    # One before it that cannot be read keeps nobody from it.
    damaged = await collections.create("damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(damaged), "about", property(fails_for("damaged", type(damaged).about.fget)))
        await later.look(collections)
    # What another would see, who begins nothing.
    async with asyncio.timeout(30):
        while store.about.metadata["files"][upload.id]["state"] != "completed":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await later.close()


async def test_a_cancelled_file_stays_cancelled(
    documents: Documents, store: Collection, uploads: Uploads
) -> None:
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    await documents.attach(store, upload.id, {}, None)
    await documents.cancel(store, [upload.id])
    assert (await documents.get(store, upload.id)).state == "cancelled"
    await documents.attach(store, upload.id, {}, None)
    assert (await ended(documents, store, upload.id)).state == "completed"


class Slow:
    """Uploads that are not read before they are told to be."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self.go_on = threading.Event()

    def get(self, file_id: str) -> Upload:
        return self._uploads.get(file_id)

    def content(self, file_id: str) -> bytes:
        self.go_on.wait(60)
        return self._uploads.content(file_id)


@pytest.fixture
async def slow(uploads: Uploads) -> AsyncIterator[tuple[Documents, Slow]]:
    """Another process's documents, as far as a process can be in this one, whose work stands still."""
    waiting = Slow(uploads)
    made = Documents(waiting)  # type: ignore[arg-type]
    yield made, waiting
    waiting.go_on.set()
    await made.close()


async def test_another_process_tells_how_far_a_file_is_and_does_not_begin_it_too(
    documents: Documents, slow: tuple[Documents, Slow], store: Collection, uploads: Uploads
) -> None:
    theirs, waiting = slow
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    begun = await theirs.attach(store, upload.id, {}, None)
    seen = await documents.get(store, upload.id)
    assert (seen.state, seen.owner) == ("in_progress", begun.owner)
    await documents.remember_batch(store, "b", [upload.id])
    await documents.change(store, upload.id, {"kind": "changed meanwhile"})
    waiting.go_on.set()
    done = await ended(documents, store, upload.id)
    assert (done.state, done.owner) == ("completed", "")
    assert done.attributes == {"kind": "changed meanwhile"}
    rows = await store.get(await asyncio.to_thread(store.table.ids_of, [upload.id]))
    assert len(rows) == done.chunks
    assert {row.columns["kind"] for row in rows} == {"changed meanwhile"}
    assert await theirs.of_batch(store, "b") == [done]


async def test_another_process_stops_a_file_and_may_put_it_in_itself(
    documents: Documents, slow: tuple[Documents, Slow], store: Collection, uploads: Uploads
) -> None:
    theirs, waiting = slow
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    await theirs.attach(store, upload.id, {}, None)
    asyncio.get_running_loop().call_later(0.3, waiting.go_on.set)  # a thread is not to be cancelled
    await documents.cancel(store, [upload.id])
    stopped = await theirs.get(store, upload.id)
    assert (stopped.state, stopped.owner) == ("cancelled", ""), "it returned before the other had let go"
    waiting.go_on.clear()
    await theirs.attach(store, upload.id, {}, None)
    waiting.go_on.set()
    own = await documents.attach(store, upload.id, {"by": "me"}, Chunking(32, 0))
    assert (await ended(theirs, store, upload.id)).attributes == {"by": "me"}
    assert await store.count() == (await documents.get(store, upload.id)).chunks
    assert (await documents.get(store, upload.id)).tokens == own.tokens == 32


async def test_a_file_that_is_attached_twice_at_once_is_put_in_once(
    documents: Documents, store: Collection, uploads: Uploads
) -> None:
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    for _ in range(3):
        await asyncio.gather(
            *(
                documents.attach(store, upload.id, {"t": tokens}, Chunking(tokens, 0))
                for tokens in (16, 32, 48)
            )
        )
        done = await ended(documents, store, upload.id)
        assert done.state == "completed"
        rows = await store.get(await asyncio.to_thread(store.table.ids_of, [upload.id]))
        assert len(rows) == await store.count() == done.chunks
        assert {row.columns["t"] for row in rows} == {done.tokens}


async def test_of_a_file_that_failed_nothing_is_found_and_it_says_whose_fault_it_was(
    documents: Documents, store: Collection, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    write, busy = store.table.upsert, CollectionBusy("vs_1", 1.0)

    def refuse(rows: Rows) -> int:
        write(rows.take([0]))
        raise busy

    with monkeypatch.context() as patch:
        patch.setattr(store.table, "upsert", refuse)
        await documents.attach(store, upload.id, {}, None)
        failed = await ended(documents, store, upload.id)
    assert (failed.state, failed.at_fault, failed.error) == ("failed", "server", str(busy))
    assert await store.count() == 0
    await documents.attach(store, upload.id, {}, None)
    done = await ended(documents, store, upload.id)
    assert done.state == "completed"
    with monkeypatch.context() as patch:
        patch.setattr(store.table, "upsert", refuse)
        await documents.attach(store, upload.id, {}, Chunking(32, 0))
        assert (await ended(documents, store, upload.id)).state == "failed"
    assert await store.count() == done.chunks, "what was there goes when the new is whole"


async def test_what_a_cancelled_writer_still_writes_is_waited_for(
    documents: Documents, store: Collection, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    begun, go_on = threading.Event(), threading.Event()
    write = store.table.upsert

    def slowly(rows: Rows) -> int:
        begun.set()
        assert go_on.wait(60)
        return write(rows)

    monkeypatch.setattr(store.table, "upsert", slowly)
    await documents.attach(store, upload.id, {}, None)
    assert await asyncio.to_thread(begun.wait, 60)
    leaving = asyncio.create_task(documents.detach(store, upload.id))
    await asyncio.sleep(0.3)
    assert not leaving.done()
    go_on.set()
    await leaving
    assert await store.count() == 0, "chunks came after the file was taken out"


async def test_metadata_that_people_wrote_in_the_place_of_files_harms_nobody(
    documents: Documents, collections: Collections
) -> None:
    for name, files in (("vs_a", "abc"), ("vs_b", {"f": 1}), ("vs_c", {"f": {"unknown": 1}})):
        store = await collections.create(name, metadata={"files": files})
        assert await documents.of(store) == []


def pid_of_one_that_ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("how", ["its process is gone", "it was silent for long"])
async def test_what_a_dead_process_left_is_gone_on_with(
    documents: Documents, store: Collection, uploads: Uploads, how: str
) -> None:
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    await documents.attach(store, upload.id, {}, None)
    done = await ended(documents, store, upload.id)
    if how == "its process is gone":
        here = new_owner().partition("/")[0]
        left = replace(done, owner=f"{here}/{pid_of_one_that_ended()}/0", alive=time.time())
    else:
        left = replace(done, owner="elsewhere/1/0", alive=time.time() - CLOCKS_APART_S - 1)
    working = replace(left, state="in_progress", owner="elsewhere/1/0", alive=time.time())
    left = replace(left, state="in_progress", chunks=0)
    for document in (working, left):
        files = {upload.id: asdict(document)}
        store.table.change_info(lambda info, files=files: {**info, "metadata": {"files": files}})
        state = (await documents.get(store, upload.id)).owner
        assert (state == working.owner) == (document is working), "only what nobody works on is taken up"
    again = await ended(documents, store, upload.id)
    assert (again.state, again.chunks) == ("completed", done.chunks)
    assert await store.count() == done.chunks


@pytest.mark.parametrize("clock_ahead_s", [-300, 0, 300])
def test_who_beats_elsewhere_lives_whatever_its_clock_says(
    monkeypatch: pytest.MonkeyPatch, clock_ahead_s: float
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(ownership.time, "monotonic", lambda: now_s)

    def heard(beat: int) -> Document:
        said = time.time() + clock_ahead_s + beat * ownership.BEAT_S
        return Document("f", "a.txt", "in_progress", 0, {}, 800, 400, owner="elsewhere/1/0", alive=said)

    for beat in range(3):
        document = heard(beat)
        assert document.worked_on
        now_s += LEASE_S - 1
        assert document.worked_on
    now_s += 2
    assert document.abandoned, "it has said nothing new for as long as that"


def test_a_process_of_another_container_by_the_same_name_is_not_taken_for_ended() -> None:
    other = f"{socket.gethostname()}-00000000/{pid_of_one_that_ended()}/0"
    assert Document("g", "a.txt", "in_progress", 0, {}, 800, 400, owner=other, alive=time.time()).worked_on


async def test_a_store_that_is_deleted_stops_what_is_done_for_it(
    collections: Collections, documents: Documents, slow: tuple[Documents, Slow], uploads: Uploads
) -> None:
    theirs, waiting = slow
    gone = await collections.create("vs_2")
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    await theirs.attach(gone, upload.id, {}, None)
    await collections.delete("vs_2")
    waiting.go_on.set()
    await theirs.close()
    assert "vs_2" not in await collections.names()


async def test_many_files_at_once_are_all_remembered(
    documents: Documents, store: Collection, uploads: Uploads
) -> None:
    sent = [uploads.add(f"{n}.txt", "assistants", f"text of file {n}".encode()) for n in range(12)]
    await asyncio.gather(*(documents.attach(store, one.id, {"n": n}, None) for n, one in enumerate(sent)))
    for one in sent:
        assert (await ended(documents, store, one.id)).state == "completed"
    assert await store.count() == 12


def test_uploads_are_known_by_their_ids_only(
    uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert uploads.all() == []
    made = uploads.add("../../etc/passwd", "assistants", b"bytes")
    assert (uploads.content(made.id), uploads.get(made.id), uploads.all()) == (b"bytes", made, [made])
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "content").write_bytes(b"secret")
    for odd in (
        "",
        ".",
        "..",
        "../secret",
        "file-",
        made.id + "/..",
        made.id[:-1],
        "file-" + "g" * 24,
        "\x00",
    ):
        for look in (uploads.get, uploads.content, uploads.delete):
            with pytest.raises(UnknownFile):
                look(odd)
    monkeypatch.setattr("embedder.collections.uploads.MAX_BYTES", made.bytes + 3)
    with pytest.raises(TooLarge):
        uploads.add("b", "assistants", b"four")
    uploads.delete(uploads.add("b", "assistants", b"two").id)
    monkeypatch.setattr("embedder.collections.uploads.MAX_FILES", 1)
    with pytest.raises(TooLarge):
        uploads.add("b", "assistants", b"")
    uploads.delete(made.id)
    assert uploads.all() == []
    with pytest.raises(UnknownFile):
        uploads.delete(made.id)
