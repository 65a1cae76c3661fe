"""Who may use the API: bearer keys, or, where none is set, programs on this machine only.

The reasoning is in `docs/decisions/0010-open-without-a-key.md`.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from urllib.parse import urlsplit

from fastapi import Request

from embedder.addresses import is_loopback
from embedder.api.errors import Unauthorized
from embedder.config import Settings

_NOT_LOCAL = (
    "This server has no key set, so it is open only to programs on its own machine. Its owner can set "
    "EMBED_KEY, which clients then send as 'Authorization: Bearer <key>', or TESSERA_OPEN=1 for everybody."
)
_NOT_KEPT_FOR_ALL = (
    "Collections of a server without a key are only for programs on its own machine, be it open or not. "
    "Its owner can set EMBED_KEY, which clients then send as 'Authorization: Bearer <key>'."
)
_NO_KEY = "This server asks for a key: send the header 'Authorization: Bearer <key>'."
# OpenAI's own first words: litellm knows a wrong key by them, not by status or code.
_WRONG_KEY = "Incorrect API key provided. Check the header 'Authorization: Bearer <key>'."


class Gate:
    """Lets a request to the API through, or raises. The owner's keys are kept as digests."""

    def __init__(self, settings: Settings) -> None:
        keys = [key.get_secret_value() for key in settings.keys]
        self._digests = [digest for key in keys for digest in _digests(key)]
        self._open = settings.open
        self._listens_locally = is_loopback(settings.host)
        self._origins = settings.cors_origins

    def check(self, request: Request) -> None:
        """Return if the request may use the API.

        Raises:
            Unauthorized: it may not; the message says what would let it in.
        """
        if self._digests:
            self._check_key(request)
        elif not self._open and not self._is_local(request):
            raise Unauthorized(_NOT_LOCAL, code="key_required")

    def check_keeper(self, request: Request) -> None:
        """Return if the request may see and change what is kept; without a key that is this machine only.

        Raises:
            Unauthorized
        """
        if self._digests:
            self._check_key(request)
        elif not self._is_local(request):
            raise Unauthorized(_NOT_KEPT_FOR_ALL, code="key_required")

    def _check_key(self, request: Request) -> None:
        # Headers arrive as bytes read as latin-1: turned back, any byte a client sends is fine.
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        key = sent.strip().encode("latin-1")
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized(_NO_KEY, code="missing_api_key")
        digest = hashlib.sha256(key).digest()
        # Every key is compared, so that the time tells neither which nor how much of one matched.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        if not any(matches):
            raise Unauthorized(_WRONG_KEY, code="invalid_api_key")

    def _is_local(self, request: Request) -> bool:
        """Whether both ends are this machine and no name in the request says otherwise."""
        server, client = request.scope.get("server"), request.client
        if not (self._listens_locally and server and client):
            return False
        return (
            is_loopback(server[0])
            and is_loopback(client.host)
            and "forwarded" not in request.headers
            and all(_names_loopback(f"//{host}") for host in _hosts(request))
            and all(self._allows(origin) for origin in request.headers.getlist("origin"))
        )

    def _allows(self, origin: str) -> bool:
        """Whether pages of `origin` may use a server that is open to this machine."""
        return "*" in self._origins or origin in self._origins or _names_loopback(origin)


async def require_key(request: Request) -> None:
    """Dependency of every route under /v1."""
    gate: Gate = request.app.state.context.gate
    gate.check(request)


async def require_keeper(request: Request) -> None:
    """Dependency of every route over what the server keeps."""
    gate: Gate = request.app.state.context.gate
    gate.check_keeper(request)


def _digests(key: str) -> set[bytes]:
    """Digests of a key as clients send it: in UTF-8 (curl, httpx) or latin-1 (requests)."""
    forms = {key.encode("utf-8", "surrogateescape")}
    with contextlib.suppress(UnicodeEncodeError):
        forms.add(key.encode("latin-1"))
    return {hashlib.sha256(form).digest() for form in forms}


def _hosts(request: Request) -> list[str]:
    """Every name by which the request says it reached us."""
    forwarded = request.headers.getlist("x-forwarded-host")
    return request.headers.getlist("host") + [name.strip() for line in forwarded for name in line.split(",")]


def _names_loopback(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
