"""OpenAI's lists: `limit`, `after`, `order` are asked for, `first_id`, `last_id`, `has_more` answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request

from embedder.errors import InvalidInput

LIMIT, MAX_LIMIT = 20, 10_000


def page(request: Request, items: Sequence[dict[str, Any]], *, limit: int = LIMIT) -> dict[str, Any]:
    """The part of `items`, the newest first, that the request asks for; `limit` of them where it says none.

    Raises:
        InvalidInput
    """
    query = request.query_params
    told = query.get("limit", str(limit))
    if not (told.isascii() and told.isdigit() and len(told) < 6 and 1 <= int(told) <= MAX_LIMIT):
        raise InvalidInput(f"'limit' must be 1 to {MAX_LIMIT}.", param="limit")
    limit = int(told)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidInput("'order' must be asc or desc.", param="order")
    if order == "asc":
        items = list(reversed(items))
    places = {item["id"]: place for place, item in enumerate(items)}
    if query.get("before") and query["before"] not in places:
        raise InvalidInput("'before' is no id of this list; it may have been deleted.", param="before")
    # Who deletes what a list gives asks for what is after an id that is gone: the rest begins at the top.
    start = places.get(query["after"], -1) + 1 if query.get("after") else 0
    end = places[query["before"]] if query.get("before") else len(items)
    backwards = bool(query.get("before")) and not query.get("after")
    if backwards:
        start = max(0, end - limit)  # those right before it
    some = list(items[start : min(end, start + limit)])
    return {
        "object": "list",
        "data": some,
        "first_id": some[0]["id"] if some else None,
        "last_id": some[-1]["id"] if some else None,
        "has_more": start > 0 if backwards else start + len(some) < end,
    }
