"""One collection: its rows, and the model whose vectors are in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from embedder.collections.changing import Change, change_rows
from embedder.collections.filters import Filter
from embedder.collections.rows import Columns, Row, Rows, check_columns
from embedder.collections.search import Answer, Question, search
from embedder.collections.store import Stats, Table
from embedder.collections.texts import About, Added, NewText, as_rows, checked, sort_out
from embedder.collections.writes import to_its_end
from embedder.corpus.jobs import FailedText, embed_in_slices
from embedder.engine import Engine
from embedder.errors import InvalidInput, ModelMismatch, UnknownModel
from embedder.types import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

OnProgress = Callable[[int, int], None]
"""Told how many of how many rows are kept by now."""

_WRITE_ROWS, _WRITE_S = 2000, 2.0
"""Embedded texts are written so many at once, or those of so many seconds: each write costs one."""
_GIVEN_ROWS = 20_000


class Collection:
    """Texts that last, searched by meaning and words. Made by `Collections`; used from one event loop."""

    def __init__(self, name: str, table: Table, engine: Engine | None) -> None:
        self.name = name
        self.table = table
        self._engine = engine

    @property
    def about(self) -> About:
        """What the collection is, as its store has it now."""
        info = self.table.info
        return About(
            self.name,
            str(info.get("model", "")),
            str(info.get("fingerprint", "")),
            self.table.dimensions,
            int(info.get("created", 0)),
            dict(info.get("metadata", {})),
        )

    async def read_about(self) -> About:
        """`about`, read in a thread: some stores ask a server for it."""
        return await asyncio.to_thread(lambda: self.about)

    async def add(
        self,
        texts: Sequence[NewText],
        *,
        vectors: ArrayLike | None = None,
        fingerprint: str | None = None,
        progress: OnProgress | None = None,
    ) -> Added:
        """Write texts, each in place of the one with its id if there is one; of one id the last counts.

        `vectors` `(n, d)` are taken as they are, in place of embedding; `fingerprint` says of which
        model they are. Without them texts are embedded, those whose words are there under their id
        already excepted. They are written in batches: when it is cancelled or fails, the batches
        that `progress` was told of are kept.

        Raises:
            InvalidInput, ModelMismatch, CollectionBusy, StoreFailed, and what `Engine.embed` raises.
        """
        rows = [checked(text) for text in texts]
        if vectors is None:
            return await self._add_embedded(rows, progress)
        given = await asyncio.to_thread(self._check_vectors, vectors, len(rows), fingerprint)
        new = 0
        for start in range(0, len(rows), _GIVEN_ROWS):
            some = slice(start, start + _GIVEN_ROWS)
            new += await to_its_end(self.table.upsert, as_rows(rows[some], given[some]))
            if progress:
                progress(min(some.stop, len(rows)), len(rows))
        ids = [row.id for row in rows]
        return Added(ids, new, len(set(ids)) - new)

    async def update(
        self,
        row_id: str,
        *,
        text: str | None = None,
        document: str | None = None,
        columns: Columns | None = None,
    ) -> Row | None:
        """Change what is given of one text, and embed it again if its words changed; None if it is not there.

        `columns` take the place of those it had.

        Raises:
            As `add`.
        """
        changed = await self.update_many([Change(row_id, text, document, columns)])
        return changed[0] if changed else None

    async def update_many(self, changes: Sequence[Change]) -> list[Row]:
        """As `update` of each; returns, as they are now, those texts that there are.

        Raises:
            As `add`.
        """

        async def embed(texts: list[str]) -> NDArray[np.float32]:
            return await self.embed(texts, kind="document")

        return await change_rows(self.table, changes, embed)

    async def set_columns(self, ids: Sequence[str], columns: Columns) -> int:
        """Have `columns` take the place of those that each of these texts has; returns how many there were.

        Raises:
            InvalidInput, CollectionBusy, StoreFailed
        """
        own = check_columns(columns)
        return await to_its_end(self.table.revise, list(ids), lambda row: replace(row, columns=own))

    async def delete(self, ids: Sequence[str] = (), *, documents: Sequence[str] = ()) -> int:
        """Delete texts by their ids, and all texts of these documents; returns how many there were.

        Raises:
            CollectionBusy, StoreFailed
        """
        return await to_its_end(self._delete, list(ids), list(documents))

    async def get(self, ids: Sequence[str], *, vectors: bool = False) -> list[Row]:
        """The texts of `ids` that there are, in this order."""
        return await asyncio.to_thread(self.table.get, list(ids), vectors=vectors)

    async def count(self, wanted: Filter | None = None) -> int:
        """How many texts there are, or pass."""
        return await asyncio.to_thread(self.table.count, wanted)

    async def stats(self) -> Stats:
        """How large it is, how it is searched, and how well."""
        return await asyncio.to_thread(self.table.stats)

    async def search(self, question: Question) -> Answer:
        """The texts that answer `question` best; every hit says what its score is made of.

        Raises:
            InvalidInput, ModelMismatch, StoreFailed, and what `Engine.embed` raises.
        """
        return await search(self, question)

    async def model(self) -> ModelInfo:
        """The model of this engine whose vectors are in the collection, loaded.

        Raises:
            ModelMismatch: none served here has its fingerprint.
            InvalidInput: its vectors came without a model.
        """
        about = await self.read_about()
        if self._engine is None or not about.fingerprint:
            raise InvalidInput(
                f"The vectors of the collection {self.name!r} came without a model that can run here. Search "
                "it by words, or send a vector.",
                param="query",
            )
        others = [status.id for status in self._engine.models() if status.id != about.model]
        other = ""
        for model_id in (about.model, *others):
            try:
                info = await self._engine.model_info(model_id)
            except UnknownModel:
                continue
            if info.fingerprint == about.fingerprint:
                return info
            other = other or info.id
        raise ModelMismatch(self.name, about.model, other or self._engine.settings.default_model)

    async def embed(self, texts: Sequence[str], *, kind: str = "query") -> NDArray[np.float32]:
        """Vectors of a few texts by the collection's own model: float32 `(n, d)`."""
        info = await self.model()
        assert self._engine is not None
        made = await self._engine.embed(texts, model=info.id, kind="query" if kind == "query" else "document")
        return made.vectors

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Scores of texts for a query by the engine's cross-encoder.

        Raises:
            InvalidInput: there is none; and what `Engine.rerank` raises.
        """
        if self._engine is None:
            raise InvalidInput("No reranker is served here.", param="rerank")
        return [float(score) for score in (await self._engine.rerank(query, texts)).vectors[:, 0]]

    async def token_counter(self) -> Callable[[str], int]:
        """Counts the tokens that the collection's model sees of a text."""
        info = await self.model()
        assert self._engine is not None
        return await self._engine.token_counter(info.id)

    async def _add_embedded(self, rows: list[Row], progress: OnProgress | None) -> Added:
        info = await self.model()
        found = await asyncio.to_thread(sort_out, self.table, rows)
        new = written = 0
        if found.known is not None:
            new = await to_its_end(self.table.upsert, found.known)
            written = len(found.known)
        before = len(rows) - len(found.to_embed)
        if progress and before:
            progress(before, len(rows))
        failed: list[FailedText] = []
        wanted = [rows[place] for place in found.to_embed]
        async with aclosing(self._embedded(wanted, info, failed)) as batches:
            async for batch, done in batches:
                new += await to_its_end(self.table.upsert, batch)
                written += len(batch)
                if progress:
                    progress(before + done, len(rows))
        failed = [FailedText(found.to_embed[one.index], one.message) for one in failed]
        return Added([row.id for row in rows], new, written - new, found.unchanged, tuple(failed))

    async def _embedded(
        self, rows: list[Row], info: ModelInfo, failed: list[FailedText]
    ) -> AsyncGenerator[tuple[Rows, int], None]:
        """Rows with their vectors in batches worth writing, and how many of all are done with each."""
        import numpy as np

        assert self._engine is not None
        waiting: list[Row] = []
        vectors: list[NDArray[np.float32]] = []
        since_s = time.monotonic()
        texts = [row.text for row in rows]
        slices = embed_in_slices(self._engine, texts, model=info.id, kind="document")
        async with aclosing(slices):
            async for part in slices:
                waiting += [rows[row] for row in part.rows]
                vectors.append(part.embeddings.vectors)
                failed += part.failed
                done = part.progress.done
                late = time.monotonic() - since_s > _WRITE_S
                if waiting and (len(waiting) >= _WRITE_ROWS or late or done == len(rows)):
                    yield as_rows(waiting, np.concatenate(vectors)), done
                    waiting, vectors, since_s = [], [], time.monotonic()
        if waiting:
            yield as_rows(waiting, np.concatenate(vectors)), len(rows)

    def _delete(self, ids: list[str], documents: list[str]) -> int:
        if documents:
            ids = ids + self.table.ids_of(documents)
        return self.table.delete(ids) if ids else 0

    def _check_vectors(self, vectors: ArrayLike, n: int, fingerprint: str | None) -> NDArray[np.float32]:
        from embedder.analysis.similarity import as_vectors

        about = self.about
        if fingerprint and fingerprint != about.fingerprint:
            raise ModelMismatch(self.name, about.model or "another model", "the one named with the vectors")
        try:
            made = as_vectors(vectors)
        except (ValueError, TypeError) as error:
            raise InvalidInput(str(error), param="vectors") from None
        if made.shape != (n, about.dimensions):
            raise InvalidInput(
                f"The collection {self.name!r} takes one vector of {about.dimensions} dimensions for each "
                f"text; these are {made.shape[0]} of {made.shape[1]} for {n}.",
                param="vectors",
            )
        return made
