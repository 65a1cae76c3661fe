"""Keys of the store, over HTTP: who they let in, and what they may spend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from embedder.collections.key_ring import KeyRing
from embedder.collections.keys import Keys
from embedder.collections.opening import open_store
from embedder.collections.store import Store
from embedder.errors import StoreFailed
from tests.api.canonical import assert_canonical_error
from tests.api.conftest import MakeClient
from tests.api.test_api_keys import GUARDED

BODY = {"model": "org/tiny", "input": "a few words"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "keys"))


@pytest.fixture
async def ring(store: Store) -> AsyncIterator[KeyRing]:
    made = KeyRing(store)
    async with made.followed():
        yield made


def bearing(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def asked(client: httpx.AsyncClient, key: str, path: str = "/v1/embeddings", **body: object):
    return await client.post(path, json=BODY | body, headers=bearing(key))


async def follows(client: httpx.AsyncClient, status: int, key: str) -> None:
    """Wait until the server knows what became of the key."""

    async def told() -> bool:
        return (await asked(client, key)).status_code == status

    await within(told)


async def within(condition: Callable[[], Awaitable[bool]], timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


async def test_the_first_key_closes_a_server_and_opens_it_to_whoever_has_one(
    make_client: MakeClient, store: Store, ring: KeyRing
) -> None:
    async with make_client(ring=ring) as client:
        assert (await client.post("/v1/embeddings", json=BODY)).status_code == 200
        sent, made = await asyncio.to_thread(Keys(store).add, "Ada")
        await follows(client, 401, "another")
        for method, path in GUARDED:
            refused = await client.request(method, path, json=BODY)
            assert_canonical_error(refused, 401, code="missing_api_key")
            let_in = await client.request(method, path, json=BODY, headers=bearing(sent))
            assert let_in.status_code == 200, path
        assert (await client.get("/v1/collections", headers=bearing(sent))).status_code == 200
        await asyncio.to_thread(Keys(store).revoke, made.id)
        await follows(client, 401, sent)
        assert_canonical_error(await asked(client, sent), 401, code="invalid_api_key")
        assert_canonical_error(await client.get("/v1/collections"), 401, code="missing_api_key")


async def test_an_open_server_is_closed_by_a_key_too(
    make_client: MakeClient, store: Store, ring: KeyRing
) -> None:
    async with make_client(ring=ring, open=True, client=("203.0.113.9", 50000)) as client:
        assert (await client.post("/v1/embeddings", json=BODY)).status_code == 200
        await asyncio.to_thread(Keys(store).add, "Ada")
        await follows(client, 401, "another")


async def test_keys_of_the_environment_need_no_store(
    make_client: MakeClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(name: str) -> None:
        raise StoreFailed("away")

    monkeypatch.setattr(store, "open", away)
    ring = KeyRing(store)
    async with ring.followed(), make_client(ring=ring, keys=("mine",)) as client:
        assert (await asked(client, "mine")).status_code == 200
        refused = await asked(client, "another")
        assert_canonical_error(refused, 500, code="keys_unavailable")
        assert refused.headers["retry-after"] == "2"
    async with make_client(ring=ring) as client:
        assert_canonical_error(await client.post("/v1/embeddings", json=BODY), 500, code="keys_unavailable")


async def test_a_key_that_has_spent_what_it_may_is_told_when_to_come_again(
    make_client: MakeClient, store: Store, ring: KeyRing
) -> None:
    tokens = 0
    sent, _ = Keys(store).add("Ada", 40)
    other, _ = Keys(store).add("Grace")
    async with make_client(ring=ring, keys=("mine",)) as client:
        await follows(client, 200, other)
        routes = [
            ("/v1/embeddings", {}),  # the same texts again: what a cache knew is counted too
            ("/v1/embeddings", {}),
            ("/v1/similarity", {"input": ["one", "two words"]}),
            ("/v1/rerank", {"query": "one", "documents": ["one", "two words"]}),
        ]
        while True:
            path, body = routes[0]
            answer = await asked(client, sent, path, **body)
            if answer.status_code != 200:
                break
            tokens += answer.json()["usage"]["total_tokens"]
            routes.append(routes.pop(0))
            assert tokens < 80, "nothing is counted"
        assert tokens >= 40
        for path, body in routes:
            refused = await asked(client, sent, path, **body)
            assert_canonical_error(refused, 429, code="rate_limit_exceeded")
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert "40 tokens a minute" in refused.json()["error"]["message"]
        assert (await client.get("/v1/models", headers=bearing(sent))).status_code == 200
        for key in (other, "mine"):
            assert (await asked(client, key)).status_code == 200


async def test_what_is_kept_is_counted_and_files_wait_until_there_is_room(
    make_client: MakeClient, store: Store, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, _ = Keys(store).add("Ada", 5)
    other, _ = Keys(store).add("Grace")
    async with make_client(ring=ring) as client:
        headers = bearing(sent)
        await follows(client, 401, "another")
        await follows(client, 429, sent)
        made = await client.post("/v1/vector_stores", json={"name": "kept"}, headers=headers)
        assert made.status_code == 200
        where = f"/v1/vector_stores/{made.json()['id']}"
        for path, body in [
            (f"{where}/search", {"query": "words"}),
            (f"/v1/collections/{made.json()['id']}/texts", {"texts": ["a text that was never seen"]}),
        ]:
            assert_canonical_error(await client.post(path, json=body, headers=headers), 429)
        files = []
        for text in (b"a few words in a file", b"other words", b"more words", b"and yet others"):
            uploaded = await client.post(
                "/v1/files",
                files={"file": ("a.txt", text)},
                data={"purpose": "assistants"},
                headers=headers,
            )
            files.append(uploaded.json()["id"])
        for file_id in files[:3]:
            await client.post(f"{where}/files", json={"file_id": file_id}, headers=headers)

        async def is_done(file_id: str) -> bool:
            told = (await client.get(f"{where}/files/{file_id}", headers=bearing(other))).json()["status"]
            assert told in ("in_progress", "completed")
            return told == "completed"

        # Whoever has no limit does not wait for those who have.
        await client.post(f"{where}/files", json={"file_id": files[3]}, headers=bearing(other))
        await within(lambda: is_done(files[3]))
        assert not any([await is_done(file_id) for file_id in files[:3]])
        monkeypatch.setattr("embedder.collections.key_limits._MINUTE_S", 0.5)
        await client.delete(f"{where}/files/{files[0]}", headers=headers)
        await client.post(f"{where}/files", json={"file_id": files[0]}, headers=headers)
        await within(lambda: is_done(files[0]))


async def test_what_a_revoked_key_began_goes_on_and_another_key_may_stop_it(
    make_client: MakeClient, store: Store, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedder.spending._LOOK_S", 0.2)
    sent, made = Keys(store).add("Ada", 5)
    other, _ = Keys(store).add("Grace")
    async with make_client(ring=ring) as client:
        await follows(client, 401, "another")
        await follows(client, 429, sent)
        headers = bearing(sent)
        kept = await client.post("/v1/vector_stores", json={"name": "kept"}, headers=headers)
        where = f"/v1/vector_stores/{kept.json()['id']}/file_batches"
        batches = []
        for text in (b"a few words in a file", b"other words"):
            uploaded = await client.post(
                "/v1/files",
                files={"file": ("a.txt", text)},
                data={"purpose": "assistants"},
                headers=headers,
            )
            told = {"file_ids": [uploaded.json()["id"]]}
            batches.append((await client.post(where, json=told, headers=headers)).json()["id"])

        async def states() -> list[str]:
            asked = [client.get(f"{where}/{one}", headers=bearing(other)) for one in batches]
            counts = [answer.json()["file_counts"] for answer in await asyncio.gather(*asked)]
            return [state for each in counts for state in each if state != "total" and each[state]]

        await asyncio.to_thread(Keys(store).revoke, made.id)
        await follows(client, 401, sent)
        assert_canonical_error(await client.get(f"{where}/{batches[0]}", headers=headers), 401)
        assert await states() == ["in_progress"] * 2
        await client.post(f"{where}/{batches[1]}/cancel", headers=bearing(other))
        monkeypatch.setattr("embedder.collections.key_limits._MINUTE_S", 0.5)

        async def ended() -> bool:
            return await states() == ["completed", "cancelled"]

        await within(ended)


async def test_what_was_let_in_is_counted_though_nobody_waits_for_it(
    make_client: MakeClient, store: Store, ring: KeyRing
) -> None:
    sent, _ = Keys(store).add("Ada", 20)
    async with make_client(ring=ring) as client:
        await follows(client, 401, "another")
        texts = [f"text number {n} of many words" for n in range(50)]
        left = asyncio.create_task(asked(client, sent, input=texts))
        await within(lambda: refused(client, sent))
        left.cancel()
        # A request that is refused costs nothing.
        assert (await asked(client, sent, "/v1/embeddings", input="")).status_code == 400


async def refused(client: httpx.AsyncClient, key: str) -> bool:
    return (await asked(client, key)).status_code == 429


async def test_a_key_pays_for_its_own_requests_only(
    make_client: MakeClient, store: Store, ring: KeyRing
) -> None:
    """Also where a server begins the next request in the context of the last, on a connection that stays."""
    sent, _ = Keys(store).add("Ada", 1)
    async with make_client(ring=ring, open=True) as client:
        await follows(client, 401, "another")
        await follows(client, 429, sent)
        Keys(store).forget()
        await follows(client, 200, "")
        for _ in range(3):  # this test's context is that of all of its requests
            assert (await client.post("/v1/embeddings", json=BODY)).status_code == 200
