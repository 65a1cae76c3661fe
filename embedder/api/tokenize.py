"""POST /v1/tokenize, and the same under a model's path."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from embedder.api.bodies import parse_object
from embedder.api.context import context_of
from embedder.api.documentation import json_body
from embedder.api.inputs import read_plain_texts
from embedder.api.models import choose_model
from embedder.api.schemas import TokenizeRequest, TokenizeResponse, validate
from embedder.api.serialise import json_response, tokens_json
from embedder.api.waiting import off_loop, while_connected
from embedder.errors import TooLarge

router = APIRouter(tags=["tokens"])

_CHARS_PER_TOKEN = 4
"""Of English text, about; it turns the bound on a request's tokens into one on its characters."""

_POST: dict[str, Any] = {
    "summary": "Split texts into tokens",
    "responses": {200: {"model": TokenizeResponse, "description": "The tokens of each text, in order."}},
    "openapi_extra": json_body(TokenizeRequest),
}


@router.post("/v1/tokenize", operation_id="tokenize", **_POST)
async def tokenize(request: Request) -> Response:
    """Tokens, ids and character offsets as the model sees them, prompt and special tokens included."""
    return await _tokenize(request, None)


@router.post("/{model:path}/v1/tokenize", operation_id="tokenize_by_model", **_POST)
async def tokenize_by_model(request: Request, model: str) -> Response:
    """The same by the model in the path; the body may leave it out."""
    return await _tokenize(request, model)


async def _tokenize(request: Request, path_model: str | None) -> Response:
    context = context_of(request)
    settings = context.settings
    async with context.bodies.read(request) as body:
        wanted = await off_loop(len(body), _parse, body)
        model = choose_model(path_model, wanted.model)
        texts = read_plain_texts(wanted.input, max_texts=settings.max_request_texts)
        _check_size(texts, settings.max_request_tokens * _CHARS_PER_TOKEN)
        call = context.engine.tokenize(
            texts, model=model, kind=wanted.input_type, prompt_name=wanted.prompt_name
        )
        spans = await while_connected(request, call, timeout_s=settings.request_timeout_s)
        answer = await off_loop(len(body), tokens_json, spans, model)
    return json_response(answer)


def _parse(body: bytearray) -> TokenizeRequest:
    return validate(TokenizeRequest, parse_object(body))


def _check_size(texts: list[str], max_chars: int) -> None:
    """Tokens to be looked at weigh a hundred times their text: such an answer is bounded too."""
    if sum(map(len, texts)) > max_chars:
        raise TooLarge(f"The texts hold more than {max_chars} characters. Send them in smaller parts.")
