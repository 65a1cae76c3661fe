"""Whole files in a collection: each cut into chunks that remember it, in the background.

What has become of each is kept with the collection, under `files` of its metadata, and by whom it is
done. So every process of a server answers for all of them, and each may stop what another does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import Any
from weakref import WeakValueDictionary

from embedder.collections.catalogue import Collections
from embedder.collections.collection import Collection
from embedder.collections.earlier import chunk_id, delete_others_of_document
from embedder.collections.notes import Files, Notes
from embedder.collections.ownership import Document, State
from embedder.collections.rows import Columns
from embedder.collections.tending import Tending
from embedder.collections.texts import NewText
from embedder.collections.uploads import Uploads
from embedder.corpus.chunks import Chunking, split_texts
from embedder.corpus.reading import parse_texts
from embedder.errors import CollectionBusy, InvalidInput, TesseraError, UnknownCollection, UnknownFile
from embedder.spending import BUDGET, Budget

__all__ = ["Document", "Documents", "State"]

_LOG = logging.getLogger(__name__)

AUTO_TOKENS = 800
"""OpenAI's own size of a chunk; they overlap by half."""
MAX_DOCUMENTS = 10_000
_MAX_BATCHES = 1000
_MAX_CHUNKS = 1_000_000
_AT_ONCE = 2


