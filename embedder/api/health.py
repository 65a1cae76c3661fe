"""Routes for those who run the server: /health, /ready and /metrics; no key is asked for."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from embedder import __version__
from embedder.api.context import context_of
from embedder.api.errors import error_body
from embedder.api.serialise import json_response

router = APIRouter(tags=["server"])

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/health", operation_id="health", summary="Is the server alive?")
async def health(_: Request) -> Response:
    """200 as soon as the server answers at all, whether or not a model is ready."""
    return json_response({"status": "ok", "version": __version__})


@router.get("/ready", operation_id="ready", summary="Is the default model ready?")
async def ready(request: Request) -> Response:
    """200 once the default model is ready, 503 before, and when the server stops; every model's state."""
    context = context_of(request)
    engine = context.engine
    statuses = engine.models()
    models = [{"id": status.id, "state": status.state} for status in statuses]
    if context.leaving.is_set():
        error = error_body("The server is shutting down.", "server_error", code="shutting_down")
        return json_response({**error, "status": "leaving", "models": models}, status=503)
    if engine.ready:
        return json_response({"status": "ready", "models": models})
    failed = bool(statuses) and statuses[0].state == "failed"
    message = (
        f"The default model {statuses[0].error}"
        if failed
        else "The default model is still loading. Ask again in a moment."
    )
    error = error_body(message, "server_error", code="model_unavailable")
    report = {**error, "status": "failed" if failed else "loading", "models": models}
    return json_response(report, status=503, headers={} if failed else {"Retry-After": "1"})


@router.get("/metrics", operation_id="metrics", summary="Metrics for Prometheus")
def metrics(request: Request) -> Response:
    """Queue, batches, tokens, cache and times, in Prometheus' text format."""
    return Response(context_of(request).engine.metrics.exposition(), media_type=_PROMETHEUS)
