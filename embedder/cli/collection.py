"""`tessera collection`: texts that last, from a shell."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from embedder.cli.collection_add import add
from embedder.cli.collection_map import map_collection
from embedder.cli.collection_move import move_collection
from embedder.cli.input import TERMINATED, cancel_when_terminated, progress_bar, say, settings_of
from embedder.collections import Collections, Hit, Question, open_collections, parse_filter
from embedder.collections.migrate import reembed
from embedder.collections.rows import Row
from embedder.collections.transfer import export_collection, import_collection
from embedder.config import Settings
from embedder.corpus.rows import counted
from embedder.engine import Engine
from embedder.errors import ConfigError, InvalidInput, UnknownCollection

_SHOWN_CHARS = 100


def collection(args: argparse.Namespace) -> int:
    """Do `args.action`; returns the exit code.

    Raises:
        TesseraError
    """
    actions: dict[str, Callable[[argparse.Namespace], Awaitable[int]]] = {
        "add": _add,
        "search": _search,
        "get": _get,
        "list": _list,
        "export": _export,
        "import": _import,
        "reembed": _reembed,
        "map": _map,
        "move": move_collection,
        "delete": _delete,
    }

    async def act() -> int:
        cancel_when_terminated()
        return await actions[args.action](args)

    try:
        return asyncio.run(act())
    except asyncio.CancelledError:
        return TERMINATED


@asynccontextmanager
async def _stored() -> AsyncIterator[Collections]:
    """The collections without a model."""
    async with open_collections(Settings.load(), None) as collections:
        yield collections


@asynccontextmanager
async def _served(model: str | None, *, rerank: bool = False) -> AsyncIterator[Collections]:
    """The collections and an engine for one model, the default one if None; with the reranker if wanted."""
    known = Settings.load()
    source = known.allowed_models.get(model or "")
    only = f"{model}={source}" if source and source != model else model
    settings = settings_of(only).model_copy(update={"reranker": known.reranker if rerank else None})
    async with Engine(settings) as engine, open_collections(settings, engine) as collections:
        yield collections


async def _model_of(name: str) -> str | None:
    """The model of a collection, if it is there and has one."""
    async with _stored() as collections:
        return (await collections.open(name)).about.model or None


async def _add(args: argparse.Namespace) -> int:
    try:
        model = await _model_of(args.name)
        if args.model and model and args.model.partition("=")[0] != model:
            raise ConfigError(f"The collection {args.name!r} was made by {model}. Leave --model out.")
    except UnknownCollection:
        model = args.model
    async with _served(model) as collections:
        return await add(collections, args)


async def _search(args: argparse.Namespace) -> int:
    if args.weights and args.mode != "hybrid":
        raise ConfigError("--weights are those of meaning and of words: say --mode hybrid.")
    question = Question(
        args.query,
        mode=args.mode,
        top_k=args.top_k,
        wanted=None if args.filter is None else parse_filter(_json(args.filter)),
        min_score=args.min_score,
        weights=tuple(args.weights or (1.0, 1.0)),
        like=tuple(args.like),
        unlike=tuple(args.unlike),
        diversity=args.diversity,
        rerank=args.rerank,
    )
    model = await _model_of(args.name)
    needs_model = bool(args.query) and (args.mode != "keyword" or args.rerank)
    context = _served(model, rerank=args.rerank) if needs_model else _stored()
    async with context as collections:
        answer = await (await collections.open(args.name)).search(question)
    for hit in answer.hits:
        print(_as_hit(hit) if args.json else f"{hit.score:8.4f}  {hit.row.id}  {_shown(hit.row.text)}")
    if not args.json:
        say(f"{counted(len(answer.hits), 'hit')}. {answer.score}")
    return 0


async def _get(args: argparse.Namespace) -> int:
    async with _stored() as collections:
        rows = await (await collections.open(args.name)).get(args.id, vectors=args.vectors)
    for row in rows:
        print(_as_json(row, {} if row.vector is None else {"embedding": row.vector}))
    there = {row.id for row in rows}
    missing = [one for one in dict.fromkeys(args.id) if one not in there]
    if missing:
        say(f"Not in {args.name}: {', '.join(map(_shown, missing))}.")
    return 1 if missing else 0


async def _list(args: argparse.Namespace) -> int:
    rows = [("NAME", "TEXTS", "DIMENSIONS", "MB", "SEARCH", "MODEL")]
    async with _stored() as collections:
        for name in await collections.names():
            opened = await collections.open(name)
            stats, about = await opened.stats(), opened.about
            found = stats.index if stats.recall is None else f"{stats.index}, recall {stats.recall:.2f}"
            size = "?" if stats.disk_bytes is None else f"{stats.disk_bytes / 2**20:.1f}"
            numbers = (f"{stats.count}", f"{stats.dimensions}")
            rows.append((name, *numbers, size, found, about.model or "none"))
    widths = [max(len(row[place]) for row in rows) for place in range(5)]
    for row in rows:
        print(*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5], sep="  ")
    return 0


async def _export(args: argparse.Namespace) -> int:
    async with _stored() as collections:
        opened = await collections.open(args.name)
        with _bar(await opened.count(), args.progress) as bar:
            count = await export_collection(collections, args.name, Path(args.file), progress=_told(bar))
    say(f"{counted(count, 'text')} written to {args.file}.")
    return 0


async def _import(args: argparse.Namespace) -> int:
    async with _stored() as collections:
        with _bar(0, args.progress) as bar:
            made = await import_collection(collections, args.name, Path(args.file), progress=_told(bar))
        say(f"{counted(await made.count(), 'text')} in the new collection {args.name}.")
    return 0


async def _reembed(args: argparse.Namespace) -> int:
    async with _served(args.model) as collections:
        opened = await collections.open(args.name)
        with _bar(await opened.count(), args.progress) as bar:
            count = await reembed(
                collections, args.name, args.model.partition("=")[0].strip(), progress=_told(bar)
            )
        model = (await collections.open(args.name)).about.model
    say(f"{counted(count, 'text')} embedded by {model}.")
    return 0


async def _map(args: argparse.Namespace) -> int:
    async with _stored() as collections:
        return await map_collection(collections, args)


async def _delete(args: argparse.Namespace) -> int:
    async with _stored() as collections:
        opened = await collections.open(args.name)
        if args.id or args.document:
            count = await opened.delete(args.id, documents=args.document)
            say(f"{counted(count, 'text')} deleted from {args.name}.")
            return 0
        count = await opened.count()
        if not args.yes:
            await asyncio.to_thread(_ask, args.name, count)
        await collections.delete(args.name)
    say(f"The collection {args.name} with {counted(count, 'text')} is deleted.")
    return 0


def _ask(name: str, count: int) -> None:
    """Have the name typed again.

    Raises:
        ConfigError: it was not.
    """
    if not sys.stdin.isatty():
        raise ConfigError(f"This deletes {counted(count, 'text')} for good. Say --yes if that is meant.")
    print(f"This deletes {counted(count, 'text')} for good. Type {name} to go on: ", end="", file=sys.stderr)
    if input().strip() != name:
        raise ConfigError("Nothing was deleted.")


def _json(told: str) -> Any:
    import orjson

    try:
        return orjson.loads(told)
    except orjson.JSONDecodeError:
        raise InvalidInput("--filter is not valid JSON.", param="filters") from None


def _as_hit(hit: Hit) -> str:
    return _as_json(hit.row, {"score": hit.score, "parts": dict(hit.parts)})


def _as_json(row: Row, more: dict[str, Any]) -> str:
    import orjson

    told = {"id": row.id, "text": row.text, "document": row.document, "columns": dict(row.columns)}
    return orjson.dumps(told | more, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _shown(text: str) -> str:
    """The beginning of a text on one line, without what would move a terminal's cursor."""
    line = " ".join(text[: 4 * _SHOWN_CHARS].split())
    line = "".join(char if char.isprintable() else "\ufffd" for char in line)
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 1] + "…"


def _bar(total: int, wanted: bool | None) -> AbstractContextManager[Any]:
    bar: AbstractContextManager[Any] = progress_bar(total, wanted)
    return bar


def _told(bar: Any) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return progress
