"""What the documentation says beyond what the routes and schemas say: words and examples."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from embedder.api.schemas import ErrorResponse

_EXAMPLE = "letters"
"""A collection that the examples make, fill, search and delete, in this order."""

DESCRIPTION = (
    "Text embeddings over OpenAI's API. Send texts, get one vector for each, in order. Errors are "
    "`{error: {message, type, param, code}}` with OpenAI's status codes; every answer carries `x-request-id`."
)

_ERRORS: dict[int | str, str] = {
    400: "The request is wrong; `param` names the field.",
    401: "No key, or a wrong one.",
    404: "No such model here (`model_not_found`), or no such address.",
    413: "The body, or what it holds, is larger than one request may be: split it.",
    415: "The body is not JSON.",
    429: "No room now, or the key has spent what it may in a minute. `Retry-After` says when to try again.",
    503: "The model is not ready, or the answer took too long.",
    "default": "Any other error, in the same shape.",
}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": description} for status, description in _ERRORS.items()
}


def json_body(schema: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI's description of a body that the route reads itself."""
    content = {"application/json": {"schema": schema.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def request_examples(model: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Bodies that a server of `model` answers with 200: operation id, then example's name, then body."""
    text, texts = "Text one", ["Text one", "Text two", "Text three"]
    embed: dict[str, dict[str, Any]] = {
        "One text": {"model": model, "input": text},
        "A batch": {"model": model, "input": texts},
        "As base64, cut to 16 dimensions": {
            "model": model,
            "input": texts,
            "encoding_format": "base64",
            "dimensions": 16,
        },
        "A query, to be compared with documents": {
            "model": model,
            "input": "Which text is it?",
            "input_type": "query",
        },
        "Token ids of cl100k_base": {
            "model": model,
            "input": [[9906, 1917]],
            "token_encoding": "cl100k_base",
        },
    }
    return {
        "embed": embed,
        "embed_by_model": {"One text": {"input": text}, "A batch": {"input": texts}},
        "rerank": {
            "Three documents": {
                "model": model,
                "query": "Which text is it?",
                "documents": texts,
                "top_n": 2,
                "return_documents": True,
            }
        },
        "rerank_by_model": {"Three documents": {"query": "Which text is it?", "documents": texts}},
        "similarity": {"A batch": {"model": model, "input": texts}},
        "create_collection": {"By the default model": {"name": _EXAMPLE}},
        "add_texts": {
            "Texts": {"texts": texts},
            "With ids and columns": {
                "texts": [{"id": "first", "text": text, "document": "letters", "columns": {"year": 2024}}]
            },
        },
        "search_collection": {
            "By meaning": {"query": "Which text is it?", "top_k": 3},
            "By both, with a filter": {
                "query": "text one",
                "mode": "hybrid",
                "filters": {"type": "gte", "key": "year", "value": 2024},
            },
        },
        "get_texts": {"With its vector": {"ids": ["first"], "embeddings": True}},
        "update_texts": {"Columns": {"texts": [{"id": "first", "columns": {"year": 2025}}]}},
        "delete_texts": {"Of one document": {"documents": ["letters"]}},
        "tokenize": {"A batch": {"model": model, "input": texts}},
        "tokenize_by_model": {"One text": {"input": text}},
    }


def add_examples(openapi: dict[str, Any], model: str) -> dict[str, Any]:
    """`openapi` with examples that run on a server of `model`: bodies, and the model in a path."""
    bodies = request_examples(model)
    for operations in openapi["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                parameter["example"] = _EXAMPLE if parameter["name"] == "name" else model
            examples = bodies.get(operation["operationId"])
            if examples:
                named = {name: {"value": body} for name, body in examples.items()}
                operation["requestBody"]["content"]["application/json"]["examples"] = named
    return openapi
