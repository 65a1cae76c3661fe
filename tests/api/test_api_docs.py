from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shlex
import shutil

import httpx
import pytest

from embedder.api.docs import render
from tests.api.serving import serving


async def openapi(client: httpx.AsyncClient) -> dict:
    response = await client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def test_every_route_is_described(client: httpx.AsyncClient) -> None:
    paths = (await openapi(client))["paths"]
    assert {(path, method) for path, operations in paths.items() for method in operations} == {
        ("/v1/embeddings", "post"),
        ("/{model}/v1/embeddings", "post"),
        ("/v1/tokenize", "post"),
        ("/{model}/v1/tokenize", "post"),
        ("/v1/rerank", "post"),
        ("/{model}/v1/rerank", "post"),
        ("/v1/similarity", "post"),
        ("/v1/collections", "get"),
        ("/v1/collections", "post"),
        ("/v1/collections/{name}", "get"),
        ("/v1/collections/{name}", "delete"),
        ("/v1/collections/{name}/texts", "post"),
        ("/v1/collections/{name}/search", "post"),
        ("/v1/collections/{name}/get", "post"),
        ("/v1/collections/{name}/update", "post"),
        ("/v1/collections/{name}/delete", "post"),
        ("/v1/models", "get"),
        ("/v1/models/{model_id}", "get"),
        ("/{model}/v1/models", "get"),
        ("/{model}/v1/models/{model_id}", "get"),
        ("/health", "get"),
        ("/ready", "get"),
        ("/metrics", "get"),
    }
    for operations in paths.values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert "422" not in operation["responses"]


async def test_keys_are_described(client: httpx.AsyncClient) -> None:
    described = await openapi(client)
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert described["paths"]["/v1/embeddings"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in described["paths"]["/health"]["get"]


async def test_every_example_runs(client: httpx.AsyncClient) -> None:
    ran = 0
    for path, operations in (await openapi(client))["paths"].items():
        for method, operation in operations.items():
            url = path
            for parameter in operation.get("parameters", []):
                url = url.replace("{" + parameter["name"] + "}", parameter["example"])
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for example in content.get("examples", {"": {"value": None}}).values():
                response = await client.request(method.upper(), url, json=example["value"])
                assert response.status_code == 200, (url, example, response.text)
                ran += 1
    assert ran >= 15


async def test_answers_are_as_described(client: httpx.AsyncClient) -> None:
    from embedder.api import schemas

    body = {"model": "org/tiny", "input": ["a", "word " * 100]}
    for schema, response in [
        (schemas.EmbeddingsResponse, await client.post("/v1/embeddings", json=body)),
        (schemas.TokenizeResponse, await client.post("/v1/tokenize", json=body)),
        (schemas.ModelList, await client.get("/v1/models")),
        (schemas.Model, await client.get("/v1/models/org/tiny")),
        (schemas.ErrorResponse, await client.get("/v1/models/nope")),
    ]:
        described = schema.model_validate_json(response.content).model_dump(exclude_unset=True, mode="json")
        assert described == response.json()


async def test_the_page_shows_the_commands_and_asks_nobody_else(client: httpx.AsyncClient) -> None:
    response = await client.get("/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = response.text
    assert not re.findall(r"""(?:https?:)?//[a-z0-9]""", page.replace("${base}/${form", ""))
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    for tag in ["script", "style"]:
        source = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


async def test_the_commands_on_the_page_are_good_shell(client: httpx.AsyncClient) -> None:
    commands = re.findall(r"<pre>(curl .*?)</pre>", (await client.get("/docs")).text, re.DOTALL)
    assert len(commands) >= 15
    for command in map(html.unescape, commands):
        words = shlex.split(command)
        assert words[:1] == ["curl"]
        assert words[1].startswith("${EMBED_BASE}/")
        if "-d" in words:
            url = words[1].removeprefix("${EMBED_BASE}")
            response = await client.post(url, json=json.loads(words[words.index("-d") + 1]))
            assert response.status_code == 200


def test_what_stands_in_the_description_is_escaped() -> None:
    page, _ = render(
        {
            "info": {"title": "<b>", "description": "a `<i>` & b"},
            "paths": {
                "/{m}": {
                    "post": {
                        "operationId": "x",
                        "summary": "<u>",
                        "description": "d",
                        "parameters": [{"name": "m", "example": "<script>alert(1)</script>"}],
                        "requestBody": {
                            "content": {
                                "application/json": {
                                    "examples": {"n": {"value": {"a": "it's </pre></textarea>"}}}
                                }
                            }
                        },
                    }
                }
            },
        }
    )
    assert "<u>" not in page
    assert "alert(1)</script>" not in page
    assert page.count("<script>") == 1
    assert "it&#x27;\\&#x27;&#x27;s &lt;/pre&gt;&lt;/textarea&gt;" in page
    assert page.count("</textarea>") == 1
    assert "<code>&lt;i&gt;</code>" in page


@pytest.mark.browser
async def test_an_example_runs_in_a_browser_and_nothing_else_is_asked(make_client) -> None:
    from playwright.async_api import async_playwright

    asked: list[str] = []
    complaints: list[str] = []

    def note(message) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    async with (
        make_client(keys=("one",)) as client,
        serving(client._transport.app) as port,
        async_playwright() as playwright,
    ):
        base = f"http://127.0.0.1:{port}"
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = await browser.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", note)
        await tab.goto(f"{base}/docs")
        assert f"EMBED_BASE={base}" in await tab.inner_text("#environment")
        form = tab.locator("#embed form").nth(1)
        await form.get_by_role("button").click()
        await form.locator(".answer", has_text="missing_api_key").wait_for()
        await tab.fill("#key", "one")
        await form.get_by_role("button").click()
        await form.locator(".answer", has_text='"object":"list"').wait_for()
        assert (await form.locator(".answer").inner_text()).startswith("200")
        await tab.set_viewport_size({"width": 390, "height": 800})
        assert await tab.evaluate("document.documentElement.scrollWidth") <= 390
        await browser.close()
    assert asked
    assert all(url.startswith((base, "data:")) for url in asked)
    # The browser reports the refusal itself; anything else would be the page's policy at work.
    assert [complaint for complaint in complaints if "401" not in complaint] == []
