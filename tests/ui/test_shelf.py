"""Collections on the page, as its script asks for them, and that nobody else can."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from embedder import Settings
from embedder.access import Access
from embedder.analysis import Projection, pca_2d
from embedder.collections import Collections, NewText, open_collections
from embedder.collections.key_ring import KeyRing
from embedder.collections.keys import Keys
from embedder.collections.ownership import Document
from embedder.errors import InvalidInput
from tests.collections.conftest import rows_of
from tests.collections.stores import new_place, opened
from ui import collecting, sidebar
from ui.datasets import Dataset, Workings
from ui.layout import LayoutWorker
from ui.routes import make_routes
from ui.session import Session
from ui.view import Desk

from .conftest import hashing_engine

TEXTS = [f"a {size} {fruit}" for fruit in ("apple", "pear", "plum") for size in ("red", "old", "soft", "big")]
VISITOR = "https://somebody.hf.space"
ON_EVERY_STORE = pytest.mark.parametrize("page", ["lance", "postgres", "milvus"], indirect=True)
ACTIONS = ("keep", "open", "add", "map", "delete", "drop", "search")


class Page:
    """The page's routes, asked as from this machine unless said otherwise."""

    def __init__(self, desk: Desk, collections: Collections) -> None:
        self.desk = desk
        self.collections = collections
        self.routes = make_routes(desk)

    async def post(
        self, path: str, body: Any = None, *, base: str = "http://127.0.0.1", **headers: str
    ) -> httpx.Response:
        client = ("127.0.0.1", 1) if base.endswith("127.0.0.1") else ("203.0.113.9", 1)
        transport = httpx.ASGITransport(self.routes, raise_app_exceptions=False, client=client)
        async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as http:
            return await http.post(path, json={} if body is None else body)

    async def told(self, dataset: Dataset | None = None, **headers: str) -> dict[str, Any]:
        body = {"data": dataset.id} if dataset else {}
        answer = await self.post("/collections", body, **headers)
        assert answer.status_code == 200
        return dict(answer.json())

    async def last(self, path: str, body: Any = None) -> dict[str, Any]:
        """The last line of what goes on."""
        answer = await self.post(f"/collections/{path}", body)
        assert answer.status_code == 200, answer.text
        return dict(json.loads(answer.text.splitlines()[-1]))

    def dataset(self, step: dict[str, Any]) -> Dataset:
        found = self.desk.datasets.get(step.get("data"))
        assert found is not None, step
        return found

    async def on_screen(self, texts: list[str], **columns: list[str]) -> Dataset:
        found = await self.desk.engine.embed(texts)
        made = Dataset(
            name="Pasted texts",
            texts=texts,
            columns=columns,
            vectors=found.vectors,
            prompt_tokens=found.prompt_tokens,
            truncated=frozenset(),
            model=found.model,
            flat=pca_2d(found.vectors),
        )
        self.desk.datasets.put(made)
        return made


async def page_of(
    settings: Settings, folder: Path, shared: LayoutWorker | None = None
) -> AsyncIterator[Page]:
    async with hashing_engine(settings) as engine, open_collections(settings, engine) as collections:
        await engine.model_info()
        worker = shared or LayoutWorker(folder)
        yield Page(Desk(engine, settings, worker, collections), collections)
        if shared is None:
            await worker.stop()


@pytest.fixture
async def page(request: pytest.FixtureRequest, tmp_path: Path, compiled: Path) -> AsyncIterator[Page]:
    kind = getattr(request, "param", "lance")
    url = SecretStr(new_place(kind, request, tmp_path, shared=True))
    settings = Settings(cache_dir=tmp_path, data_dir=tmp_path / "data", data_url=url, page_max_texts=20)
    async for made in page_of(settings, compiled):
        yield made


@pytest.fixture
async def locked(tmp_path: Path, compiled: Path) -> AsyncIterator[Page]:
    """A server with a key."""
    keys = (SecretStr("the owner's key"),)
    settings = Settings(cache_dir=tmp_path, data_dir=tmp_path / "data", keys=keys)
    async for made in page_of(settings, compiled):
        yield made


@pytest.fixture
async def public(tmp_path: Path, compiled: Path) -> AsyncIterator[Page]:
    """A public server without a key, open to all."""
    settings = Settings(cache_dir=tmp_path, data_dir=tmp_path / "data", host="0.0.0.0", open=True)
    async for made in page_of(settings, compiled):
        yield made


async def test_nothing_is_there_at_first(page: Page) -> None:
    assert await page.told() == {
        "allowed": True,
        "asks_for_key": False,
        "collections": [],
        "begun": [],
        "more": 0,
        "deleted": [],
        "part": None,
    }


