"""`tessera serve --workers 2` with the real model: one server to whoever asks it."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import numpy as np
import openai
import pytest

from tests.conftest import KEY, MODEL
from tests.workers.conftest import HEADERS, Workers, kill, until

pytestmark = pytest.mark.model

LONG = "\n\n".join(f"Paragraph {n} speaks of thing number {n}, and of nothing else." for n in range(2500))


def vectors(client: httpx.Client, *texts: str) -> np.ndarray:
    answer = client.post("/v1/embeddings", json={"model": MODEL, "input": list(texts)})
    assert answer.status_code == 200, answer.text
    return np.array([item["embedding"] for item in answer.json()["data"]], dtype=np.float32)


def test_both_answer_alike(workers: Workers) -> None:
    assert sorted(workers.pids()) == [0, 1]
    with workers.each() as clients:
        first, second = (vectors(client, "The weather is lovely today.") for client in clients)
    np.testing.assert_allclose(first, second, atol=1e-5)
    with openai.OpenAI(base_url=f"{workers.server.base}/v1", api_key=KEY) as client:
        made = client.embeddings.create(model=MODEL, input="The weather is lovely today.")
    np.testing.assert_allclose(made.data[0].embedding, first[0], atol=1e-5)
    with httpx.Client(base_url=workers.server.base) as nobody:
        assert {nobody.get("/v1/models").status_code for _ in range(4)} == {401}


def test_connections_are_given_in_turn(workers: Workers) -> None:
    """Each worker remembers vectors by itself, so of eight connections only the first two compute."""
    with ExitStack() as opened:
        clients = [opened.enter_context(workers.client()) for _ in range(8)]
        for client in clients:
            client.get("/health").raise_for_status()
        known = []
        for client in clients:
            before = workers.counted("tessera_cache_hits_total")
            vectors(client, "asked over eight connections")
            known.append(workers.counted("tessera_cache_hits_total") - before)
    assert known == [0, 0, 1, 1, 1, 1, 1, 1]


def test_metrics_are_of_all_together(workers: Workers) -> None:
    counted = {"route": "/v1/embeddings", "status": "200"}
    before = workers.counted("tessera_http_requests_total", **counted)
    with workers.each() as clients:
        for client in clients:
            vectors(client, "counted", "texts")
    assert workers.counted("tessera_http_requests_total", **counted) == before + 2
    assert workers.counted("tessera_queue_tokens") == 0
    assert workers.counted("tessera_cache_bytes") > 0


def test_the_page_is_in_one_of_them_and_both_show_it(workers: Workers) -> None:
    with workers.each() as clients:
        pages = [client.get("/") for client in clients]
        configs = [client.get("/config").json() for client in clients]
    assert [page.status_code for page in pages] == [200, 200]
    assert configs[0]["app_id"] == configs[1]["app_id"], "there are two pages"


def test_what_one_makes_the_other_sees_at_once(workers: Workers) -> None:
    with workers.each() as (one, other):
        assert one.post("/v1/collections", json={"name": "seen"}).status_code == 200
        assert "seen" in [found["id"] for found in other.get("/v1/collections").json()["data"]]
        for n, (here, there) in enumerate(((one, other), (other, one)), start=1):
            added = here.post("/v1/collections/seen/texts", json={"texts": [f"text number {n}"]})
            assert added.status_code == 200, added.text
            assert there.get("/v1/collections/seen").json()["count"] == n
            asked = {"query": f"text number {n}", "mode": "hybrid", "top_k": 1}
            hits = there.post("/v1/collections/seen/search", json=asked).json()["data"]
            assert hits[0]["text"] == f"text number {n}"
        store = one.post("/v1/vector_stores", json={"name": "s"}).json()["id"]
        assert store in [found["id"] for found in other.get("/v1/vector_stores").json()["data"]]
        sent = other.post("/v1/files", files={"file": ("a.txt", b"x")}, data={"purpose": "assistants"}).json()
        assert sent["id"] in [found["id"] for found in one.get("/v1/files").json()["data"]]
        assert other.delete("/v1/collections/seen").status_code == 200
        assert one.get("/v1/collections/seen").status_code == 404
        assert one.post("/v1/collections", json={"name": "seen"}).status_code == 200
        assert other.get("/v1/collections/seen").json()["count"] == 0


def test_two_that_write_at_once_lose_nothing(workers: Workers) -> None:
    with workers.each() as clients, ThreadPoolExecutor(4) as pool:
        clients[0].post("/v1/collections", json={"name": "both"}).raise_for_status()
        vector = [1.0] * 384

        def add(number: int) -> None:
            texts = [
                {"id": f"{number}-{n}", "text": f"{number} {n}", "embedding": vector} for n in range(20)
            ] + [{"id": "shared", "text": f"last by {number}", "embedding": vector}]
            answer = clients[number % 2].post("/v1/collections/both/texts", json={"texts": texts})
            assert answer.status_code == 200, answer.text

        list(pool.map(add, range(16)))
        counts = [client.get("/v1/collections/both").json()["count"] for client in clients]
    assert counts == [16 * 20 + 1] * 2


class Batch:
    """A vector store with a file that takes long, begun by one worker."""

    def __init__(self, client: httpx.Client, text: str = LONG) -> None:
        sent = client.post(
            "/v1/files", files={"file": ("long.txt", text.encode())}, data={"purpose": "assistants"}
        )
        self.file = sent.json()["id"]
        self.store = client.post("/v1/vector_stores", json={}).json()["id"]
        static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
        self.batches = f"/v1/vector_stores/{self.store}/file_batches"
        told = {"file_ids": [self.file], "chunking_strategy": static}
        self.id = client.post(self.batches, json=told).json()["id"]

    def seen(self, client: httpx.Client) -> str:
        return str(client.get(f"{self.batches}/{self.id}").json()["status"])


async def test_every_worker_answers_for_a_job_and_can_stop_it(workers: Workers) -> None:
    with workers.each() as (one, other):
        batch = Batch(one)
        assert [batch.seen(client) for client in (one, other)] == ["in_progress", "in_progress"]
        for name in ("tessera_queue_texts", "tessera_queue_tokens"):
            await until(lambda name=name: workers.counted(name) > 0)
        stopped = await asyncio.to_thread(other.post, f"{batch.batches}/{batch.id}/cancel")
        assert stopped.json()["status"] == "cancelled"
        assert [batch.seen(client) for client in (one, other)] == ["cancelled", "cancelled"]
        there = one.get(f"/v1/collections/{batch.store}").json()["count"]
        for name in ("tessera_queue_texts", "tessera_queue_tokens"):
            await until(lambda name=name: workers.counted(name) == 0)
        before = workers.counted("tessera_tokens_total")
        vectors(one, "something else")
        assert workers.counted("tessera_tokens_total") < before + 50, "it is worked on still"
        assert other.get(f"/v1/collections/{batch.store}").json()["count"] == there
        # And begun anew by the other, in place of what is there, it is whole.
        short = Batch(other, "Few words.")
        await until(lambda: short.seen(one) == "completed")
        removed = other.delete(f"/v1/vector_stores/{short.store}/files/{short.file}")
        assert removed.json()["deleted"]
        assert one.get(f"/v1/collections/{short.store}").json()["count"] == 0


async def test_one_that_is_killed_is_replaced_and_its_job_gone_on_with(workers: Workers) -> None:
    text = "\n\n".join(f"Sentence {n} of a file that two workers share." for n in range(600))
    pids = workers.pids()
    batches: list[Batch] = []
    with workers.each() as clients:
        batches += [Batch(client, text) for client in clients]
    kill(pids[1])
    # What waits at its door is given to the other; the server is ready because one of its workers is.
    with workers.client() as client:
        assert client.get("/ready").status_code == 200
        vectors(client, "asked while a worker is away")

    def ended() -> bool:
        with workers.client() as client:
            return {batch.seen(client) for batch in batches} == {"completed"}

    await until(ended, 120)
    with workers.client() as client:
        counts = [client.get(f"/v1/collections/{batch.store}").json()["count"] for batch in batches]
    assert counts[0] == counts[1] > 5
    new = await until(lambda: (found := workers.pids()) and 1 in found and found)
    assert new[0] == pids[0]
    assert new[1] != pids[1]
    await until(lambda: both_answer(workers))


def both_answer(workers: Workers) -> bool:
    """Whether a text that nobody saw is computed by each of two connections' workers."""
    text = f"who is there, {next(COUNTER)}"
    before = workers.counted("tessera_cache_misses_total")
    with workers.each() as clients:
        for client in clients:
            vectors(client, text)
    return workers.counted("tessera_cache_misses_total") == before + 2


COUNTER = itertools.count()


def test_a_bad_request_is_refused_by_all_alike(workers: Workers) -> None:
    with workers.each() as clients:
        answers = [client.post("/v1/embeddings", json={"input": ""}) for client in clients]
    assert {answer.status_code for answer in answers} == {400}
    with httpx.Client(base_url=workers.server.base, headers=HEADERS) as client:
        assert client.get("/gradio_api/file=/etc/passwd").status_code == 404
