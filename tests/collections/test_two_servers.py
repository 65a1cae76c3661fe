"""Two real servers that share one store: what one is told, the other knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from embedder.collections.keys import Keys
from embedder.collections.opening import open_store
from tests.collections.stores import new_place
from tests.conftest import KEY, MODEL, Server, live_server

pytestmark = pytest.mark.model


@dataclass(frozen=True)
class Two:
    """The servers, a client of each with the key of their environment, and where their store is."""

    servers: tuple[Server, Server]
    clients: tuple[httpx.Client, httpx.Client]
    place: str


@pytest.fixture(params=["postgres", "milvus"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Two]:
    place = new_place(request.param, request, tmp_path)
    shared = {"TESSERA_DATA_URL": place, "TESSERA_DATA_DIR": str(tmp_path / "shared")}
    with ExitStack() as stack:
        folders = tmp_path / "one", tmp_path / "other"
        servers = [stack.enter_context(live_server(folder, "--no-ui", **shared)) for folder in folders]
        clients = [
            stack.enter_context(httpx.Client(base_url=server.base, headers=bearing(KEY), timeout=60))
            for server in servers
        ]
        yield Two((servers[0], servers[1]), (clients[0], clients[1]), place)


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def asked(client: httpx.Client, key: str, text: str = "a few words") -> int:
    told = {"model": MODEL, "input": text}
    return client.post("/v1/embeddings", json=told, headers=bearing(key)).status_code


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def attached(client: httpx.Client, store: str, text: str) -> str:
    """The id of a file that is on its way into the vector store."""
    sent = client.post(
        "/v1/files", files={"file": ("words.txt", text.encode())}, data={"purpose": "assistants"}
    )
    file_id = str(sent.json()["id"])
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    told = {"file_id": file_id, "chunking_strategy": static}
    client.post(f"/v1/vector_stores/{store}/files", json=told).raise_for_status()
    return file_id


def test_keys_limits_and_files_are_of_both(two: Two) -> None:
    one, other = two.clients
    keys = Keys(open_store(two.place))
    # A key is taken by both without a restart, and what it spent at one it has not at the other.
    sent, made = keys.add("Ada", 20)
    for client in two.clients:
        until(lambda client=client: asked(client, "none of them") == 401)
    until(lambda: asked(one, sent) == 429)
    until(lambda: asked(other, sent, "something else") == 429)
    assert asked(other, KEY) == 200
    keys.revoke(made.id)
    for client in two.clients:
        until(lambda client=client: asked(client, sent) == 401)
    # What is put in at one is found at the other.
    store = str(one.post("/v1/vector_stores", json={"name": "shared"}).json()["id"])
    first = attached(one, store, "The cat sat on the mat.")

    def state(client: httpx.Client, file_id: str) -> str:
        return str(client.get(f"/v1/vector_stores/{store}/files/{file_id}").json()["status"])

    until(lambda: state(other, first) == "completed")
    found = other.post(f"/v1/vector_stores/{store}/search", json={"query": "Where is the cat?"}).json()
    assert found["data"][0]["content"][0]["text"] == "The cat sat on the mat."
    # One is killed in the middle of a file: the other goes on with it when it is asked.
    second = attached(one, store, "\n\n".join(f"Sentence {n} of a file of two servers." for n in range(3000)))
    assert state(other, second) == "in_progress"
    two.servers[0].process.kill()
    two.servers[0].process.wait()
    assert state(other, second) == "in_progress"
    until(lambda: state(other, second) == "completed", 180)
    about = other.get(f"/v1/vector_stores/{store}").json()["file_counts"]
    assert (about["completed"], about["total"]) == (2, 2)