@ON_EVERY_STORE
async def test_what_is_on_screen_is_kept_with_its_vectors_and_map(page: Page) -> None:
    dataset = await page.on_screen(TEXTS, year=[str(2000 + n) for n in range(12)])
    layout = Projection(np.zeros((12, 2), np.float32), "umap", clusters=np.zeros(12, np.int32))
    dataset.add_layout("umap-15-0.1-42", layout)
    step = await page.last("fruit/keep", {"data": dataset.id})
    assert step["kept"] == 12
    shown = page.dataset(step)
    assert shown.id != dataset.id, "what everybody may see does not become the owner's"
    assert dataset.workings.part is None
    assert (shown.name, shown.layout().method, shown.texts) == ("fruit", "umap", TEXTS)
    told = await page.told(shown)
    assert told["part"] == {"name": "fruit", "drawn": 12, "total": 12, "whole": True, "mappable": False}
    (listed,) = told["collections"]
    assert (listed["name"], listed["count"], listed["model"]) == ("fruit", 12, dataset.model.id)
    kept = await page.collections.open("fruit")
    assert kept.about.fingerprint == dataset.model.fingerprint
    ids = [row_id for some in kept.table.ids() for row_id in some]
    rows = {row.text: row for row in await kept.get(ids, vectors=True)}
    for row, text in enumerate(TEXTS):
        np.testing.assert_array_equal(rows[text].vector, dataset.vectors[row])  # type: ignore[arg-type]
        assert rows[text].columns == {"year": 2000 + row}
    again = await page.last("fruit/keep", {"data": dataset.id})
    assert "already" in again["error"]
    assert "name has 1 to 64" in (await page.last("fruit!/keep", {"data": dataset.id}))["error"]


@ON_EVERY_STORE
async def test_a_collection_is_opened_as_it_is_and_only_read_anew_when_it_changed(page: Page) -> None:
    made = await page.collections.create("fruit")
    await made.add([NewText(text, columns={"n": n}) for n, text in enumerate(TEXTS)])
    first = page.dataset(await page.last("fruit/open"))
    assert sorted(first.texts) == sorted(TEXTS)
    assert first.columns["n"][first.texts.index(TEXTS[7])] == "7"
    assert first.model.fingerprint == made.about.fingerprint
    assert "not embedded anew" in first.notes[-1]
    assert page.dataset(await page.last("fruit/open")) is first
    await made.add([NewText("a plate")])
    second = page.dataset(await page.last("fruit/open"))
    assert "a plate" in second.texts
    await page.collections.create("empty")
    assert "no text to show yet" in (await page.last("empty/open"))["error"]
    assert "no collection 'other'" in (await page.last("other/open"))["error"]


@ON_EVERY_STORE
async def test_of_a_large_one_a_sample_is_drawn_and_all_is_searched(page: Page) -> None:
    many = [f"number {n} of many" for n in range(60)]
    made = await page.collections.create("many")
    await made.add([NewText(text, id=f"t{n}") for n, text in enumerate(many)])
    shown = page.dataset(await page.last("many/open"))
    assert len(shown.texts) == 20
    assert "a sample of 60" in shown.notes[0]
    told = await page.told(shown)
    assert told["part"] == {"name": "many", "drawn": 20, "total": 60, "whole": False, "mappable": True}
    for mode in ("semantic", "keyword", "hybrid"):
        asked = {"data": shown.id, "query": many[41], "mode": mode}
        found = (await page.post("/collections/many/search", asked)).json()
        assert found["total"] == 60
        assert found["hits"][0]["text"] == many[41]
        parts = {"semantic": {"cosine"}, "keyword": {"bm25"}}
        wanted = parts.get(mode, {"cosine", "bm25", "meaning_rank", "words_rank"})
        assert set(found["hits"][0]["parts"]) == wanted
        drawn = {hit["text"]: hit["row"] for hit in found["hits"] if hit["row"] is not None}
        assert all(shown.texts[row] == text for text, row in drawn.items())
        assert len(found["hits"]) == 60
        assert len(drawn) == 20
    assert (
        "nothing to look for"
        in (await page.post("/collections/many/search", {"data": shown.id, "query": " "})).json()["error"]
    )
    other = await page.on_screen(TEXTS)
    refused = await page.post("/collections/many/search", {"data": other.id, "query": "x"})
    assert "Open it first" in refused.json()["error"]


