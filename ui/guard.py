"""The page's outer wall: only the routes the page itself uses, only files of the upload folder.

Gradio answers many more routes than one page needs, and mounted it doesn't check file paths until
told that it has launched (`ui.mount` tells it). This wall stands before both, so that neither a
forgotten switch nor a new route of Gradio's opens a file of this machine.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("tessera.page")

_READ = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|login_check|logout)/?"
    r"|/(assets|static|svelte)/.+|/pwa_icon(/\d+)?"
    r"|/gradio_api/(user|token|app_id|info|config|startup-events|login_check|theme\.css|upload_progress)/?"
    r"|/explorer/static/[0-9a-f]{1,64}/[\w.-]{1,64}"
    r"|/explorer/data/[\w-]{1,64}"
    r"(/(points|clusters|density|ranks|colour|neighbours|vector|retention|export|aligned|compare|selection)/[\w.-]{1,64})?"
    r"|/explorer/data/[\w-]{1,64}/similarity/(kept|removed)\.(csv|jsonl)"
    r"|/gradio_api/(heartbeat/[\w-]{1,64}|queue/data|queue/status)"
)
_FILE = re.compile(r"/gradio_api/file=(?P<path>.+)", re.DOTALL)
_WRITE = re.compile(
    r"/login/?|/gradio_api/(queue/join|cancel|reset|upload)/?"
    r"|/explorer/data/[\w-]{1,64}/(texts|selection|search|vectors|axes|retention)"
    r"|/explorer/data/[\w-]{1,64}/similarity/[\w.-]{1,64}"
    r"|/explorer/collections(/undo|/[A-Za-z0-9][\w.-]{0,63}/(keep|open|add|map|delete|drop|search))?"
)
_UPLOAD = re.compile(r"/gradio_api/upload/?")
MAX_DEPTH = 32


class TooLargeBody(Exception):
    """More bytes arrived than the page takes."""


class Guard:
    """Wraps the Gradio application.

    `max_upload_bytes` bounds an upload with its envelope, `max_body_bytes` every other body.
    """

    def __init__(self, app: ASGIApp, *, uploads: Path, max_upload_bytes: int, max_body_bytes: int) -> None:
        self.app = app
        self.uploads = uploads
        self.max_upload_bytes = max_upload_bytes
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass, or answer in one plain sentence."""
        if scope["type"] != "http":
            return
        refusal = self._refuse(scope["method"], scope["path"])
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        started, broken = False, False

        async def watched_send(message: Message) -> None:
            nonlocal started
            if broken and not started:
                return  # the application answers our own exception with a 500; the better answer is below
            started = True
            await send(message)

        async def watched_receive() -> Message:
            nonlocal broken
            try:
                return await checked()
            except TooLargeBody:
                broken = True
                raise

        try:
            checked = await self._checked(scope, receive)
            await self.app(scope, watched_receive, watched_send)
        except TooLargeBody:
            answer = PlainTextResponse("This is more than the page takes.", 413)
        except ForbiddenPath:
            answer = PlainTextResponse("The page reads only files that were uploaded to it.", 403)
        except Exception as error:
            log.error("The page could not answer: %s", type(error).__name__)
            answer = PlainTextResponse("Something went wrong on the server.", 500)
        else:
            return
        if not started:
            await answer(scope, receive, send)

    def _refuse(self, method: str, path: str) -> PlainTextResponse | None:
        """Why this is none of the page's requests, or None."""
        if method in {"GET", "HEAD"}:
            wanted = _FILE.fullmatch(path)
            if _READ.fullmatch(path) or (wanted and inside(wanted["path"], self.uploads)):
                return None
        elif method == "POST" and _WRITE.fullmatch(path):
            return None
        return PlainTextResponse("There is nothing here.", 404)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` with its size bounded and, save for uploads, every file path in it looked at.

        Raises:
            TooLargeBody, ForbiddenPath
        """
        if scope["method"] != "POST":
            return receive
        if _UPLOAD.fullmatch(scope["path"]):
            return bounded(receive, self.max_upload_bytes)
        limited, body, message = bounded(receive, self.max_body_bytes), bytearray(), dict[str, Any]()
        while message.get("type") != "http.disconnect" and message.get("more_body", True):
            message = dict(await limited())
            body += message.get("body", b"")
        if any(not inside(path, self.uploads) for path in file_paths(bytes(body))):
            raise ForbiddenPath
        return replay(bytes(body), receive)


class ForbiddenPath(Exception):
    """A file of this machine that nobody uploaded."""


def inside(path: str, folder: Path) -> bool:
    """Whether `path`, links followed, is a file below `folder`."""
    try:
        return "\0" not in path and Path(path).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def file_paths(body: bytes) -> Iterator[str]:
    """Every value under a `path` key of a JSON body, however deep; what isn't JSON has none.

    Nesting deeper than `MAX_DEPTH` counts as a path that lies nowhere.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return
    waiting: list[tuple[Any, int]] = [(content, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            yield "\0"
        elif isinstance(item, dict):
            if item.get("path"):
                yield str(item["path"])
            waiting += [(value, depth + 1) for value in item.values()]
        elif isinstance(item, list):
            waiting += [(value, depth + 1) for value in item]


def bounded(receive: Receive, max_bytes: int) -> Receive:
    """`receive` that raises TooLargeBody past `max_bytes`."""
    seen = 0

    async def counting() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > max_bytes:
            raise TooLargeBody
        return message

    return counting


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` once, then whatever comes after."""
    given = False

    async def first_body() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return first_body
