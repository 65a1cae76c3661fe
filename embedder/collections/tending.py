"""Work on files in the background of this process, which every other can see, stop and go on with."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import replace

from embedder.collections.collection import Collection
from embedder.collections.notes import Files, Notes
from embedder.collections.ownership import BEAT_S, LEASE_S, Document, new_owner
from embedder.errors import TesseraError, UnknownCollection
from embedder.spending import BUDGET

_LOG = logging.getLogger(__name__)

_LOOK_S = 1.0
"""So often a process looks whether another has cancelled what it does."""
_LET_GO_S = 0.1

Work = Callable[[Collection, Document], Coroutine[None, None, Document]]


class Tending:
    """Runs `work` for documents that this process owns; it returns what became of one, and never raises."""

    def __init__(self, notes: Notes, work: Work) -> None:
        self.me = new_owner()
        self._notes = notes
        self._work = work
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._collections: dict[str, Collection] = {}
        self._watching: asyncio.Task[None] | None = None

    def begin(self, collection: Collection, document: Document, *, context: Context | None = None) -> None:
        """Begin with a document whose owner is `me`, in `context`, the caller's own if None."""
        key = (collection.name, document.file_id)
        if key in self._running:
            self._running[key].cancel()
        loop = asyncio.get_running_loop()
        task = self._running[key] = loop.create_task(self._do(collection, document), context=context)
        self._collections[collection.name] = collection
        task.add_done_callback(
            lambda done: self._running.pop(key, None) if self._running.get(key) is done else None
        )
        if self._watching is None or self._watching.done():
            self._watching = loop.create_task(self._watch())

    async def take_up(self, collection: Collection) -> Files:
        """Go on with what nobody works on; of several processes that see it, one does."""
        taken: list[Document] = []

        def taking(files: Files) -> None:
            for file_id, one in files.items():
                if one.abandoned:
                    files[file_id] = replace(one, owner=self.me, alive=time.time())
                    taken.append(files[file_id])

        files = await self._notes.change(collection, taking)
        # It is not the work of whoever happens to ask, whose tokens these are not.
        nobodys = copy_context()
        nobodys.run(BUDGET.set, None)
        for one in taken:
            self.begin(collection, one, context=nobodys)
        return files

    async def cancel(self, collection: Collection, file_ids: Sequence[str]) -> None:
        """Stop what is being done with files, by whichever process; returns once it has stopped."""
        known = await self._notes.known(collection)
        wanted = [one for one in file_ids if one in known and (known[one].owner or known[one].abandoned)]
        if not wanted:
            return

        def cancelled(files: Files) -> None:
            for file_id in wanted:
                if file_id in files and files[file_id].state == "in_progress":
                    files[file_id] = replace(files[file_id], state="cancelled")

        await self._notes.change(collection, cancelled)
        await self._stop(collection, wanted)
        until_s = time.monotonic() + LEASE_S
        while time.monotonic() < until_s:
            known = await self._notes.known(collection)
            if not any(known[one].worked_on for one in wanted if one in known):
                return
            await asyncio.sleep(_LET_GO_S)

    async def close(self) -> None:
        """Stop everything here; others may go on with it."""
        if self._watching is not None:
            self._watching.cancel()
        for name, collection in list(self._collections.items()):
            with suppress(TesseraError):
                await self._stop(collection, [file_id for held, file_id in self._running if held == name])

    async def _stop(self, collection: Collection, file_ids: Iterable[str]) -> None:
        """End what this process does with files, and say that it has."""
        mine = [file_id for file_id in file_ids if (collection.name, file_id) in self._running]
        tasks = [self._running[collection.name, file_id] for file_id in mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        def let_go(files: Files) -> None:
            for file_id in mine:
                if file_id in files and files[file_id].owner == self.me:
                    files[file_id] = replace(files[file_id], owner="")

        if mine:
            await self._notes.change(collection, let_go)

    async def _do(self, collection: Collection, document: Document) -> None:
        ended = await self._work(collection, document)

        def noted(files: Files) -> None:
            now = files.get(document.file_id)
            if now is not None and now.owner == self.me:
                kept = ended if now.state == "in_progress" else now
                files[document.file_id] = replace(kept, attributes=now.attributes, owner="")

        try:
            await self._notes.change(collection, noted)
        except TesseraError as error:  # it is taken up again once its owner has been silent for long
            _LOG.error("What became of a file in %s is lost: %s", collection.name, type(error).__name__)

    async def _watch(self) -> None:
        """While there is work: stop what another process cancelled, and tell that this one lives."""
        told_s = time.monotonic()
        while self._running:
            await asyncio.sleep(_LOOK_S)
            beat = time.monotonic() - told_s > BEAT_S
            for name in {name for name, _ in self._running}:
                try:
                    await self._look_after(self._collections[name], beat=beat)
                except UnknownCollection:
                    for key in [key for key in self._running if key[0] == name]:
                        self._running[key].cancel()
                except TesseraError as error:  # it may be there again at the next look
                    _LOG.warning("The collection %s cannot be looked after: %s", name, type(error).__name__)
            if beat:
                told_s = time.monotonic()
        self._collections.clear()

    async def _look_after(self, collection: Collection, *, beat: bool) -> None:
        mine = [file_id for name, file_id in self._running if name == collection.name]
        known = await self._notes.known(collection)
        if not beat and all(self._is_mine(known, file_id) for file_id in mine):
            return

        def told(files: Files) -> None:
            for file_id in mine:
                if self._is_mine(files, file_id):
                    files[file_id] = replace(files[file_id], alive=time.time())

        # What was read may be a second old; what is changed is as it is.
        files = await self._notes.change(collection, told)
        await self._stop(collection, [file_id for file_id in mine if not self._is_mine(files, file_id)])

    def _is_mine(self, files: Files, file_id: str) -> bool:
        one = files.get(file_id)
        return one is not None and one.owner == self.me and one.state == "in_progress"
