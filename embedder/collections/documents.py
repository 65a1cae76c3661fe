"""Whole files in a collection: each cut into chunks that remember it, in the background.

What has become of each is kept with the collection, under `files` of its metadata.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any, Literal, cast

from embedder.collections.collection import Collection
from embedder.collections.rows import Columns
from embedder.collections.texts import NewText
from embedder.collections.uploads import Uploads
from embedder.corpus.chunks import Chunking, split_texts
from embedder.corpus.reading import parse_texts
from embedder.errors import InvalidInput, TesseraError, UnknownFile

_LOG = logging.getLogger(__name__)

State = Literal["in_progress", "completed", "failed", "cancelled"]

AUTO_TOKENS = 800
"""OpenAI's own size of a chunk; they overlap by half."""
MAX_DOCUMENTS = 10_000
_MAX_CHUNKS = 1_000_000
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Document:
    """A file in a collection; `tokens` and `overlap` of its chunks are as `Chunking` has them."""

    file_id: str
    filename: str
    state: State
    created: int
    attributes: Columns
    tokens: int
    overlap: int
    chunks: int = 0
    usage_bytes: int = 0
    error: str = ""


class Documents:
    """Puts files into collections. Used from one event loop."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._noting = asyncio.Lock()

    async def attach(
        self, collection: Collection, file_id: str, attributes: Columns, chunking: Chunking | None
    ) -> Document:
        """Begin to put a file into a collection, in place of what it had of it.

        `chunking` None is OpenAI's own; chunks are never longer than the model reads.

        Raises:
            UnknownFile, InvalidInput, and what `Collection.model` raises.
        """
        upload = await asyncio.to_thread(self._uploads.get, file_id)
        chunking = await _readable(collection, chunking)
        if len(self.of(collection)) >= MAX_DOCUMENTS:
            raise InvalidInput(f"A vector store holds at most {MAX_DOCUMENTS:,} files.", param="file_id")
        made = Document(
            file_id,
            upload.filename,
            "in_progress",
            int(time.time()),
            dict(attributes),
            chunking.tokens,
            chunking.overlap,
        )
        await self._note(collection, made)
        self._begin(collection, made)
        return made

    def of(self, collection: Collection) -> list[Document]:
        """Every file of a collection, the newest first; one whose work was cut off is begun anew."""
        found = _known(collection)
        for one in found:
            if one.state == "in_progress" and (collection.name, one.file_id) not in self._running:
                self._begin(collection, one)
        return sorted(found, key=lambda one: (-one.created, one.file_id))

    def get(self, collection: Collection, file_id: str) -> Document:
        """One file of a collection.

        Raises:
            UnknownFile
        """
        for one in self.of(collection):
            if one.file_id == file_id:
                return one
        raise UnknownFile(file_id)

    async def change(self, collection: Collection, file_id: str, attributes: Columns) -> Document:
        """Give a file other attributes, and with it all of its chunks."""
        changed = replace(self.get(collection, file_id), attributes=dict(attributes))
        ids = await asyncio.to_thread(collection.table.ids_of, [file_id])
        for row_id in ids:
            await collection.update(row_id, columns=attributes)
        await self._note(collection, changed)
        return changed

    async def detach(self, collection: Collection, file_id: str) -> None:
        """Take a file and its chunks out of a collection.

        Raises:
            UnknownFile
        """
        self.get(collection, file_id)
        await self.cancel(collection, file_id)
        await collection.delete(documents=[file_id])
        await self._note(collection, None, gone=file_id)

    async def cancel(self, collection: Collection, file_id: str) -> None:
        """Stop what is being done with a file; the chunks that are in stay."""
        task = self._running.get((collection.name, file_id))
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for one in _known(collection):
                if one.file_id == file_id and one.state == "in_progress":
                    await self._note(collection, replace(one, state="cancelled"))

    async def remember(self, collection: Collection, more: Mapping[str, Any]) -> None:
        """Keep these words beside the files, in place of those of their names."""
        async with self._noting:
            await asyncio.to_thread(_remembered, collection, more)

    async def close(self) -> None:
        """Stop everything; it goes on when the collection is next looked at."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel("closing")
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, collection: Collection, document: Document) -> None:
        key = (collection.name, document.file_id)
        old = self._running.get(key)
        if old is not None:
            old.cancel()
        task = asyncio.get_running_loop().create_task(self._work(collection, document))
        self._running[key] = task
        task.add_done_callback(
            lambda done: self._running.pop(key, None) if self._running.get(key) is done else None
        )

    async def _work(self, collection: Collection, document: Document) -> None:
        try:
            async with self._turns:
                ended = await self._put(collection, document)
        except TesseraError as error:
            ended = replace(document, state="failed", error=str(error)[:500])
        except Exception as error:
            _LOG.error("A file could not be put into %s: %s", collection.name, type(error).__name__)
            ended = replace(document, state="failed", error="The server failed on this file.")
        await self._note(collection, ended)

    async def _put(self, collection: Collection, document: Document) -> Document:
        data = await asyncio.to_thread(self._uploads.content, document.file_id)
        suffix = PurePath(document.filename).suffix or ".txt"
        count_tokens = await collection.token_counter()
        chunks = await asyncio.to_thread(_chunks, data, suffix, document, count_tokens)
        await collection.delete(documents=[document.file_id])
        texts = [
            NewText(chunk, f"{document.file_id}#{number}", document.file_id, document.attributes)
            for number, chunk in enumerate(chunks, start=1)
        ]
        added = await collection.add(texts)
        if added.failed:
            return replace(document, state="failed", error=added.failed[0].message)
        size = sum(len(chunk.encode("utf-8", "replace")) for chunk in chunks)
        return replace(document, state="completed", chunks=len(chunks), usage_bytes=size)

    async def _note(self, collection: Collection, document: Document | None, gone: str = "") -> None:
        async with self._noting:
            await asyncio.to_thread(_noted, collection, document, gone)


async def _readable(collection: Collection, wanted: Chunking | None) -> Chunking:
    """Chunks of the wanted size, or of the model's where that is less: what it does not read is not found."""
    wanted = wanted or Chunking(AUTO_TOKENS, AUTO_TOKENS // 2)
    tokens = min(wanted.tokens, (await collection.model()).max_tokens or wanted.tokens)
    return Chunking(tokens, min(wanted.overlap, tokens // 2))


def _known(collection: Collection) -> list[Document]:
    files = cast("Mapping[str, Any]", collection.about.metadata.get("files", {}))
    return [Document(**told) for told in files.values()]


def _noted(collection: Collection, document: Document | None, gone: str) -> None:
    files = dict(collection.about.metadata.get("files", {}))
    if document is not None:
        files[document.file_id] = asdict(document)
    files.pop(gone, None)
    _remembered(collection, {"files": files})


def _remembered(collection: Collection, more: Mapping[str, Any]) -> None:
    info = dict(collection.table.info)
    collection.table.write_info(info | {"metadata": {**info.get("metadata", {}), **more}})


def _chunks(data: bytes, suffix: str, document: Document, count_tokens: Any) -> list[str]:
    """The file's texts as one, cut."""
    if suffix.lower() in (".txt", ".md"):
        from embedder.corpus.decoding import decode

        whole = decode(data)[0]
    else:
        whole = "\n\n".join(parse_texts(data, suffix=suffix).texts)
    whole = whole.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if not whole.strip():
        raise InvalidInput("The file holds no text.")
    chunking = Chunking(document.tokens, document.overlap)
    return split_texts([whole], {}, chunking, count_tokens, _MAX_CHUNKS).texts