class Documents:
    """Puts files into collections. Used from one event loop."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._own_turns: WeakValueDictionary[Budget, asyncio.Semaphore] = WeakValueDictionary()
        self._notes = Notes()
        self._tending = Tending(self._notes, self._work)
        self._attaching: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

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
        made = Document(
            file_id,
            upload.filename,
            "in_progress",
            int(time.time()),
            dict(attributes),
            chunking.tokens,
            chunking.overlap,
            owner=self._tending.me,
            alive=time.time(),
        )

        def noted(files: Files) -> None:
            if len(files) >= MAX_DOCUMENTS and file_id not in files:
                raise InvalidInput(f"A vector store holds at most {MAX_DOCUMENTS:,} files.", param="file_id")
            files[file_id] = replace(made, alive=time.time())

        # One at a time: what is begun for a file is stopped before it is begun with again.
        async with self._attaching.setdefault((collection.name, file_id), asyncio.Lock()):
            await self.cancel(collection, [file_id])
            await self._notes.change(collection, noted)
            self._tending.begin(collection, made)
        return made

    async def of(self, collection: Collection) -> list[Document]:
        """Every file of a collection, the newest first; one that nobody works on any more is begun anew."""
        found = await self._notes.known(collection)
        if any(one.abandoned for one in found.values()):
            found = await self._tending.take_up(collection)
        return sorted(found.values(), key=lambda one: (-one.created, one.file_id))

    async def look(self, collections: Collections) -> None:
        """Begin anew, in all collections, with what nobody works on any more.

        Raises:
            StoreFailed: not even their names can be read.
        """
        for name in await collections.names():
            try:
                await self.of(await collections.open(name))
            except TesseraError as error:  # one that is damaged keeps no other from it
                if not isinstance(error, (UnknownCollection, CollectionBusy)):
                    _LOG.warning("Files of %s were not looked after: %s", name, type(error).__name__)

    async def of_batch(self, collection: Collection, batch_id: str) -> list[Document]:
        """Those files of a collection that came together.

        Raises:
            UnknownFile: no batch is called so.
        """
        about = await collection.read_about()
        batches = about.metadata.get("batches", {})
        if batch_id not in batches:
            raise UnknownFile(batch_id)
        wanted = set(batches[batch_id])
        return [one for one in await self.of(collection) if one.file_id in wanted]

    async def get(self, collection: Collection, file_id: str) -> Document:
        """One file of a collection.

        Raises:
            UnknownFile
        """
        for one in await self.of(collection):
            if one.file_id == file_id:
                return one
        raise UnknownFile(file_id)

    async def change(self, collection: Collection, file_id: str, attributes: Columns) -> Document:
        """Give a file other attributes, and with it all of its chunks.

        Those that are yet to come get them when all are in.

        Raises:
            UnknownFile, InvalidInput
        """
        await self.get(collection, file_id)

        def changed(files: Files) -> None:
            if file_id in files:
                files[file_id] = replace(files[file_id], attributes=dict(attributes))

        files = await self._notes.change(collection, changed)
        if file_id not in files:
            raise UnknownFile(file_id)
        await self._settle(collection, file_id, None)
        return files[file_id]

    async def detach(self, collection: Collection, file_id: str) -> None:
        """Take a file and its chunks out of a collection.

        Raises:
            UnknownFile
        """
        await self.get(collection, file_id)
        await self.cancel(collection, [file_id])
        await collection.delete(documents=[file_id])
        await self._notes.change(collection, lambda files: files.pop(file_id, None))

    async def cancel(self, collection: Collection, file_ids: Sequence[str]) -> None:
        """Stop what is being done with files, by whichever process; the chunks that are in stay.

        Returns once it has stopped.
        """
        await self._tending.cancel(collection, file_ids)

    async def remember(self, collection: Collection, more: Mapping[str, Any]) -> None:
        """Keep these words beside the files, in place of those of their names."""
        await self._notes.change_metadata(collection, lambda metadata: {**metadata, **more})

    async def remember_batch(self, collection: Collection, batch_id: str, file_ids: Sequence[str]) -> None:
        """Keep which files came together; of very many batches the latest."""

        def with_batch(metadata: dict[str, Any]) -> dict[str, Any]:
            earlier = list(metadata.get("batches", {}).items())[-(_MAX_BATCHES - 1) :]
            return metadata | {"batches": {**dict(earlier), batch_id: list(file_ids)}}

        await self._notes.change_metadata(collection, with_batch)

    async def close(self) -> None:
        """Stop everything; it goes on when the collection is next looked at, by whichever process."""
        await self._tending.close()

    async def _settle(self, collection: Collection, file_id: str, known: Columns | None) -> None:
        """Have all chunks of a file bear the attributes that are noted of it; `known` is what they bear."""
        while True:
            noted = (await self._notes.known(collection)).get(file_id)
            if noted is None or noted.attributes == known:
                return
            ids = await asyncio.to_thread(collection.table.ids_of, [file_id])
            await collection.set_columns(ids, noted.attributes)
            known = noted.attributes

    async def _work(self, collection: Collection, document: Document) -> Document:
        before: set[str] = set()
        try:
            async with self._turn():
                before.update(await asyncio.to_thread(collection.table.ids_of, [document.file_id]))
                ended = await self._put(collection, document)
        except (InvalidInput, UnknownFile) as error:
            ended = replace(document, state="failed", error=str(error)[:500])
        except TesseraError as error:
            ended = replace(document, state="failed", error=str(error)[:500], at_fault="server")
        except Exception as error:
            _LOG.error("A file could not be put into %s: %s", collection.name, type(error).__name__)
            told = "The server failed on this file."
            ended = replace(document, state="failed", error=told, at_fault="server")
        if ended.state == "failed":
            with suppress(TesseraError):  # a store that fails may be why
                await self._take_back(collection, document.file_id, before)
        return ended

    def _turn(self) -> asyncio.Semaphore:
        """What a file waits for: whoever may have to wait for a budget in the middle keeps nobody else."""
        budget = BUDGET.get()
        if budget is None:
            return self._turns
        return self._own_turns.setdefault(budget, asyncio.Semaphore(1))

    async def _take_back(self, collection: Collection, file_id: str, before: set[str]) -> None:
        """Delete what a try that failed put in, unless the file is somebody else's by now."""
        noted = (await self._notes.known(collection)).get(file_id)
        if noted is None or noted.owner != self._tending.me:
            return
        await delete_others_of_document(collection, file_id, before)

    async def _put(self, collection: Collection, document: Document) -> Document:
        data = await asyncio.to_thread(self._uploads.content, document.file_id)
        suffix = PurePath(document.filename).suffix or ".txt"
        count_tokens = await collection.token_counter()
        chunks = await asyncio.to_thread(_chunks, data, suffix, document, count_tokens)
        texts = [
            NewText(chunk, chunk_id(document.file_id, number), document.file_id, document.attributes)
            for number, chunk in enumerate(chunks, start=1)
        ]
        added = await collection.add(texts)
        if added.failed:
            return replace(document, state="failed", error=added.failed[0].message)
        await delete_others_of_document(collection, document.file_id, added.ids)  # of an earlier cut
        await self._settle(collection, document.file_id, document.attributes)
        size = sum(len(chunk.encode("utf-8", "replace")) for chunk in chunks)
        return replace(document, state="completed", chunks=len(chunks), usage_bytes=size)


async def _readable(collection: Collection, wanted: Chunking | None) -> Chunking:
    """Chunks of the wanted size, or of the model's where that is less: what it does not read is not found."""
    wanted = wanted or Chunking(AUTO_TOKENS, AUTO_TOKENS // 2)
    tokens = min(wanted.tokens, (await collection.model()).max_tokens or wanted.tokens)
    return Chunking(tokens, min(wanted.overlap, tokens // 2))


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
