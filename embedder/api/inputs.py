"""`input` in its four forms (text, texts, token ids, lists of them), as the engine takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from embedder.api.schemas import TokenEncoding
from embedder.api.token_ids import decode_cl100k
from embedder.errors import InvalidInput
from embedder.types import Text

_FORMS = "Send a text, a list of texts, a list of token ids, or a list of such lists"


def read_texts(value: Any, *, max_texts: int, token_encoding: TokenEncoding) -> list[Text]:
    """The texts that `value`, as parsed from JSON, stands for.

    Raises:
        InvalidInput: it is of none of the four forms, or empty, or holds more than `max_texts`.
    """
    items = _as_list(value, max_texts)
    if isinstance(items[0], str):
        return list(_check_texts(items))
    lists = [_check_token_ids(item, index) for index, item in enumerate(items)]
    if token_encoding == "model":
        return list(lists)
    return list(decode_cl100k(lists))


def read_plain_texts(value: Any, *, max_texts: int) -> list[str]:
    """The texts that `value` stands for, where token ids make no sense.

    Raises:
        InvalidInput: as `read_texts`.
    """
    items = _as_list(value, max_texts)
    if not isinstance(items[0], str):
        _refuse("'input' must be a text or a list of texts here; token ids are tokens already.")
    return _check_texts(items)


def _as_list(value: Any, max_texts: int) -> list[Any]:
    """`value` as a non-empty list of texts or of token-id lists, its items not yet looked at."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        _refuse(f"'input' is of the wrong type. {_FORMS}.")
    if not value:
        _refuse("'input' cannot be an empty list. Send at least one text.")
    if _is_int(value[0]):
        return [value]
    if len(value) > max_texts:
        _refuse(f"'input' holds {len(value)} texts; at most {max_texts} are taken in one request. Split it.")
    return value


def _check_texts(items: Sequence[Any]) -> list[str]:
    for index, item in enumerate(items):
        if not isinstance(item, str):
            _refuse(f"Item {index} of 'input' is not a text as the first is. {_FORMS}.")
        if not item:
            _refuse(f"Item {index} of 'input' is an empty string. Leave it out or give it words.")
    return list(items)


def _check_token_ids(item: Any, index: int) -> tuple[int, ...]:
    if not isinstance(item, list):
        _refuse(f"Item {index} of 'input' is of the wrong type. {_FORMS}.")
    if not item:
        _refuse(f"Item {index} of 'input' is an empty list of token ids.")
    if not all(map(_is_int, item)):
        _refuse(f"Item {index} of 'input' holds something else than token ids. {_FORMS}.")
    return tuple(item)


def _is_int(value: Any) -> bool:
    """Whether a JSON value is a whole number; true and false are none."""
    return type(value) is int


def _refuse(message: str) -> NoReturn:
    raise InvalidInput(message, param="input")
