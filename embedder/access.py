"""Who asks: somebody with one of the owner's keys, or a program on the server's own machine.

Keys are those of the settings and those that are kept in the store (`tessera key`).

The reasoning is in `docs/decisions/0010-open-without-a-key.md`. The API and the page keep one rule.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from embedder.addresses import is_loopback
from embedder.config import Settings

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from embedder.collections.key_ring import KeyRing
    from embedder.spending import Budget


class Access:
    """What a request says of who sent it. The owner's keys are kept as digests; `ring` holds the store's."""

    def __init__(self, settings: Settings, ring: KeyRing | None = None) -> None:
        self._ring = ring
        keys = [key.get_secret_value() for key in settings.keys]
        self._digests = [digest for key in keys for digest in _digests(key)]
        self._listens_locally = is_loopback(settings.host)
        self._origins = settings.cors_origins

    @property
    def has_keys(self) -> bool:
        """Whether the owner has set a key, or keeps or kept some in the store.

        Raises:
            KeysUnavailable
        """
        return bool(self._digests) or (self._ring is not None and self._ring.closed)

    def keeps(self, request: HTTPConnection) -> bool:
        """Whether the request may see and change what is kept; without a key that is this machine only."""
        return self.has_key(request) if self.has_keys else self.is_local(request)

    def has_key(self, request: HTTPConnection) -> bool:
        """Whether one of the owner's keys came with the request.

        Raises:
            KeysUnavailable
        """
        sent = bearer(request)
        if not sent:
            return False
        return self._is_set(sent) or (self._ring is not None and self._ring.find(sent) is not None)

    def budget_of(self, request: HTTPConnection) -> Budget | None:
        """What the key that came with the request may spend; None where there is no limit.

        Raises:
            KeysUnavailable
        """
        sent = bearer(request)
        return None if self._ring is None or self._is_set(sent) else self._ring.budget_of(sent)

    def _is_set(self, sent: bytes) -> bool:
        digest = hashlib.sha256(sent).digest()
        # Every key is compared, so that the time tells neither which nor how much of one matched.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return any(matches)

    def is_local(self, request: HTTPConnection) -> bool:
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


def bearer(request: HTTPConnection) -> bytes:
    """The key that came with the request as it was sent, empty where none did."""
    # Headers arrive as bytes read as latin-1: turned back, any byte a client sends is fine.
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return sent.strip().encode("latin-1") if scheme.lower() == "bearer" else b""


def _digests(key: str) -> set[bytes]:
    """Digests of a key as clients send it: in UTF-8 (curl, httpx) or latin-1 (requests)."""
    forms = {key.encode("utf-8", "surrogateescape")}
    with contextlib.suppress(UnicodeEncodeError):
        forms.add(key.encode("latin-1"))
    return {hashlib.sha256(form).digest() for form in forms}


def _hosts(request: HTTPConnection) -> list[str]:
    """Every name by which the request says it reached us."""
    forwarded = request.headers.getlist("x-forwarded-host")
    return request.headers.getlist("host") + [name.strip() for line in forwarded for name in line.split(",")]


def _names_loopback(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