async def test_adding_replaces_what_is_there_and_another_model_is_refused(page: Page) -> None:
    await page.last("fruit/keep", {"data": (await page.on_screen(TEXTS)).id})
    more = await page.on_screen([TEXTS[0], "a plate", "a plate"])
    step = await page.last("fruit/add", {"data": more.id})
    assert (step["new"], step["replaced"]) == (2, 1)
    shown = page.dataset(step)
    assert sorted(shown.texts) == sorted([*TEXTS, "a plate", "a plate"])
    assert "already" in (await page.last("fruit/add", {"data": shown.id}))["error"]
    foreign = await page.collections.create_for_vectors("foreign", 8, model="a/b", fingerprint="f")
    await foreign.add([NewText("x")], vectors=np.ones((1, 8), np.float32))
    refused = (await page.last("foreign/add", {"data": more.id}))["error"]
    assert "was made by a/b" in refused
    assert more.model.id in refused
    assert "whose vectors cannot be compared" in refused


@ON_EVERY_STORE
async def test_deleting_leaves_the_map_as_it_is_and_can_be_undone(page: Page) -> None:
    dataset = await page.on_screen(TEXTS)
    clusters = np.repeat(np.arange(3, dtype=np.int32), 4)
    points = np.arange(24, dtype=np.float32).reshape(12, 2)
    dataset.add_layout("umap-15-0.1-42", Projection(points, "umap", clusters=clusters))
    before = page.dataset(await page.last("fruit/keep", {"data": dataset.id}))
    gone = await page.last("fruit/delete", {"data": before.id, "rows": [4, 5, 6, 7, 4]})
    assert (gone["deleted"]["count"], gone["deleted"]["whole"]) == (4, False)
    left = page.dataset(gone)
    assert left.texts == TEXTS[:4] + TEXTS[8:]
    np.testing.assert_array_equal(left.layout().points, np.delete(points, range(4, 8), axis=0))
    assert left.layout().clusters.tolist() == [0] * 4 + [1] * 4  # type: ignore[union-attr]
    assert page.dataset(await page.last("fruit/open")) is left
    told = await page.told(left)
    assert told["part"]["total"] == 8
    assert [one["id"] for one in told["deleted"]] == [gone["deleted"]["id"]]
    back = await page.last("undo", {"id": gone["deleted"]["id"]})
    assert back == {"collection": "fruit", "put_back": 4, "stayed": 0}
    assert page.dataset(await page.last("fruit/open")) is before, "the same map as before"
    assert (await page.told())["deleted"] == []
    assert "gone for good" in (await page.last("undo", {"id": gone["deleted"]["id"]}))["error"]
    for rows in ([12], [-1], [], ["0"]):
        refused = await page.post("/collections/fruit/delete", {"data": before.id, "rows": rows})
        assert refused.status_code == 400
    refused = await page.last("fruit/delete", {"data": dataset.id, "rows": [0]})
    assert "Open it first" in refused["error"]


async def test_undo_after_others_wrote_reads_the_collection_anew(page: Page) -> None:
    before = page.dataset(await page.last("fruit/keep", {"data": (await page.on_screen(TEXTS)).id}))
    gone = await page.last("fruit/delete", {"data": before.id, "rows": [0]})
    await (await page.collections.open("fruit")).add([NewText("a plate")])
    assert (await page.last("undo", {"id": gone["deleted"]["id"]}))["put_back"] == 1
    shown = page.dataset(await page.last("fruit/open"))
    assert sorted(shown.texts) == sorted([*TEXTS, "a plate"])


async def test_all_texts_can_go_and_come_back(page: Page) -> None:
    before = page.dataset(await page.last("fruit/keep", {"data": (await page.on_screen(TEXTS)).id}))
    gone = await page.last("fruit/delete", {"data": before.id, "rows": list(range(12))})
    assert "data" not in gone
    told = await page.told(before)
    assert (told["collections"][0]["count"], told["part"]) == (0, None)
    await page.last("undo", {"id": gone["deleted"]["id"]})
    assert page.dataset(await page.last("fruit/open")) is before


@ON_EVERY_STORE
async def test_a_whole_collection_goes_and_comes_back_also_after_a_restart(page: Page) -> None:
    shown = page.dataset(await page.last("fruit/keep", {"data": (await page.on_screen(TEXTS)).id}))
    gone = await page.last("fruit/drop")
    assert gone["deleted"]["whole"]
    told = await page.told(shown)
    assert (told["collections"], told["part"]) == ([], None)
    listed = told["deleted"][0]
    assert (listed["collection"], listed["title"], listed["count"]) == ("fruit", "", 12)
    restarted = Page(Desk(page.desk.engine, page.desk.settings, page.desk.worker), page.collections)
    assert [one["id"] for one in (await restarted.told())["deleted"]] == [gone["deleted"]["id"]]
    assert (await restarted.last("undo", {"id": gone["deleted"]["id"]}))["put_back"] == 12
    assert (await page.told(shown))["part"]["name"] == "fruit"


