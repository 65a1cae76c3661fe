"""/openapi.json, and /docs made from it: one page that asks nothing of any other server.

FastAPI's own page loads its scripts from a CDN.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from importlib import resources
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from embedder.api.context import context_of
from embedder.api.documentation import add_examples
from embedder.api.serialise import json_response

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def openapi_json(request: Request) -> Response:
    """The API's description, its examples made for this server's default model."""
    return json_response(_openapi(request))


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The documentation, with examples to run."""
    page, policy = render(_openapi(request))
    return HTMLResponse(page, headers={"content-security-policy": policy})


def render(openapi: dict[str, Any]) -> tuple[str, str]:
    """The page for `openapi`, and the policy that lets it run its script and reach its server only."""
    template = resources.files("embedder.api").joinpath("docs.html").read_text("utf-8")
    sections = "\n".join(
        _section(path, method, operation)
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    )
    page = (
        template.replace("{{title}}", escape(openapi["info"]["title"]))
        .replace("{{description}}", _prose(openapi["info"]["description"]))
        .replace("{{operations}}", sections)
    )
    script, style = (_source_hash(page, tag) for tag in ("script", "style"))
    policy = (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return page, policy


def _openapi(request: Request) -> dict[str, Any]:
    """Made once: FastAPI keeps it, and adding the same examples again changes nothing."""
    openapi: dict[str, Any] = request.app.openapi()
    return add_examples(openapi, context_of(request).settings.default_model)


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    """One operation: what it does, its fields, and an example or more to run."""
    verb = method.upper()
    for parameter in operation.get("parameters", []):
        path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = content.get("examples", {"": {"value": None}})
    calls = "".join(_call(verb, path, name, example["value"]) for name, example in examples.items())
    return (
        f'<section id="{escape(operation["operationId"])}"><h2><b>{verb}</b> <code>{escape(path)}</code></h2>'
        f"<p>{_prose(operation['summary'])}. {_prose(operation['description'])}</p>"
        f"{_fields(content.get('schema', {}))}{calls}</section>"
    )


def _fields(schema: dict[str, Any]) -> str:
    if not schema:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_prose(field.get('description', ''))}</td></tr>"
        for name, field in schema["properties"].items()
    )
    return f"<details><summary>Fields</summary><table>{rows}</table></details>"


def _call(verb: str, path: str, name: str, body: dict[str, Any] | None) -> str:
    """An example as a curl command, and a form that runs it."""
    command = f'curl "${{EMBED_BASE}}{path}" -H "Authorization: Bearer ${{EMBED_KEY}}"'
    if verb not in ("GET", "POST"):
        command += f" -X {verb}"
    editor = ""
    if body is not None:
        shown = json.dumps(body, ensure_ascii=False)
        quoted = shown.replace("'", "'\\''")
        command += f" -H \"Content-Type: application/json\" -d '{quoted}'"
        editor = f'<textarea rows="3" aria-label="Request body" spellcheck="false">{escape(shown)}</textarea>'
    title = f"<h3>{escape(name)}</h3>" if name else ""
    return (
        f'<form data-method="{verb}" data-path="{escape(path.lstrip("/"))}">{title}'
        f"<pre>{escape(command)}</pre>{editor}<button>Run</button>"
        f'<pre class="answer" aria-live="polite" hidden></pre></form>'
    )


def _prose(text: str) -> str:
    """Text with `code` in it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text.strip()).rstrip("."))


def _source_hash(page: str, tag: str) -> str:
    match = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    source = match.group(1) if match else ""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
