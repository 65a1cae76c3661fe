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
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidInput("'order' must be asc or desc.", param="order")
    if order == "asc":
        items = list(reversed(items))
    places = {item["id"]: place for place, item in enumerate(items)}
    for name in ("after", "before"):
        if query.get(name) and query[name] not in places:
            raise InvalidInput(f"'{name}' is no id of this list; it may have been deleted.", param=name)
    start = places[query["after"]] + 1 if query.get("after") else 0
    end = places[query["before"]] if query.get("before") else len(items)
    backwards = bool(query.get("before")) and not query.get("after")
    if backwards:
        start = max(0, end - int(limit))  # those right before it
    some = list(items[start : min(end, start + int(limit))])
    return {
        "object": "list",
        "data": some,
        "first_id": some[0]["id"] if some else None,
        "last_id": some[-1]["id"] if some else None,
        "has_more": start > 0 if backwards else start + len(some) < end,
    }