@ON_EVERY_STORE
async def test_of_a_vector_store_is_told_what_its_program_calls_it_also_once_it_is_deleted(
    page: Page,
) -> None:
    shown = page.dataset(await page.last("vs_1/keep", {"data": (await page.on_screen(TEXTS)).id}))
    opened = await page.collections.open("vs_1")
    named = {"name": "reports", "files": {}}
    await asyncio.to_thread(opened.table.change_info, lambda info: {**info, "metadata": named})
    some = await page.last("vs_1/delete", {"data": shown.id, "rows": [0]})
    all_of_it = await page.last("vs_1/drop")
    told = (await page.told())["deleted"]
    assert [(one["id"], one["collection"], one["title"]) for one in told] == [
        (gone["deleted"]["id"], "vs_1", "reports") for gone in (all_of_it, some)
    ]
    assert all(gone["deleted"]["title"] == "reports" for gone in (some, all_of_it))


@pytest.mark.parametrize("action", [*ACTIONS, "undo"])
async def test_visitors_can_do_nothing(page: Page, action: str) -> None:
    shown = page.dataset(await page.last("fruit/keep", {"data": (await page.on_screen(TEXTS)).id}))
    gone = await page.last("fruit/delete", {"data": shown.id, "rows": [0]})
    bodies = {
        "keep": {"data": shown.id},
        "add": {"data": shown.id},
        "delete": {"data": shown.id, "rows": [1]},
        "search": {"data": shown.id, "query": "apple"},
        "undo": {"id": gone["deleted"]["id"]},
    }
    path = "/collections/undo" if action == "undo" else f"/collections/fruit/{action}"
    before = await page.told(shown)
    # From elsewhere, by a name from elsewhere, from a page from elsewhere, through a proxy.
    for base, headers in (
        (VISITOR, {}),
        ("http://127.0.0.1", {"host": "somebody.hf.space"}),
        ("http://127.0.0.1", {"origin": VISITOR}),
        ("http://127.0.0.1", {"x-forwarded-host": "somebody.hf.space"}),
        ("http://127.0.0.1", {"authorization": "Bearer guessed", "forwarded": "for=203.0.113.9"}),
    ):
        answer = await page.post(path, bodies.get(action), base=base, **headers)
        assert answer.status_code == 403, answer.text
        assert "only for its own machine" in answer.json()["error"]
        told = (await page.post("/collections", {"data": shown.id}, base=base, **headers)).json()
        assert told == {"allowed": False, "asks_for_key": False}
    left = {key: value for key, value in (await page.told(shown)).items() if key != "deleted"}
    assert left == {key: value for key, value in before.items() if key != "deleted"}


@pytest.mark.parametrize("action", [*ACTIONS, "undo"])
async def test_a_public_server_without_a_key_has_no_keeper(public: Page, action: str) -> None:
    dataset = await public.on_screen(TEXTS)
    path = "/collections/undo" if action == "undo" else f"/collections/fruit/{action}"
    body = {"keep": {"data": dataset.id}, "add": {"data": dataset.id}}.get(action, {"id": "x"})
    if action in ("delete", "search"):
        body = {"data": dataset.id, "rows": [0]} if action == "delete" else {"data": dataset.id, "query": "x"}
    assert (await public.post(path, body)).status_code == 403
    assert await public.told() == {"allowed": False, "asks_for_key": False}
    assert await public.collections.names() == []


async def test_with_a_key_it_is_the_key_that_counts(locked: Page) -> None:
    dataset = await locked.on_screen(TEXTS)
    asked = {"data": dataset.id}
    assert await locked.told() == {"allowed": False, "asks_for_key": True}
    for sent in ("Bearer wrong", "Bearer ", "the owner's key", "Basic dXNlcg=="):
        answer = await locked.post("/collections/fruit/keep", asked, authorization=sent)
        assert answer.status_code == 403
        assert "asks for a key" in answer.json()["error"]
        assert not (await locked.told(authorization=sent))["allowed"]
    key = "Bearer the owner's key"
    answer = await locked.post("/collections/fruit/keep", asked, base=VISITOR, authorization=key)
    assert json.loads(answer.text.splitlines()[-1])["kept"] == 12
    assert (await locked.told(authorization=key))["collections"][0]["name"] == "fruit"


