"""Answers as JSON bytes, made from arrays: no Python object per number.

Each row is a piece of its own, so that a thread writing a large answer lets others in between.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from starlette.responses import Response

from embedder.api.schemas import EncodingFormat
from embedder.types import Embeddings, TokenSpans

if TYPE_CHECKING:
    from numpy.typing import NDArray


def embeddings_json(embeddings: Embeddings, encoding_format: EncodingFormat) -> bytes:
    """OpenAI's answer; `truncated` is in it only if a text was cut."""
    vectors = np.ascontiguousarray(embeddings.vectors, dtype="<f4")
    write = _as_base64 if encoding_format == "base64" else _as_numbers
    rows = [
        b'{"object":"embedding","index":%d,"embedding":%b}' % (i, write(v)) for i, v in enumerate(vectors)
    ]
    tokens = int(embeddings.prompt_tokens.sum())
    rest: dict[str, Any] = {
        "model": embeddings.model.id,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    if embeddings.truncated:
        rest["truncated"] = embeddings.truncated
    return _list_json(rows, rest)


def tokens_json(texts: Sequence[TokenSpans], model: str) -> bytes:
    """Tokens, ids and offsets of each text."""
    rows = [
        orjson.dumps(
            {
                "object": "tokens",
                "index": index,
                "tokens": spans.tokens,
                "ids": spans.token_ids,
                "offsets": spans.offsets,
                "count": len(spans.token_ids),
                "truncated": spans.truncated,
            }
        )
        for index, spans in enumerate(texts)
    ]
    return _list_json(rows, {"model": model})


def json_response(
    content: bytes | Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer in JSON, from a mapping or from bytes made before."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, status, headers=headers, media_type="application/json")


def _list_json(rows: Sequence[bytes], rest: Mapping[str, Any]) -> bytes:
    """`{"object": "list", "data": [rows], **rest}`; `rest` is not empty."""
    return b"".join((b'{"object":"list","data":[', b",".join(rows), b"],", orjson.dumps(rest)[1:]))


def _as_numbers(vector: NDArray[np.float32]) -> bytes:
    written: bytes = orjson.dumps(vector, option=orjson.OPT_SERIALIZE_NUMPY)
    return written


def _as_base64(vector: NDArray[np.float32]) -> bytes:
    return b'"%b"' % base64.b64encode(vector.tobytes())
