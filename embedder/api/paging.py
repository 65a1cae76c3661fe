"""OpenAI's lists: `limit`, `after`, `order` are asked for, `first_id`, `last_id`, `has_more` answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request

from embedder.errors import InvalidInput

_LIMIT, _MAX_LIMIT = 20, 10_000


def page(request: Request, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The part of `items`, the newest first, that the request asks for.

    Raises:
        InvalidInput
    """
    query = request.query_params
    limit = query.get("limit", str(_LIMIT))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 6 and 1 <= int(limit) <= _MAX_LIMIT):
        raise InvalidInput(f"'limit' must be 1 to {_MAX_LIMIT}.", param="limit")
    if query.get("order", "desc") == "asc":
        items = list(reversed(items))
    ids = [item["id"] for item in items]
    start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    some = list(items[start : start + int(limit)])
    return {
        "object": "list",
        "data": some,
        "first_id": some[0]["id"] if some else None,
        "last_id": some[-1]["id"] if some else None,
        "has_more": start + len(some) < len(items),
    }
