"""POST /v1/embeddings, and the same under a model's path."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from embedder.api.bodies import parse_object
from embedder.api.context import Context, context_of
from embedder.api.documentation import json_body
from embedder.api.inputs import read_texts
from embedder.api.models import choose_model
from embedder.api.schemas import EmbeddingsRequest, EmbeddingsResponse, TokenEncoding, validate
from embedder.api.serialise import embeddings_json, json_response
from embedder.api.waiting import off_loop, while_connected
from embedder.errors import TooLarge
from embedder.types import EmbedOptions, Text

router = APIRouter(tags=["embeddings"])

_POST: dict[str, Any] = {
    "summary": "Embed texts",
    "responses": {
        200: {
            "model": EmbeddingsResponse,
            "description": "One vector for each text, in order. The header `x-truncated` counts the texts "
            "that were cut; it is absent if none was.",
        }
    },
    "openapi_extra": json_body(EmbeddingsRequest),
}


@router.post("/v1/embeddings", operation_id="embed", **_POST)
async def embed(request: Request) -> Response:
    """Vectors of texts, by the model that the body names."""
    return await answer(request, None)


@router.post("/{model:path}/v1/embeddings", operation_id="embed_by_model", **_POST)
async def embed_by_model(request: Request, model: str) -> Response:
    """Vectors of texts, by the model in the path; the body may leave it out."""
    return await answer(request, model)


async def answer(request: Request, path_model: str | None) -> Response:
    """The answer to a request that may use the API; `path_model` is the model of its path, if it has one.

    Raises:
        TesseraError: any of the tree.
    """
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = await off_loop(len(body), _parse, body)
        model = choose_model(path_model, wanted.model)
        texts = await _texts(wanted, len(body), context)
        call = context.engine.embed(
            texts,
            model=model,
            kind=wanted.input_type,
            dimensions=wanted.dimensions,
            options=EmbedOptions(prompt_name=wanted.prompt_name, truncate=wanted.truncate),
        )
        embeddings = await while_connected(request, call, timeout_s=context.settings.request_timeout_s)
        answer = await off_loop(
            embeddings.vectors.nbytes, embeddings_json, embeddings, wanted.encoding_format
        )
    cut = len(embeddings.truncated)
    return json_response(answer, headers={"x-truncated": str(cut)} if cut else None)


def _parse(body: bytearray) -> EmbeddingsRequest:
    return validate(EmbeddingsRequest, parse_object(body))


async def _texts(wanted: EmbeddingsRequest, size_bytes: int, context: Context) -> list[Text]:
    token_encoding: TokenEncoding = wanted.token_encoding or context.settings.token_ids
    max_texts = context.settings.max_request_texts
    if _may_hold_ids(wanted.input):
        _check_ids(wanted.input, context.settings.max_request_tokens)
        # In a thread whatever their number: the first ids have a vocabulary of 100,000 tokens read.
        return await asyncio.to_thread(
            read_texts, wanted.input, max_texts=max_texts, token_encoding=token_encoding
        )
    return await off_loop(
        size_bytes, read_texts, wanted.input, max_texts=max_texts, token_encoding=token_encoding
    )


def _check_ids(value: list[Any], limit: int) -> None:
    """Refuse more ids than a request may hold tokens, before they are decoded."""
    ids = sum(len(item) if isinstance(item, list) else 1 for item in value)
    if ids > limit:
        raise TooLarge(f"The request holds {ids} token ids; the most in one request is {limit}. Split it.")


def _may_hold_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and not isinstance(value[0], str)
