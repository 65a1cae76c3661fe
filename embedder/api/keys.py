"""Who may use the API: bearer keys, or, where there is none, programs on this machine only.

The reasoning is in `docs/decisions/0010-open-without-a-key.md`.
"""

from __future__ import annotations

from fastapi import Request

from embedder.access import Access, bearer
from embedder.api.errors import Unauthorized
from embedder.config import Settings
from embedder.spending import BUDGET

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
    """Lets a request to the API through, or raises."""

    def __init__(self, settings: Settings, access: Access) -> None:
        self._access = access
        self._open = settings.open

    def check(self, request: Request) -> None:
        """Return if the request may use the API. What it embeds from here on is charged to its key.

        Raises:
            Unauthorized: it may not; the message says what would let it in.
            KeysUnavailable
        """
        if self._access.has_keys:
            self._check_key(request)
        elif not self._open and not self._access.is_local(request):
            raise Unauthorized(_NOT_LOCAL, code="key_required")

    def check_keeper(self, request: Request) -> None:
        """Return if the request may see and change what is kept; without a key that is this machine only.

        Raises:
            Unauthorized, KeysUnavailable
        """
        if self._access.has_keys:
            self._check_key(request)
        elif not self._access.keeps(request):
            raise Unauthorized(_NOT_KEPT_FOR_ALL, code="key_required")

    def _check_key(self, request: Request) -> None:
        if not bearer(request):
            raise Unauthorized(_NO_KEY, code="missing_api_key")
        if not self._access.has_key(request):
            raise Unauthorized(_WRONG_KEY, code="invalid_api_key")
        BUDGET.set(self._access.budget_of(request))


async def require_key(request: Request) -> None:
    """Dependency of every route under /v1."""
    gate: Gate = request.app.state.context.gate
    gate.check(request)


async def require_keeper(request: Request) -> None:
    """Dependency of every route over what the server keeps."""
    gate: Gate = request.app.state.context.gate
    gate.check_keeper(request)
