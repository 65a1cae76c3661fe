from __future__ import annotations

import ast
import importlib.util
import json
import logging
from pathlib import Path

import httpx
import pytest

from embedder.api.edge import PAGE_PREFIXES
from tests.api.canonical import assert_canonical_error
from tests.api.conftest import MODEL


async def page(scope, receive, send) -> None:
    """Answers every path, as a page mounted at / does."""
    assert scope["type"] == "http"
    if scope["path"] == "/gradio_api/breaks":
        raise ValueError("the visitor's words")
    body = json.dumps({"page": scope["path"]}).encode()
    headers = [(b"content-type", b"text/html"), (b"method", scope["method"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def both(make_client):
    """A server with a page."""
    async with make_client(page=page) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "//v1/embeddings",
        "/v1/embeddings/",
        "/v1//embeddings",
        "/org/tiny//v1/embeddings",
        "/org/tiny/v1/embeddings/",
        "//org%2Ftiny//v1//embeddings//",
    ],
)
async def test_a_slash_too_many_is_tolerated(both: httpx.AsyncClient, path: str) -> None:
    # httpx would read a leading // as the name of a host.
    response = await both.post(f"http://127.0.0.1:7860{path}", json={"model": "org/tiny", "input": "a"})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/org/tiny/v1",
        "/org/tiny/v1/",
        "/a/b/v1/c/d",
        "/v1/embeddings/x",
        "/v1/v1/x",
        "/embeddings",
        "/org/tiny/embeddings/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_unknown_paths_of_ours(both: httpx.AsyncClient, path: str, method: str) -> None:
    assert_canonical_error(await both.request(method, path), 404, code="unknown_url")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/embeddings", "POST"),
        ("PUT", "/v1/embeddings", "POST"),
        ("GET", "/org/tiny/v1/embeddings", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/v1/models/org/tiny", "GET"),
        ("PATCH", "/org%2Ftiny/v1/models", "GET"),
        ("GET", "/v1/tokenize", "POST"),
        ("POST", "/health", "GET"),
        ("DELETE", "/docs", "GET"),
    ],
)
async def test_wrong_methods(both: httpx.AsyncClient, method: str, path: str, allowed: str) -> None:
    response = await both.request(method, path, json={})
    assert_canonical_error(response, 405, code="method_not_allowed")
    assert response.headers["allow"] == allowed


async def test_head_is_get_without_the_body(both: httpx.AsyncClient) -> None:
    for path in ["/health", "/v1/models", "/docs", "/openapi.json", "/ready"]:
        head = await both.head(path)
        assert head.status_code == 200
        assert head.content == b""
        assert int(head.headers["content-length"]) == len((await both.get(path)).content)
    missing = await both.head("/v1/models/nope")
    assert missing.status_code == 404
    assert missing.content == b""
    assert (await both.head("/v1/embeddings")).status_code == 405


async def test_options_say_what_is_allowed(both: httpx.AsyncClient) -> None:
    response = await both.options("/v1/embeddings")
    assert response.status_code == 204
    assert response.headers["allow"] == "POST, OPTIONS"
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/anything",
        "/health/x",
        "/docsx",
        "/v10/models",
        "/gradio_api/call/v1/embeddings",
        "/gradio_api/v1",
        "/config",
        "/assets/v1/x.js",
        "/static/v1/",
        "/login",
    ],
)
async def test_the_pages_paths_are_the_pages(both: httpx.AsyncClient, path: str) -> None:
    response = await both.get(path)
    assert response.json() == {"page": path}
    assert response.headers["x-request-id"]
    assert (await both.head(path)).headers["method"] == "HEAD"


async def test_our_paths_are_ours(both: httpx.AsyncClient) -> None:
    for path in ["/health", "/health/", "/ready", "/metrics", "/docs", "/openapi.json", "/v1/models"]:
        response = await both.get(path)
        assert response.status_code == 200
        assert not response.text.startswith('{"page"')


