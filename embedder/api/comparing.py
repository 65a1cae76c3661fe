"""POST /v1/rerank and /v1/similarity: cosines of texts, without anything being kept.

Cohere's second client asks at /v2/rerank for what its first does at /v1/rerank.
"""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from embedder.analysis.similarity import cosine_similarity
from embedder.api import collection_schemas as wire
from embedder.api.bodies import parse_object
from embedder.api.context import Context, context_of
from embedder.api.documentation import json_body
from embedder.api.edge import own_path
from embedder.api.inputs import read_plain_texts
from embedder.api.models import choose_model
from embedder.api.schemas import validate
from embedder.api.serialise import json_response
from embedder.api.waiting import off_loop, while_connected
from embedder.errors import InvalidInput
from embedder.types import Embeddings, Kind

router = APIRouter(tags=["comparing"])

_COSINE, _CROSS_ENCODER = "cosine of the embedding model's vectors", "cross-encoder"


_RERANK: dict[str, Any] = {
    "summary": "Order documents by a query",
    "responses": {200: {"model": wire.RerankResponse}},
    "openapi_extra": json_body(wire.RerankRequest),
}


@router.post("/v1/rerank", operation_id="rerank", **_RERANK)
@router.post("/v2/rerank", include_in_schema=False)
async def rerank(request: Request) -> Response:
    """Documents by their nearness to the query, best first, as Jina's and Cohere's clients ask for it."""
    return await _rerank(request, None)


@router.post("/{model:path}/v1/rerank", operation_id="rerank_by_model", **_RERANK)
@router.post("/{model:path}/v2/rerank", include_in_schema=False)
async def rerank_by_model(request: Request, model: str) -> Response:
    """The same by the model in the path; the body may leave it out."""
    return await _rerank(request, model)


async def _rerank(request: Request, path_model: str | None) -> Response:
    context = context_of(request)
    async with context.bodies.read(request) as body:
        wanted = await off_loop(len(body), _parse_rerank, body)
        model = choose_model(path_model, wanted.model) if path_model else wanted.model
        documents = _documents(wanted.documents, context.settings.max_request_texts)
        if not wanted.query:
            raise InvalidInput("'query' is empty. Say what is looked for.", param="query")
        reranker = context.engine.reranker
        if reranker is not None and model in (None, reranker):
            call = context.engine.rerank(wanted.query, documents)
            told = await while_connected(request, call, timeout_s=context.settings.request_timeout_s)
            parts, method, scores = [told], _CROSS_ENCODER, told.vectors[:, 0]
        else:
            asked = await _embed(request, context, [wanted.query], model, "query")
            told = await _embed(request, context, documents, asked.model.id, "document")
            parts, method = [asked, told], _COSINE
            scores = (await off_loop(told.vectors.nbytes, cosine_similarity, asked.vectors, told.vectors))[0]
    order = np.argsort(-scores, kind="stable")[: wanted.top_n]
    results = [
        {"index": int(row), "relevance_score": float(scores[row])}
        | ({"document": {"text": documents[row]}} if wanted.return_documents else {})
        for row in order
    ]
    usage = _usage(*parts)
    return json_response(
        {
            "id": str(uuid.uuid4()),
            "model": told.model.id,
            "method": method,
            "results": results,
            "usage": usage,
            "meta": _meta(request, usage["total_tokens"]),
        }
    )


@router.post(
    "/v1/similarity",
    operation_id="similarity",
    summary="Compare texts",
    responses={200: {"model": wire.SimilarityResponse}},
    openapi_extra=json_body(wire.SimilarityRequest),
)
async def similarity(request: Request) -> Response:
    """The cosine of every text with every other, or with those of a second list."""
    context = context_of(request)
    most = context.settings.max_request_texts
    async with context.bodies.read(request) as body:
        wanted = await off_loop(len(body), _parse_similarity, body)
        left = read_plain_texts(wanted.input, max_texts=most)
        right = [] if wanted.other is None else read_plain_texts(wanted.other, max_texts=most)
        told = await _embed(request, context, [*left, *right], wanted.model, None)
        rows, columns = told.vectors[: len(left)], told.vectors[len(left) :] if right else None
        content = await off_loop(told.vectors.nbytes, _similarity_json, told, rows, columns)
    return json_response(content)


async def _embed(
    request: Request, context: Context, texts: list[str], model: str | None, kind: Kind | None
) -> Embeddings:
    call = context.engine.embed(texts, model=model, kind=kind)
    return await while_connected(request, call, timeout_s=context.settings.request_timeout_s)


def _similarity_json(told: Embeddings, rows: Any, columns: Any) -> bytes:
    answer = {
        "object": "similarity",
        "model": told.model.id,
        "scores": cosine_similarity(rows, columns),
        "usage": _usage(told),
    }
    made: bytes = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return made


def _usage(*parts: Embeddings) -> dict[str, int]:
    tokens = sum(int(part.prompt_tokens.sum()) for part in parts)
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def _meta(request: Request, tokens: int) -> dict[str, Any]:
    """What Cohere's clients look at; nobody is billed."""
    version = "2" if own_path(request.scope).endswith("/v2/rerank") else "1"
    return {"api_version": {"version": version}, "tokens": {"input_tokens": tokens, "output_tokens": 0}}


def _documents(told: Any, max_texts: int) -> list[str]:
    if not isinstance(told, list) or not told:
        raise InvalidInput("'documents' must be a list of at least one text.", param="documents")
    texts = [one.get("text") if isinstance(one, dict) else one for one in told]
    try:
        if not isinstance(texts[0], str):
            raise InvalidInput("The first of 'documents' is no text.")
        return read_plain_texts(texts, max_texts=max_texts)
    except InvalidInput as error:
        raise InvalidInput(str(error).replace("'input'", "'documents'"), param="documents") from None


def _parse_rerank(body: bytearray) -> wire.RerankRequest:
    return validate(wire.RerankRequest, parse_object(body))


def _parse_similarity(body: bytearray) -> wire.SimilarityRequest:
    return validate(wire.SimilarityRequest, parse_object(body))
