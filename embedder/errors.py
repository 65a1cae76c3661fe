"""Everything that can go wrong, as one tree. `embedder/api/errors.py` maps it to HTTP.

TesseraError
├── InvalidInput            the caller can mend it: wrong, empty or too long
│   ├── ContextLengthExceeded   a text is longer than the model reads, and cutting was refused
│   ├── ModelMismatch           vectors of another model than the collection's
│   └── CollectionExists        the name is taken
├── UnknownModel            not in the owner's allow-list
├── UnknownCollection       no collection of that name
├── UnknownFile             no file of that id
├── TooLarge                could never fit, however long one waits
├── Overloaded              no room now; try again after `retry_after_s`
├── RateLimited             a key spent what it may for now; try again after `retry_after_s`
├── KeysUnavailable         the store that holds the keys cannot be read
├── CollectionBusy          another process is writing to it; try again after `retry_after_s`
├── ModelUnavailable        allowed, but not loaded: still loading, or loading failed
├── ShuttingDown            the server is leaving
├── BackendFailed           the runtime could not embed a text
├── StoreFailed             a store could not read or write
├── ConfigError             a setting is wrong
└── FileUnreadable          a file cannot be read as texts
"""

from __future__ import annotations

import math


class TesseraError(Exception):
    """Root of the tree. `str(error)` is one or two sentences for a person: cause, then way out.

    It never contains a text or a key of a user.
    """


class InvalidInput(TesseraError):
    """The request is wrong; `param` names the field, `code` the reason in one word."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class ContextLengthExceeded(InvalidInput):
    """A text is longer than the model reads, and the caller asked for refusal."""

    def __init__(self, message: str, *, param: str | None = "input") -> None:
        super().__init__(message, param=param, code="context_length_exceeded")


class ModelMismatch(InvalidInput):
    """Vectors of one model were about to meet a collection of another."""

    def __init__(self, collection: str, model: str, other: str) -> None:
        super().__init__(
            f"The collection {collection!r} was made by {model}, whose vectors cannot be compared with those "
            f"of {other}. Use {model}, or re-embed the collection with the other model.",
            param="model",
            code="model_mismatch",
        )


class CollectionExists(InvalidInput):
    """A collection of that name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a collection {name!r} already. Choose another name, or delete it first.",
            param="name",
            code="collection_exists",
        )


class UnknownModel(TesseraError):
    """No such model in the owner's allow-list."""

    def __init__(self, model: str, allowed: tuple[str, ...]) -> None:
        shown = model if len(model) <= 120 else model[:117] + "..."
        super().__init__(
            f"The model {shown!r} does not exist or is not served here. Served here: {', '.join(allowed)}."
        )
        self.model = model


class UnknownCollection(TesseraError):
    """No collection of that name."""

    def __init__(self, name: str) -> None:
        shown = name if len(name) <= 120 else name[:117] + "..."
        super().__init__(f"There is no collection {shown!r}.")
        self.name = name


class UnknownFile(TesseraError):
    """No file of that id, here or in this collection."""

    def __init__(self, file_id: str) -> None:
        super().__init__(f"There is no file {file_id[:64]!r} here.")


class TooLarge(TesseraError):
    """The request could never fit, however long one waits; split it."""


class Overloaded(TesseraError):
    """No room now. `retry_after_s` is when, by the present backlog, there should be."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            f"The server is working at its limit. Try again in {max(1, math.ceil(retry_after_s))} s."
        )
        self.retry_after_s = retry_after_s


class RateLimited(TesseraError):
    """A key has spent the tokens that it may in a minute; the next begins after `retry_after_s`."""

    def __init__(self, tokens_per_minute: int, retry_after_s: float) -> None:
        super().__init__(
            f"This key may embed {tokens_per_minute:,} tokens a minute, and has. "
            f"Try again in {max(1, math.ceil(retry_after_s))} s."
        )
        self.retry_after_s = retry_after_s


class KeysUnavailable(TesseraError):
    """Who may come cannot be told now: the store that holds the keys cannot be read."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "The server cannot read the keys in its store now, so it lets nobody in by them. Try again in a "
            "moment; if it lasts, tell the server's owner."
        )
        self.retry_after_s = retry_after_s


class CollectionBusy(TesseraError):
    """Another process is writing to the collection, and only one can at a time."""

    def __init__(self, name: str, retry_after_s: float = 1.0) -> None:
        super().__init__(f"Another process is writing to the collection {name!r}. Try again in a moment.")
        self.retry_after_s = retry_after_s


class ModelUnavailable(TesseraError):
    """The model is allowed but not loaded; `retry_after_s` is None where waiting won't help."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ShuttingDown(TesseraError):
    """The server is leaving and takes no new work."""

    def __init__(self) -> None:
        super().__init__("The server is shutting down. Send the request again shortly.")


class BackendFailed(TesseraError):
    """The runtime could not embed a text; `index` is its place in the request, if known."""

    def __init__(self, message: str, *, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class StoreFailed(TesseraError):
    """A store could not read or write; nothing that it took before is lost by that."""


class ConfigError(TesseraError):
    """A setting is wrong; the message names it and what it takes."""


class FileUnreadable(TesseraError):
    """A file cannot be read as texts; `line` counts from 1, where it is known."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line