async def test_rerank_is_ours_at_the_address_of_coheres_second_client(both: httpx.AsyncClient) -> None:
    for path in ("/v2/rerank", f"/{MODEL}/v2/rerank", f"/{MODEL}/v1/rerank"):
        answer = await both.post(path, json={"query": "q", "documents": ["a", "b"]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["meta"]["api_version"] == {"version": path.rsplit("/", 2)[1][1:]}
    differing = {"model": "another", "query": "q", "documents": ["a"]}
    assert_canonical_error(await both.post(f"/{MODEL}/v2/rerank", json=differing), 400)


async def test_without_a_page_every_path_is_ours(client: httpx.AsyncClient) -> None:
    for path in ["/", "/gradio_api/info", "/x"]:
        assert_canonical_error(await client.get(path), 404, code="unknown_url")


def test_the_pages_prefixes_are_gradios_and_the_maps() -> None:
    spec = importlib.util.find_spec("gradio")
    assert spec
    assert spec.origin
    tree = ast.parse(Path(spec.origin).with_name("routes.py").read_text())
    lists = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INTERNAL_ROUTES"
    ]
    assert lists == [lists[0]]
    assert {*lists[0], "explorer"} == PAGE_PREFIXES


@pytest.mark.parametrize("sent", ["abc-1.2_Z", "x" * 128])
async def test_a_sane_request_id_is_kept(both: httpx.AsyncClient, sent: str) -> None:
    for path in ["/v1/models", "/v1/nothing", "/"]:
        assert (await both.get(path, headers={"x-request-id": sent})).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "<script>", "ä"])
async def test_any_other_request_id_is_replaced(both: httpx.AsyncClient, sent: str) -> None:
    headers = {"x-request-id": sent.encode()}
    first, second = [
        (await both.get("/v1/models", headers=headers)).headers["x-request-id"] for _ in range(2)
    ]
    assert len(first) == 32
    assert first != second
    assert int(first, 16)


async def test_processing_time_is_said(both: httpx.AsyncClient) -> None:
    assert int((await both.get("/v1/models")).headers["openai-processing-ms"]) >= 0


async def test_what_breaks_is_a_500_that_says_nothing(both: httpx.AsyncClient, monkeypatch, caplog) -> None:
    async def breaks(*args: object, **kwargs: object) -> None:
        raise ValueError("the caller's words")

    monkeypatch.setattr(both.engine, "embed", breaks)
    with caplog.at_level(logging.DEBUG):
        response = await both.post("/v1/embeddings", json={"model": "org/tiny", "input": "a"})
    assert_canonical_error(response, 500, code="internal_error")
    assert "words" not in response.text + caplog.text
    assert response.headers["x-request-id"] in caplog.text
    assert caplog.text.count("ValueError") == 1


async def test_a_page_that_breaks_is_answered_too(both: httpx.AsyncClient, caplog) -> None:
    response = await both.get("/gradio_api/breaks")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert response.headers["x-request-id"] in caplog.text
    assert "words" not in caplog.text


async def test_below_a_root_path(make_client) -> None:
    async with make_client(page=page) as client:
        edge = client._transport.app
        under = httpx.ASGITransport(edge, root_path="/prefix")
        async with httpx.AsyncClient(transport=under, base_url="http://127.0.0.1:7860") as http:
            assert (await http.get("/prefix/health")).json()["status"] == "ok"
            assert (await http.get("/prefix//v1/models/")).status_code == 200
            assert (await http.get("/prefix/other")).json()["page"] == "/prefix/other"


async def test_the_lifespan_is_the_callers(make_client) -> None:
    from contextlib import asynccontextmanager

    from embedder import Engine, Settings
    from embedder.api.app import create_api
    from embedder.backends.hashing import HashingBackend
    from tests.api.serving import serving

    happened = []
    settings = Settings.load({"model": "org/tiny", "drain_s": 0.1})
    engine = Engine(settings, loader=lambda model_id, *_: HashingBackend(model_id))

    @asynccontextmanager
    async def lifespan(_):
        async with engine:
            happened.append("started")
            yield
        happened.append("stopped")

    app = create_api(engine, settings, page=page, lifespan=lifespan)
    async with serving(app, lifespan="on") as port, httpx.AsyncClient() as http:
        response = await http.post(f"http://127.0.0.1:{port}/org/tiny/v1/embeddings", json={"input": "a"})
        assert response.status_code == 200
        assert happened == ["started"]
    assert happened == ["started", "stopped"]


async def test_websockets_are_the_pages() -> None:
    from embedder.api.edge import Edge
    from embedder.metrics import Metrics

    reached = []

    async def page(scope, receive, send) -> None:
        reached.append("page")

    async def api(scope, receive, send) -> None:
        reached.append("api")

    for scope_type, app in [("websocket", page), ("lifespan", page), ("websocket", None)]:
        await Edge(api, app, Metrics())({"type": scope_type, "path": "/"}, None, None)
    assert reached == ["page", "api", "api"]
