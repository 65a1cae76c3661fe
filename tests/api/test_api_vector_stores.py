"""/v1/files and /v1/vector_stores as anybody may call them; openai-python itself is in tests/clients."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.canonical import assert_canonical_error
from tests.api.conftest import MakeClient

STORES = "/v1/vector_stores"


async def sent(client: httpx.AsyncClient, name: str = "a.txt", data: bytes = b"words of a file") -> str:
    response = await client.post("/v1/files", files={"file": (name, data)}, data={"purpose": "assistants"})
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


async def made(client: httpx.AsyncClient, **fields: Any) -> str:
    response = await client.post(STORES, json=fields)
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


async def ended(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (found := (await client.get(url)).json())["status"] == "in_progress":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return dict(found)


async def test_a_store_made_with_files_counts_them(client: httpx.AsyncClient) -> None:
    good, bad = await sent(client), await sent(client, "b.png", b"\x89PNG\r\n\x1a\n" + bytes(50))
    store = await made(client, name="s", file_ids=[good, bad], metadata={"a": "b"})
    told = await ended(client, f"{STORES}/{store}")
    assert told["file_counts"] == {"in_progress": 0, "completed": 1, "failed": 1, "cancelled": 0, "total": 2}
    assert (told["name"], told["metadata"]) == ("s", {"a": "b"})
    failed = (await client.get(f"{STORES}/{store}/files/{bad}")).json()
    assert failed["status"] == "failed"
    assert "picture" in failed["last_error"]["message"]
    only = (await client.get(f"{STORES}/{store}/files", params={"filter": "completed"})).json()
    assert [one["id"] for one in only["data"]] == [good]
    assert (await client.get("/v1/collections")).json()["data"][0]["id"] == store
    hits = (await client.post(f"{STORES}/{store}/search", json={"query": ["words", "file"]})).json()
    assert [hit["filename"] for hit in hits["data"]] == ["a.txt"]
    assert hits["search_query"] == ["words", "file"]


async def test_lists_come_in_pages(client: httpx.AsyncClient) -> None:
    ids = [await sent(client, f"{n}.txt") for n in range(5)]
    first = (await client.get("/v1/files", params={"limit": 2})).json()
    assert (len(first["data"]), first["has_more"]) == (2, True)
    second = (await client.get("/v1/files", params={"limit": 3, "after": first["last_id"]})).json()
    assert second["has_more"] is False
    assert {one["id"] for page in (first, second) for one in page["data"]} == set(ids)
    rising = (await client.get("/v1/files", params={"order": "asc"})).json()
    assert [one["id"] for one in rising["data"]][-1] == first["data"][0]["id"]
    newest = [one["id"] for one in first["data"] + second["data"]]
    back = (await client.get("/v1/files", params={"limit": 2, "before": newest[3]})).json()
    assert [one["id"] for one in back["data"]] == newest[1:3]
    assert back["has_more"] is True
    assert (await client.get("/v1/files", params={"purpose": "batch"})).json()["data"] == []
    assert len((await client.get("/v1/files", params={"purpose": "assistants"})).json()["data"]) == 5
    for limit in ("0", "x", "-1", "99999", "²"):
        assert_canonical_error(await client.get("/v1/files", params={"limit": limit}), 400)
    deleted: list[str] = []
    while True:
        gone = {"after": deleted[-1]} if deleted else {}
        left = (await client.get("/v1/files", params={"limit": 2, **gone})).json()["data"]
        if not left:
            break
        for one in left:
            await client.delete(f"/v1/files/{one['id']}")
            deleted.append(one["id"])
    assert sorted(deleted) == sorted(ids), "a list whose files are deleted on the way"
    for wrong in ({"before": "file-none"}, {"order": "up"}):
        assert_canonical_error(await client.get("/v1/files", params=wrong), 400)
    store = (await client.post("/v1/vector_stores", json={})).json()["id"]
    path = f"/v1/vector_stores/{store}/files"
    assert_canonical_error(await client.get(path, params={"filter": "done"}), 400)
    assert (await client.get(path, params={"filter": "failed"})).json()["data"] == []
    told = (await client.get(f"/v1/collections/{store}")).json()
    assert not {"files", "batches"} & told["metadata"].keys()


def static(tokens: Any, overlap: Any) -> dict[str, Any]:
    sizes = {"max_chunk_size_tokens": tokens, "chunk_overlap_tokens": overlap}
    return {"type": "static", "static": sizes}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"name": 7}),
        ("", {"file_ids": "x"}),
        ("", {"file_ids": ["x"] * 501}),
        ("", {"metadata": {f"k{n}": "v" for n in range(17)}}),
        ("", {"metadata": {"k": "v" * 513}}),
        ("", {"chunking_strategy": {"type": "other"}}),
        ("", {"chunking_strategy": {"type": "static"}}),
        ("", {"chunking_strategy": static(99, 0)}),
        ("", {"chunking_strategy": static(200, 101)}),
        ("", {"chunking_strategy": static(True, 0)}),
        ("/STORE", {"name": "x" * 257}),
        ("/STORE/files", {}),
        ("/STORE/files", {"file_id": 7}),
        ("/STORE/files", {"file_id": "FILE", "attributes": {"k": [1]}}),
        ("/STORE/files", {"file_id": "FILE", "attributes": {"k" * 65: 1}}),
        ("/STORE/file_batches", {}),
        ("/STORE/file_batches", {"file_ids": ["FILE"], "files": []}),
        ("/STORE/file_batches", {"files": [{}]}),
        ("/STORE/search", {}),
        ("/STORE/search", {"query": ""}),
        ("/STORE/search", {"query": 7}),
        ("/STORE/search", {"query": []}),
        ("/STORE/search", {"query": ["x", 7]}),
        ("/STORE/search", {"query": "x", "max_num_results": 51}),
        ("/STORE/search", {"query": "x", "filters": {"type": "near"}}),
        ("/STORE/search", {"query": "x", "ranking_options": {"score_threshold": 2}}),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_400(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    store, file_id = await made(client), await sent(client)
    told = {name: file_id if value == "FILE" else value for name, value in body.items()}
    assert_canonical_error(await client.post(STORES + path.replace("STORE", store), json=told), 400)
    assert (await client.get(f"{STORES}/{store}")).json()["file_counts"]["total"] == 0


async def test_what_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    store, nobody = await made(client), "file-" + "0" * 24
    await client.post("/v1/collections", json={"name": "notes"})
    for method, path, body in [
        ("GET", f"/v1/files/{nobody}", None),
        ("GET", f"/v1/files/{nobody}/content", None),
        ("DELETE", f"/v1/files/{nobody}", None),
        ("GET", f"{STORES}/vs_none", None),
        ("GET", f"{STORES}/notes", None),
        ("DELETE", f"{STORES}/notes", None),
        ("POST", f"{STORES}/vs_none/search", {"query": "x"}),
        ("POST", STORES, {"file_ids": [nobody]}),
        ("POST", f"{STORES}/{store}/files", {"file_id": nobody}),
        ("GET", f"{STORES}/{store}/files/{nobody}", None),
        ("DELETE", f"{STORES}/{store}/files/{nobody}", None),
        ("POST", f"{STORES}/{store}/file_batches", {"file_ids": [nobody]}),
        ("GET", f"{STORES}/{store}/file_batches/vsfb_none", None),
    ]:
        assert_canonical_error(await client.request(method, path, json=body), 404)
    assert (await client.get("/v1/collections/notes")).status_code == 200
    assert len((await client.get(STORES)).json()["data"]) == 1, (
        "a store was made for a file that is not there"
    )


async def test_only_forms_with_a_file_are_kept(make_client: MakeClient) -> None:
    async with make_client(max_body_bytes=2000) as client:
        assert_canonical_error(await client.post("/v1/files", json={"file": "x"}), 415)
        assert_canonical_error(await client.post("/v1/files", content=b"x"), 415)
        form = {"content-type": "multipart/form-data"}
        assert_canonical_error(await client.post("/v1/files", content=b"x", headers=form), 400)
        form = {"content-type": "multipart/form-data; boundary=b"}
        assert_canonical_error(await client.post("/v1/files", content=b"--c\r\nx", headers=form), 400)
        text = await client.post("/v1/files", files={"other": (None, "x")})
        assert_canonical_error(text, 400)
        two = await client.post("/v1/files", files=[("file", ("a", b"a")), ("file", ("b", b"b"))])
        assert_canonical_error(two, 400)
        large = await client.post("/v1/files", files={"file": ("a", b"x" * 3000)})
        assert_canonical_error(large, 413)
        assert_canonical_error(await client.post(STORES, files={"file": ("a", b"a")}), 415)
        assert (await client.get("/v1/files")).json()["data"] == []


async def test_a_file_is_given_back_to_be_saved_and_never_shown(client: httpx.AsyncClient) -> None:
    file_id = await sent(client, "..\\x/page.html", b"<script>alert(1)</script>")
    assert (await client.get(f"/v1/files/{file_id}")).json()["filename"] == "page.html"
    content = await client.get(f"/v1/files/{file_id}/content")
    assert content.content == b"<script>alert(1)</script>"
    assert content.headers["content-type"] == "application/octet-stream"
    assert content.headers["content-disposition"] == "attachment"


async def test_files_are_not_open_to_all(make_client: MakeClient) -> None:
    elsewhere = {"client": ("192.0.2.7", 50000), "base_url": "http://example.org"}
    async with make_client(open=True, **elsewhere) as client:
        assert_canonical_error(await client.get("/v1/files"), 401)
        assert_canonical_error(await client.post("/v1/files", files={"file": ("a", b"a")}), 401)
        assert_canonical_error(await client.get(STORES), 401)
    async with make_client() as client:
        foreign = {"origin": "https://example.org"}
        refused = await client.post("/v1/files", files={"file": ("a", b"a")}, headers=foreign)
        assert_canonical_error(refused, 401)
