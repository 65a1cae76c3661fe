"""The last call as a user would type it: curl, Python, JavaScript. Pure strings, safely quoted."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embedder.types import Kind

SHOWN_TEXTS = 4
_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class LastCall:
    """What the page last asked of the engine: its first texts, and how many there were."""

    model: str
    texts: tuple[str, ...]
    total: int
    kind: Kind | None = None

    @classmethod
    def of(cls, model: str, texts: list[str], kind: Kind | None = None) -> LastCall:
        """Keep the first `SHOWN_TEXTS` of `texts`."""
        return cls(model, tuple(texts[:SHOWN_TEXTS]), len(texts), kind)

    @property
    def body(self) -> dict[str, Any]:
        """The request body of the API."""
        body: dict[str, Any] = {"model": self.model, "input": list(self.texts)}
        return body | ({"input_type": self.kind} if self.kind else {})


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


def curl(call: LastCall, base: str) -> str:
    """A POSIX shell's."""
    return "\n".join(
        [
            f"EMBED_BASE={shlex.quote(base)}",
            f"EMBED_MODEL={shlex.quote(call.model)}",
            "",
            'curl -X POST "${EMBED_BASE}/${EMBED_MODEL}/v1/embeddings" \\',
            '  -H "Authorization: Bearer ${EMBED_KEY}" \\',
            '  -H "Content-Type: application/json" \\',
            f"  -d {shlex.quote(as_json(call.body))}",
        ]
    )


def python_requests(call: LastCall, base: str) -> str:
    """Python with requests."""
    return f"""import os
import requests

EMBED_BASE = {base!r}
EMBED_MODEL = {call.model!r}
EMBED_KEY = os.environ.get("EMBED_KEY", "any")

response = requests.post(
    f"{{EMBED_BASE}}/{{EMBED_MODEL}}/v1/embeddings",
    headers={{"Authorization": f"Bearer {{EMBED_KEY}}", "Content-Type": "application/json"}},
    json={_python_body(call)},
)
response.raise_for_status()
vectors = [item["embedding"] for item in response.json()["data"]]
print(len(vectors), "vectors of", len(vectors[0]), "numbers")
"""


def python_openai(call: LastCall, base: str) -> str:
    """Python with OpenAI's client."""
    extra = f",\n    extra_body={{'input_type': {call.kind!r}}}" if call.kind else ""
    return f"""import os
from openai import OpenAI

client = OpenAI(base_url={base + "/v1"!r}, api_key=os.environ.get("EMBED_KEY", "any"))
response = client.embeddings.create(
    model={call.model!r},
    input={list(call.texts)!r}{extra},
)
vectors = [item.embedding for item in response.data]
print(len(vectors), "vectors of", len(vectors[0]), "numbers")
"""


def javascript(call: LastCall, base: str) -> str:
    """JavaScript with fetch, as Node runs it."""
    return f"""const EMBED_BASE = {as_json(base)};
const EMBED_MODEL = {as_json(call.model)};
const EMBED_KEY = process.env.EMBED_KEY ?? "any";

const response = await fetch(`${{EMBED_BASE}}/${{EMBED_MODEL}}/v1/embeddings`, {{
  method: "POST",
  headers: {{ Authorization: `Bearer ${{EMBED_KEY}}`, "Content-Type": "application/json" }},
  body: JSON.stringify({as_json(call.body)}),
}});
if (!response.ok) throw new Error(await response.text());
const {{ data }} = await response.json();
console.log(data.length, "vectors of", data[0].embedding.length, "numbers");
"""


def as_json(value: Any) -> str:
    """JSON as people read it; escaped where a lone surrogate could not be sent."""
    readable = json.dumps(value, ensure_ascii=False)
    try:
        readable.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return readable


def _python_body(call: LastCall) -> str:
    pairs = [f'"model": EMBED_MODEL, "input": {list(call.texts)!r}']
    return "{" + ", ".join(pairs + ([f'"input_type": {call.kind!r}'] if call.kind else [])) + "}"
