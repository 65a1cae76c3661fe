"""OpenAI's objects of vector stores: what is read of requests, and what answers look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from embedder.collections import About
from embedder.collections.documents import Document
from embedder.collections.rows import Value, check_columns
from embedder.corpus.chunks import Chunking
from embedder.errors import InvalidInput

MAX_FILES_AT_ONCE = 500
PREFIX = "vs_"
"""Collections whose names begin so are vector stores."""
_MAX_PAIRS, _MAX_KEY_CHARS, _MAX_VALUE_CHARS = 16, 64, 512
_LEAST_TOKENS, _MOST_TOKENS = 100, 4096
_LAX = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)


class Chunked(BaseModel):
    """A request that may say how files are cut."""

    model_config = _LAX

    chunking_strategy: dict[str, Any] | None = None

    def chunking(self) -> Chunking | None:
        """The static strategy, or None for the automatic one.

        Raises:
            InvalidInput
        """
        return chunking_of(self.chunking_strategy)


class CreateStore(Chunked):
    """A new vector store."""

    name: str = Field("", max_length=256)
    file_ids: list[str] = Field(default_factory=list, max_length=MAX_FILES_AT_ONCE)
    metadata: dict[str, Any] | None = None


class ChangeStore(BaseModel):
    """Another name, other metadata."""

    model_config = _LAX

    name: str | None = Field(None, max_length=256)
    metadata: dict[str, Any] | None = None


class AttachFile(Chunked):
    """A file for a vector store."""

    file_id: str
    attributes: dict[str, Any] | None = None


class ChangeFile(BaseModel):
    """Other attributes of a file."""

    model_config = _LAX

    attributes: dict[str, Any] | None = None


class AttachFiles(Chunked):
    """Several files at once, all alike or each with its own."""

    file_ids: list[str] | None = Field(None, max_length=MAX_FILES_AT_ONCE)
    files: list[dict[str, Any]] | None = Field(None, max_length=MAX_FILES_AT_ONCE)
    attributes: dict[str, Any] | None = None


class SearchStore(BaseModel):
    """A search; `rewrite_query` and the ranker are ignored."""

    model_config = _LAX

    query: Any
    filters: Any = None
    max_num_results: int = Field(10, ge=1, le=50)
    ranking_options: dict[str, Any] | None = None

    def score_threshold(self) -> float | None:
        """The least score of a result.

        Raises:
            InvalidInput
        """
        told = (self.ranking_options or {}).get("score_threshold")
        if told is None or (type(told) in (int, float) and 0 <= told <= 1):
            return told
        raise InvalidInput("'score_threshold' must be 0 to 1.", param="ranking_options")


def chunking_of(told: dict[str, Any] | None) -> Chunking | None:
    """A static strategy, None for `auto`.

    Raises:
        InvalidInput
    """
    if told is None or told.get("type") == "auto":
        return None
    static = told.get("static")
    if told.get("type") != "static" or not isinstance(static, dict):
        raise InvalidInput(
            '\'chunking_strategy\' must be {"type": "auto"} or {"type": "static", "static": {…}}.',
            param="chunking_strategy",
        )
    tokens, overlap = static.get("max_chunk_size_tokens"), static.get("chunk_overlap_tokens")
    if type(tokens) is not int or type(overlap) is not int or not _LEAST_TOKENS <= tokens <= _MOST_TOKENS:
        raise InvalidInput(
            f"'max_chunk_size_tokens' must be {_LEAST_TOKENS} to {_MOST_TOKENS}, 'chunk_overlap_tokens' up "
            "to half of it.",
            param="chunking_strategy",
        )
    return Chunking(tokens, overlap)


def checked_attributes(told: dict[str, Any] | None) -> dict[str, Value]:
    """Attributes of a file: 16 names with strings, numbers or booleans.

    Raises:
        InvalidInput
    """
    return _bounded(check_columns(told or {}, "attributes"), "attributes")


def checked_metadata(told: dict[str, Any] | None) -> dict[str, Value]:
    """Metadata of a vector store, of the same form.

    Raises:
        InvalidInput
    """
    return _bounded(check_columns(told or {}, "metadata"), "metadata")


def _bounded(pairs: dict[str, Value], param: str) -> dict[str, Value]:
    long = any(
        len(name) > _MAX_KEY_CHARS or (isinstance(value, str) and len(value) > _MAX_VALUE_CHARS)
        for name, value in pairs.items()
    )
    if long or len(pairs) > _MAX_PAIRS:
        raise InvalidInput(
            f"'{param}' holds at most {_MAX_PAIRS} names of {_MAX_KEY_CHARS} characters with values of "
            f"{_MAX_VALUE_CHARS}.",
            param=param,
        )
    return pairs


def described_store(about: About, documents: Sequence[Document], now: int) -> dict[str, Any]:
    """OpenAI's vector store object."""
    counts = counted(documents)
    return {
        "id": about.name,
        "object": "vector_store",
        "created_at": about.created,
        "name": about.metadata.get("name", ""),
        "description": None,
        "usage_bytes": sum(one.usage_bytes for one in documents),
        "file_counts": counts,
        "status": "in_progress" if counts["in_progress"] else "completed",
        "expires_after": None,
        "expires_at": None,
        "last_active_at": now,
        "metadata": about.metadata.get("metadata", {}),
    }


def described_file(store_id: str, document: Document) -> dict[str, Any]:
    """OpenAI's vector store file object."""
    code = "invalid_file" if document.at_fault == "file" else "server_error"
    error = {"code": code, "message": document.error} if document.state == "failed" else None
    return {
        "id": document.file_id,
        "object": "vector_store.file",
        "created_at": document.created,
        "vector_store_id": store_id,
        "status": document.state,
        "last_error": error,
        "usage_bytes": document.usage_bytes,
        "attributes": dict(document.attributes),
        "chunking_strategy": {
            "type": "static",
            "static": {
                "max_chunk_size_tokens": document.tokens,
                "chunk_overlap_tokens": document.overlap,
            },
        },
    }


def counted(documents: Sequence[Document]) -> dict[str, int]:
    """How many files are in which state."""
    states: Counter[str] = Counter(one.state for one in documents)
    names = ("in_progress", "completed", "failed", "cancelled")
    return {name: states[name] for name in names} | {"total": len(documents)}
