from __future__ import annotations

import re

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from embedder.addresses import is_loopback
from tests.api.canonical import assert_canonical_error

GUARDED = [
    ("POST", "/v1/embeddings"),
    ("POST", "/org/tiny/v1/embeddings"),
    ("POST", "/org%2Ftiny//v1/embeddings/"),
    ("POST", "/v1/tokenize"),
    ("POST", "/org/tiny/v1/tokenize"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/org/tiny"),
    ("GET", "/org/tiny/v1/models"),
    ("GET", "/org/tiny/v1/models/org/tiny"),
]
OPEN = ["/health", "/ready", "/metrics", "/docs", "/openapi.json"]


async def call(client: httpx.AsyncClient, **headers: str | bytes) -> httpx.Response:
    return await client.get("/v1/models", headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_every_route_under_v1_asks_for_a_key(make_client) -> None:
    async with make_client(keys=("one", "two")) as client:
        for method, path in GUARDED:
            body = {"model": "org/tiny", "input": "a"}
            for headers in [{}, {"authorization": "Bearer three"}]:
                response = await client.request(method, path, json=body, headers=headers)
                assert_canonical_error(response, 401)
            for key in ["one", "two"]:
                response = await client.request(
                    method, path, json=body, headers={"authorization": f"Bearer {key}"}
                )
                assert response.status_code == 200, path
        for path in OPEN:
            assert (await client.get(path)).status_code == 200


def every_route(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Method and path of each route that the application has, something in the place of its parameters."""
    app = client.edge._api._app  # type: ignore[attr-defined]
    return [
        (method, re.sub(r"{\w+:path}", "org/tiny", re.sub(r"{\w+}", "x", route.path)))
        for route in iter_route_contexts(app.routes)
        for method in sorted(route.methods)
    ]


async def refusing(client: httpx.AsyncClient, **headers: str) -> set[tuple[str, str]]:
    """Those routes that ask for a key, or for another one."""
    found = set()
    for method, path in every_route(client):
        response = await client.request(method, path, json={}, headers=headers)
        if response.status_code == 401:
            assert_canonical_error(response, 401)
            found.add((method, path))
    return found


async def test_no_route_is_left_out(make_client) -> None:
    """One that someone adds without the guard fails here."""
    async with make_client(keys=("one", "two")) as client:
        routes = every_route(client)
        guarded = set(routes) - {("GET", path) for path in OPEN}
        assert len(guarded) == len(routes) - len(OPEN) >= 40
        assert await refusing(client) == guarded
        assert await refusing(client, authorization="Bearer three") == guarded
        assert await refusing(client, authorization="Bearer two") == set()


async def test_what_is_kept_asks_for_a_key_where_the_rest_is_open(make_client) -> None:
    async with make_client(open=True, client=("203.0.113.9", 50000)) as client:
        kept = {
            (method, path)
            for method, path in every_route(client)
            if path.startswith(("/v1/collections", "/v1/files", "/v1/vector_stores"))
        }
        assert await refusing(client) == kept


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "missing_api_key"),
        ("Bearer", "missing_api_key"),
        ("Bearer ", "missing_api_key"),
        ("Basic YWxwaGE6YWxwaGE=", "missing_api_key"),
        ("alpha", "missing_api_key"),
        ("Bearer alph", "invalid_api_key"),
        ("Bearer alphaa", "invalid_api_key"),
        ("Bearer ALPHA", "invalid_api_key"),
        ("Bearer alpha,beta", "invalid_api_key"),
        ("Bearer schlüssel", "invalid_api_key"),
        (b"Bearer \xff\xfe\x00", "invalid_api_key"),
        ("Bearer " + "x" * 10_000, "invalid_api_key"),
    ],
)
async def test_wrong_keys(make_client, header: str | bytes, code: str) -> None:
    async with make_client(keys=("alpha", "beta")) as client:
        sent = header if isinstance(header, bytes) else header.encode()
        response = await call(client, authorization=sent)
        assert_canonical_error(response, 401, code=code)
        assert "alpha" not in response.text.lower()


@pytest.mark.parametrize("header", ["Bearer one", "bearer one", "BEARER   one  "])
async def test_right_keys(make_client, header: str) -> None:
    async with make_client(keys="one,two") as client:
        assert (await call(client, authorization=header)).status_code == 200


async def test_keys_beyond_ascii(make_client) -> None:
    async with make_client(keys=("schlüssel", "鍵")) as client:
        for sent in ["schlüssel".encode(), "schlüssel".encode("latin-1"), "鍵".encode()]:
            assert (await call(client, authorization=b"Bearer " + sent)).status_code == 200
        assert_canonical_error(await call(client, authorization="Bearer 錠".encode()), 401)


async def test_keys_are_compared_in_constant_time_and_all_of_them(make_client, monkeypatch) -> None:
    import hmac

    compared = []
    real = hmac.compare_digest

    def noting(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr("embedder.access.hmac.compare_digest", noting)
    async with make_client(keys=("one", "two", "three")) as client:
        await call(client, authorization="Bearer one")
    assert compared == [(32, 32)] * 3


async def test_no_key_is_needed_on_this_machine(make_client) -> None:
    for base_url in ["http://127.0.0.1:7860", "http://localhost:7860", "http://[::1]:7860"]:
        async with make_client(base_url=base_url) as client:
            assert (await call(client)).status_code == 200
            assert (await call(client, authorization="Bearer any-word")).status_code == 200


@pytest.mark.parametrize(
    "how",
    [
        {"host": "0.0.0.0"},
        {"host": "192.168.1.2"},
        {"client": ("192.168.1.3", 50000)},
        {"client": ("::ffff:10.0.0.1", 50000)},
        {"base_url": "http://192.168.1.2:7860"},
        {"base_url": "http://evil.example:7860"},
    ],
)
async def test_a_key_is_needed_from_elsewhere(make_client, how: dict[str, object]) -> None:
    async with make_client(**how) as client:
        error = assert_canonical_error(await call(client), 401, code="key_required")
        assert "EMBED_KEY" in error["message"]
        assert "TESSERA_OPEN=1" in error["message"]
        assert (await client.get("/health")).status_code == 200
    async with make_client(**how, open=True) as client:
        assert (await call(client)).status_code == 200
    async with make_client(**how, keys=("one",)) as client:
        assert (await call(client, authorization="Bearer one")).status_code == 200
        assert_canonical_error(await call(client), 401, code="missing_api_key")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:7860"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "127.0.0.1@evil.example"},
        {"host": "[::1"},
        {"x_forwarded_host": "space.example"},
        {"x_forwarded_host": "localhost, space.example"},
        {"forwarded": "for=1.2.3.4"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
async def test_names_from_elsewhere_close_a_local_server(make_client, headers: dict[str, str]) -> None:
    """A foreign page that a browser on this machine shows, by rebinding a name or by a plain request."""
    async with make_client() as client:
        assert_canonical_error(await call(client, **headers), 401, code="key_required")
        assert (await call(client, host="localhost:1", origin="http://localhost:3000")).status_code == 200
    async with make_client(keys=("one",)) as client:
        assert (await call(client, **headers, authorization="Bearer one")).status_code == 200


async def test_a_connection_to_another_address_is_not_local(make_client) -> None:
    """Whatever name it gives: the address is what a port forwarded to a network would show."""
    async with make_client(base_url="http://192.168.1.2:7860") as client:
        assert_canonical_error(await call(client, host="localhost:7860"), 401, code="key_required")


async def test_a_client_without_an_address_is_not_local(make_client) -> None:
    async with make_client(client=None) as client:
        assert_canonical_error(await call(client), 401, code="key_required")


def test_loopback() -> None:
    for host in ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST", "::ffff:127.0.0.1"]:
        assert is_loopback(host)
    for host in ["0.0.0.0", "::", "10.0.0.1", "example", "", "localhost.example", "128.0.0.1", "testserver"]:
        assert not is_loopback(host)


ORIGIN = "https://app.example"


async def test_cors_for_the_owners_list(make_client) -> None:
    async with make_client(keys=("one",), cors_origins=(ORIGIN,)) as client:
        preflight = await client.options(
            "/v1/embeddings",
            headers={
                "origin": ORIGIN,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization, content-type, x-stainless-os",
            },
        )
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in preflight.headers
        for response in [
            await call(client, origin=ORIGIN, authorization="Bearer one"),
            await call(client, origin=ORIGIN),
            await client.get("/v1/nothing", headers={"origin": ORIGIN}),
            await client.put("/v1/models", headers={"origin": ORIGIN}),
        ]:
            assert response.headers["access-control-allow-origin"] == ORIGIN
            exposed = response.headers["access-control-expose-headers"]
            assert {"x-request-id", "x-truncated", "retry-after"} <= set(exposed.split(", "))


async def test_cors_of_what_breaks(make_client, monkeypatch) -> None:
    async with make_client(cors_origins=(ORIGIN,)) as client:

        def breaks() -> None:
            raise ValueError

        monkeypatch.setattr(client.engine, "models", breaks)
        response = await call(client, origin=ORIGIN)
        assert_canonical_error(response, 500)
        assert response.headers["access-control-allow-origin"] == ORIGIN


async def test_cors_refuses_other_origins_in_our_shape(make_client) -> None:
    async with make_client(cors_origins=(ORIGIN,)) as client:
        headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        response = await client.options("/v1/embeddings", headers=headers)
        assert_canonical_error(response, 400, code="cors_not_allowed")
        assert "access-control-allow-origin" not in response.headers


async def test_an_allowed_origin_may_use_a_local_server(make_client) -> None:
    for origins in [(ORIGIN,), ("*",)]:
        async with make_client(cors_origins=origins) as client:
            response = await call(client, origin=ORIGIN)
            assert response.status_code == 200
            assert response.headers["access-control-allow-origin"] in (ORIGIN, "*")


async def test_no_list_no_cors(make_client) -> None:
    async def page(scope, receive, send) -> None:
        raise AssertionError("the page was asked")

    async with make_client(open=True, page=page) as client:
        for response in [
            await call(client, origin=ORIGIN),
            await client.options(
                "/v1/embeddings", headers={"origin": ORIGIN, "access-control-request-method": "POST"}
            ),
        ]:
            assert not [name for name in response.headers if name.startswith("access-control")]