async def test_a_key_of_the_store_is_a_keepers_too(page: Page) -> None:
    sent, made = await asyncio.to_thread(Keys(page.collections.store).add, "Ada")
    ring = KeyRing(page.collections.store)
    async with ring.followed():
        access = Access(page.desk.settings, ring)
        theirs = Page(
            Desk(page.desk.engine, page.desk.settings, page.desk.worker, page.collections, access),
            page.collections,
        )
        assert await theirs.told() == {"allowed": False, "asks_for_key": True}
        assert (await theirs.told(authorization=f"Bearer {sent}"))["collections"] == []
        await asyncio.to_thread(Keys(page.collections.store).revoke, made.id)
        async with asyncio.timeout(10):
            while (await theirs.told(authorization=f"Bearer {sent}"))["allowed"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_the_list_tells_what_a_search_finds_and_which_files_are_coming(tmp_path: Path) -> None:
    store = opened("lance-indexed", str(tmp_path / "store"))
    settings = Settings(cache_dir=tmp_path)
    async with hashing_engine(settings) as engine, Collections(store, engine) as collections:
        page = Page(Desk(engine, settings, LayoutWorker(tmp_path), collections), collections)
        made = await collections.create("many")
        vectors = np.random.default_rng(0).standard_normal((400, made.about.dimensions)).astype(np.float32)
        await made.add([NewText(f"text {n}") for n in range(400)], vectors=vectors)
        await asyncio.to_thread(made.table.maintain)
        document = Document("file-1", "a.txt", "in_progress", 1, {}, 800, 400)
        files = {
            one.file_id: asdict(one) for one in (document, replace(document, file_id="2", state="failed"))
        }
        made.table.change_info(lambda info: {**info, "metadata": {"name": "reports", "files": files}})
        told = await page.told()
        (listed,) = told["collections"]
        assert (listed["name"], listed["title"]) == ("many", "reports")
        assert told["begun"] == []
        for hidden, more in ((".many", {"model": "another"}), (".theirs", {"moved_from": "theirs"})):
            begun = await asyncio.to_thread(collections.store.create, hidden, 3, more)
            begun.upsert(rows_of({"a": "one"}, vectors=np.ones((1, 3))))
        assert (await page.told())["begun"] == [
            {"name": "many", "model": "another", "done": 1, "total": 400, "moved": False},
            {"name": "theirs", "model": "", "done": 1, "total": None, "moved": True},
        ]
        stats = await made.stats()
        assert (listed["count"], listed["coming"]) == (400, 1)
        assert listed["recall"] == stats.recall is not None
        assert 0.9 < listed["recall"] <= 1
        assert listed["sample"] == stats.recall_sample > 0


async def test_what_was_opened_goes_on_screen_and_the_page_is_told_nothing_of_it(page: Page) -> None:
    session = Session(page.desk.datasets)
    shown = page.dataset(await page.last("fruit/keep", {"data": (await page.on_screen(TEXTS)).id}))
    steps = [step async for step in sidebar.show_opened(page.desk, session, {"data": shown.id})]
    assert session.dataset is shown
    assert "fruit" in steps[-1].line
    assert json.loads(steps[-1].map_value or "")["id"] == shown.id
    told = json.loads(await sidebar.on_screen(page.desk, session))
    assert told == {"id": shown.id, "name": "fruit", "n": 12, "whole": True}
    for wrong in (None, {}, {"data": 3}, {"data": "nothing"}, {"data": ["x"]}):
        with pytest.raises(InvalidInput):
            [step async for step in sidebar.show_opened(page.desk, session, wrong)]
    assert session.dataset is shown


async def test_long_work_tells_how_far_it_is_and_cancelled_leaves_nothing(page: Page) -> None:
    seed = await page.on_screen(TEXTS)
    n = 60_000
    vectors = np.tile(seed.vectors, (n // 12, 1))
    large = replace(
        seed,
        id="large",
        texts=[f"text {row}" for row in range(n)],
        vectors=vectors,
        prompt_tokens=np.ones(n, dtype=np.int64),
        workings=Workings(),
    )
    page.desk.datasets.put(large)
    shares = []
    async with aclosing(collecting.keep_steps(page.desk, "large", large)) as steps:
        async for step in steps:
            assert step["stage"] == "Keeping"
            shares.append(step["share"])
            if step["share"] > 0.1:
                break
    assert 0.1 < shares[-1] < 1
    assert shares == sorted(shares)
    assert await page.collections.names() == []
    assert await page.told(large) | {"collections": []} == await page.told(large)
    kept = [step async for step in collecting.keep_steps(page.desk, "large", large)][-1]
    assert kept["kept"] == n
