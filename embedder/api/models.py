"""GET /v1/models and /v1/models/{id}, and both under a model's path."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from embedder.api.context import Context, context_of
from embedder.api.schemas import Model, ModelList
from embedder.api.serialise import json_response
from embedder.errors import InvalidInput, UnknownModel
from embedder.types import ModelInfo, ModelStatus

router = APIRouter(tags=["models"])

_LIST: dict[str, Any] = {"summary": "List models", "responses": {200: {"model": ModelList}}}
_GET: dict[str, Any] = {"summary": "Describe a model", "responses": {200: {"model": Model}}}
_SHOWN_CHARS = 120


@router.get("/v1/models", operation_id="list_models", **_LIST)
async def list_models(request: Request) -> Response:
    """Every model of this server, the default first, those still loading too."""
    context = context_of(request)
    return _list(context, context.engine.models())


@router.get("/v1/models/{model_id:path}", operation_id="get_model", **_GET)
async def get_model(request: Request, model_id: str) -> Response:
    """One model."""
    context = context_of(request)
    return json_response(_describe(_find(context, model_id), context.created))


@router.get("/{model:path}/v1/models", operation_id="list_models_of_model", **_LIST)
async def list_models_of_model(request: Request, model: str) -> Response:
    """The one model of this path."""
    context = context_of(request)
    return _list(context, [_find(context, model)])


@router.get("/{model:path}/v1/models/{model_id:path}", operation_id="get_model_of_model", **_GET)
async def get_model_of_model(request: Request, model: str, model_id: str) -> Response:
    """The model of this path, which is the only one there."""
    context = context_of(request)
    status = _find(context, model)
    if model_id != model:
        raise UnknownModel(model_id, (model,))
    return json_response(_describe(status, context.created))


def choose_model(path_model: str | None, body_model: str | None) -> str:
    """The model a request is for, by its path or its body.

    Raises:
        InvalidInput: neither names one, or they name different ones.
    """
    if path_model and body_model and path_model != body_model:
        raise InvalidInput(
            f"The address is of the model {_shown(path_model)}, the body asks for {_shown(body_model)}. "
            "Name the same in both, or leave it out of the body.",
            param="model",
        )
    model = path_model or body_model
    if not model:
        raise InvalidInput("The field 'model' is required. /v1/models lists the models here.", param="model")
    return model


def _shown(name: str) -> str:
    return repr(name if len(name) <= _SHOWN_CHARS else name[: _SHOWN_CHARS - 3] + "...")


def _find(context: Context, model_id: str) -> ModelStatus:
    statuses = context.engine.models()
    for status in statuses:
        if status.id == model_id:
            return status
    raise UnknownModel(model_id, tuple(status.id for status in statuses))


def _list(context: Context, statuses: list[ModelStatus]) -> Response:
    models = [_describe(status, context.created) for status in statuses]
    return json_response({"object": "list", "data": models})


def _describe(status: ModelStatus, created: int) -> dict[str, Any]:
    owner, slash, _ = status.id.partition("/")
    info = status.info
    return {
        "id": status.id,
        "object": "model",
        "created": created,
        "owned_by": owner if slash else "local",
        "state": status.state,
        "task": info and info.task,
        "max_tokens": info and info.max_tokens,
        "dimensions": info and info.dimensions,
        "dimensions_note": info and _dimensions_note(info),
        "normalized": info and info.normalized,
        "runtime": info and info.runtime,
        "precision": info and info.precision,
        "neighbours_kept": info and info.neighbours_kept,
        "fingerprint": info and info.fingerprint,
        "prompts": info and sorted(name for name, prompt in info.prompts.items() if prompt),
    }


def _dimensions_note(info: ModelInfo) -> str:
    return (
        f"Vectors have {info.dimensions} dimensions. The model is not known to be trained for shorter ones: "
        "asking for fewer loses accuracy."
    )
