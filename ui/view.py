"""What all views share: the desk they work at, and how their handlers meet Gradio.

A handler is a plain async function `(desk, session, *values)`; any client can call any handler
with any values, so each checks its own. What it raises becomes a sentence.
"""

# Gradio reads annotations of handlers at run time, so they are not postponed in this module.
import asyncio
import html
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.access import Access
from embedder.collections import Collections, open_collections
from embedder.config import Settings
from embedder.engine import Engine
from embedder.errors import InvalidInput, TesseraError
from ui.carried import Carried
from ui.datasets import Datasets, new_id
from ui.layout import LayoutWorker
from ui.session import Session, Sessions
from ui.shelf import Shelf
from ui.snippets import base_url
from ui.tickets import Tickets

log = logging.getLogger("tessera.page")

QUIET: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
"""No overlay, no queue of Gradio's, not part of any documented API; who embeds waits by `ui.turns`."""

GENERIC = "Something went wrong on the server; what you entered is still here. Try again."

_TELLING = 0.05
"""From such a share on the time that is left can be told."""
_TWO_LINES_CHARS = 100
"""So many characters fit into two lines of a phone."""

Handler = Callable[..., Awaitable[Any]]
Stream = Callable[..., AsyncGenerator[Any, None]]


@dataclass
class Desk:
    """What handlers work with."""

    engine: Engine
    settings: Settings
    worker: LayoutWorker
    collections: Collections | None = None
    """The owner's; None for those of the settings."""
    access: Access | None = None
    """Who may see them; None for the rule of the settings alone."""
    shelf: Shelf = field(init=False)
    sessions: Sessions = field(init=False)
    datasets: Datasets = field(init=False)
    tickets: Tickets = field(init=False)
    """Of files that were looked at and not embedded yet."""
    secret: str = field(default_factory=new_id)
    """Part of ids that would be known otherwise, where the page asks for a login."""
    carried: dict[str, Carried] = field(default_factory=dict)
    """Texts that are being embedded, by the id that they will have (`ui.carried`)."""
    turns: asyncio.Semaphore = field(init=False)
    """Who embeds takes one (`ui.turns`)."""

    def __post_init__(self) -> None:
        self.turns = asyncio.Semaphore(self.settings.page_max_jobs)
        collections = self.collections or open_collections(self.settings, self.engine)
        self.shelf = Shelf(collections, self.access or Access(self.settings))
        self.datasets = Datasets(self.settings.page_session_s, find_neighbours=self.worker.neighbours)
        self.tickets = Tickets(self.settings.page_session_s)
        self.sessions = Sessions(self.settings.page_session_s, self.datasets)

    def session(self, request: Any) -> Session:
        """The visitor's session, with the address as they see it."""
        session = self.sessions.of(request.session_hash, request.username)
        session.base = base_url(dict(request.headers), request.url.scheme)
        return session


def bind(desk: Desk, handler: Handler) -> Handler:
    """`handler` as Gradio calls it."""
    import gradio as gr

    async def call(request: gr.Request, *values: Any) -> Any:
        try:
            return await handler(desk, desk.session(request), *values)
        except Exception as error:
            raise as_gradio(error) from None

    return call


def bind_told(desk: Desk, handler: Stream) -> Stream:
    """`handler` that yields several times, with what the map's script told before its values."""
    import gradio as gr

    async def call(request: gr.Request, event: gr.EventData, *values: Any) -> AsyncGenerator[Any, None]:
        told = event._data if isinstance(event._data, dict) else {}
        async with aclosing(_relayed(handler(desk, desk.session(request), told, *values))) as updates:
            async for update in updates:
                yield update

    return call


def bind_stream(desk: Desk, handler: Stream) -> Stream:
    """`handler` that yields several times."""
    import gradio as gr

    async def call(request: gr.Request, *values: Any) -> AsyncGenerator[Any, None]:
        async with aclosing(_relayed(handler(desk, desk.session(request), *values))) as updates:
            async for update in updates:
                yield update

    return call


async def _relayed(stream: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    """What `stream` yields; what it raises becomes a sentence."""
    try:
        async for update in stream:
            yield update
    except Exception as error:
        raise as_gradio(error) from None
    finally:
        # Cancelled or abandoned: what the handler has in flight must end with it.
        await stream.aclose()


def as_gradio(error: Exception) -> Exception:
    """`error` as the page shows it; Gradio renders messages as HTML, so they are escaped."""
    import gradio as gr

    if isinstance(error, gr.Error):
        return error  # type: ignore[no-any-return]  # Gradio isn't followed by mypy
    shown: Exception = gr.Error(html.escape(sentence_of(error)), title="Not done", print_exception=False)
    return shown


def sentence_of(error: Exception) -> str:
    """What a visitor is told: our errors' own words; of any other only the log knows, and only its class."""
    if isinstance(error, TesseraError):
        return str(error)
    log.error("A handler of the page failed: %s", type(error).__name__)
    return GENERIC


def as_text(value: Any, max_chars: int, what: str) -> str:
    """`value` if it's a string of at most `max_chars`.

    Raises:
        InvalidInput
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"The {what} must be text.")
    if len(value) > max_chars:
        raise InvalidInput(
            f"The {what} has {len(value):,} characters; the page takes {max_chars:,}. Shorten it."
        )
    return value


def status(sentence: str, *, share: float | None = None, kind: str = "plain") -> str:
    """A line for the visitor, read aloud when it changes; `share` 0 to 1 draws a bar.

    The only place where words become HTML; they are escaped.
    """
    bar = "" if share is None else f'<progress max="1" value="{min(max(share, 0.0), 1.0):.3f}"></progress>'
    role = "alert" if kind == "error" else "status"
    # On a phone two lines of it are shown, and all once it is tapped or has the focus.
    long = ' tabindex="0"' if kind == "done" and len(sentence) > _TWO_LINES_CHARS else ""
    return f'<div class="status {html.escape(kind)}" role="{role}"{long}>{html.escape(sentence)}{bar}</div>'


def time_left(started_s: float, share: float) -> str:
    """How long work goes on of which that share is done since `started_s`, once a twentieth is."""
    left_s = (time.monotonic() - started_s) * (1 - share) / share if share > _TELLING else 0.0
    return f", about {left_s:.0f} s left" if left_s >= 1 else ""


def uploads_folder(settings: Settings) -> Path:
    """Where Gradio keeps uploads and downloads."""
    return settings.cache_dir / "uploads"


def many(count: int, noun: str) -> str:
    """`1 text`, `2,000 texts`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
