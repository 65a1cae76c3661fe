"""What a collection remembers of its files, under `files` of its metadata, and what programs call it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from embedder.collections.collection import Collection
from embedder.collections.ownership import Document
from embedder.collections.store import Info

Files = dict[str, Document]
"""Documents by the ids of their files."""


class Notes:
    """Reads and changes what is remembered; each change is one step among all processes."""

    def __init__(self) -> None:
        self._changing = asyncio.Lock()  # those who wait in line here hold no thread

    async def known(self, collection: Collection) -> Files:
        """What is remembered; what another process wrote may show a second later."""
        return await asyncio.to_thread(lambda: files_of(collection.about.metadata))

    async def change(self, collection: Collection, change: Callable[[Files], object]) -> Files:
        """Have `change` made to what is known of files; what is known then."""
        files: Files = {}

        def changed(metadata: dict[str, Any]) -> dict[str, Any]:
            files.clear()
            files.update(files_of(metadata))
            change(files)
            return metadata | {"files": {file_id: asdict(one) for file_id, one in files.items()}}

        await self.change_metadata(collection, changed)
        return files

    async def change_metadata(
        self, collection: Collection, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        """Have all of the metadata changed."""

        def changed(info: Info) -> Info:
            return {**info, "metadata": change(dict(info.get("metadata", {})))}

        async with self._changing:
            await asyncio.to_thread(collection.table.change_info, changed)


def files_of(metadata: Mapping[str, Any]) -> Files:
    """Those that are told of as this version does; metadata is also what people and other versions write."""
    told = metadata.get("files")
    files = {}
    for file_id, one in told.items() if isinstance(told, Mapping) else ():
        with suppress(TypeError):
            files[file_id] = Document(**one)
    return files


def title_of(metadata: Mapping[str, Any]) -> str:
    """What a program calls its vector store; empty of any other collection."""
    return str(metadata.get("name") or "") if "files" in metadata else ""
