"""Files in a collection: cut, kept, told apart, and gone on with after a stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from embedder.collections import Collection, Collections
from embedder.collections.documents import Document, Documents
from embedder.collections.uploads import Uploads
from embedder.corpus.chunks import Chunking
from embedder.errors import TooLarge, UnknownFile
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


async def test_a_cancelled_file_stays_cancelled(
    documents: Documents, store: Collection, uploads: Uploads
) -> None:
    upload = uploads.add("long.txt", "assistants", WORDS.encode())
    await documents.attach(store, upload.id, {}, None)
    await documents.cancel(store, [upload.id])
    assert (await documents.get(store, upload.id)).state == "cancelled"
    await documents.attach(store, upload.id, {}, None)
    assert (await ended(documents, store, upload.id)).state == "completed"


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
    monkeypatch.setattr("embedder.collections.uploads.MAX_FILES", 1)
    with pytest.raises(TooLarge):
        uploads.add("b", "assistants", b"")
    uploads.delete(made.id)
    assert uploads.all() == []
    with pytest.raises(UnknownFile):
        uploads.delete(made.id)
