"""The last call as a user would type it: curl, Python, JavaScript. Pure strings, safely quoted."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from ui.last_call import LastCall

_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")


def base_url(headers: Mapping[str, str], scheme: str) -> str:
    """The address the visitor sees, from the proxy's headers where they make sense, else from Host.

    Headers are a client's to choose, so host and scheme must look like such.
    """
    forwarded_scheme = headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    if forwarded_scheme in {"http", "https"}:
        scheme = forwarded_scheme
    for name in ("x-forwarded-host", "host"):
        host = headers.get(name, "").split(",")[0].strip()
        if _HOST.fullmatch(host):
            return f"{scheme if scheme in {'http', 'https'} else 'http'}://{host}"
    return "http://127.0.0.1:7860"


def no_call(language: str) -> str:
    """What stands where there is nothing to send."""
    mark = "//" if language == "javascript" else "#"
    return (
        f"{mark} Words are looked for without a model: there is no call.\n{mark} The last tab does the same."
    )


def curl(call: LastCall, base: str) -> str:
    """A POSIX shell's; one call a body."""
    lines = [f"EMBED_BASE={shlex.quote(base)}"]
    for body in call.bodies:
        lines += [
            f"EMBED_MODEL={shlex.quote(body['model'])}",
            "",
            'curl -X POST "${EMBED_BASE}/${EMBED_MODEL}/v1/embeddings" \\',
            '  -H "Authorization: Bearer ${EMBED_KEY}" \\',
            '  -H "Content-Type: application/json" \\',
            f"  -d {shlex.quote(as_json(body))}",
        ]
    return "\n".join(lines)


def python_requests(call: LastCall, base: str) -> str:
    """Python with requests."""
    first, *more = call.bodies
    return f"""import os
import requests

EMBED_BASE = {base!r}
EMBED_MODEL = {call.model!r}
EMBED_KEY = os.environ.get("EMBED_KEY", "any")


def embed(body):
    response = requests.post(
        f"{{EMBED_BASE}}/{{body['model']}}/v1/embeddings",
        headers={{"Authorization": f"Bearer {{EMBED_KEY}}", "Content-Type": "application/json"}},
        json=body,
    )
    response.raise_for_status()
    return [item["embedding"] for item in response.json()["data"]]


vectors = embed({_python_body(first, "EMBED_MODEL")})
print(len(vectors), "vectors of", len(vectors[0]), "numbers")
{_python_rest(call, [f"embed({_python_body(body)})" for body in more])}"""


def python_openai(call: LastCall, base: str) -> str:
    """Python with OpenAI's client."""
    first, *more = call.bodies
    return f"""import os
from openai import OpenAI

client = OpenAI(base_url={base + "/v1"!r}, api_key=os.environ.get("EMBED_KEY", "any"))
vectors = [item.embedding for item in client.embeddings.create({_openai_arguments(first)}).data]
print(len(vectors), "vectors of", len(vectors[0]), "numbers")
{
        _python_rest(
            call,
            [
                f"[item.embedding for item in client.embeddings.create({_openai_arguments(body)}).data]"
                for body in more
            ],
        )
    }"""


def javascript(call: LastCall, base: str) -> str:
    """JavaScript with fetch, as Node runs it."""
    first, *more = call.bodies
    others = "".join(
        f"""
const others = await embed({as_json(body)});
console.log(others.length, "vectors of", others[0].length, "numbers by", {as_json(body["model"])});
"""
        for body in more
    )
    return f"""const EMBED_BASE = {as_json(base)};
const EMBED_KEY = process.env.EMBED_KEY ?? "any";

async function embed(body) {{
  const response = await fetch(`${{EMBED_BASE}}/${{body.model}}/v1/embeddings`, {{
    method: "POST",
    headers: {{ Authorization: `Bearer ${{EMBED_KEY}}`, "Content-Type": "application/json" }},
    body: JSON.stringify(body),
  }});
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()).data.map((item) => item.embedding);
}}

const vectors = await embed({as_json(first)});
console.log(vectors.length, "vectors of", vectors[0].length, "numbers");
{others}{_JAVASCRIPT_COSINE if call.action == "pair" else ""}"""


_PYTHON_COSINE = """
one, two = vectors
norm = sum(x * x for x in one) ** 0.5 * sum(x * x for x in two) ** 0.5
print("cosine", sum(x * y for x, y in zip(one, two)) / norm)
"""
_JAVASCRIPT_COSINE = """
const [one, two] = vectors;
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
console.log("cosine", dot(one, two) / Math.sqrt(dot(one, one) * dot(two, two)));
"""


def as_json(value: Any) -> str:
    """JSON as people read it; escaped where a lone surrogate could not be sent."""
    readable = json.dumps(value, ensure_ascii=False)
    try:
        readable.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return readable


def _python_rest(call: LastCall, more: list[str]) -> str:
    """What comes after the first vectors."""
    others = "".join(
        f"""
others = {expression}
print(len(others), "vectors of", len(others[0]), "numbers by", {body["model"]!r})
"""
        for expression, body in zip(more, call.bodies[1:], strict=True)
    )
    return others + (_PYTHON_COSINE if call.action == "pair" else "")


def _python_body(body: Mapping[str, Any], model: str | None = None) -> str:
    """A dict as Python writes it, its model by the name of a variable."""
    pairs = [f'"model": {model or repr(body["model"])}']
    return "{" + ", ".join(pairs + [f'"{name}": {body[name]!r}' for name in body if name != "model"]) + "}"


def _openai_arguments(body: Mapping[str, Any]) -> str:
    known = {"model", "input", "dimensions"}
    extra = {name: value for name, value in body.items() if name not in known}
    named = [f"{name}={value!r}" for name, value in body.items() if name in known]
    return ", ".join(named + ([f"extra_body={extra!r}"] if extra else []))
