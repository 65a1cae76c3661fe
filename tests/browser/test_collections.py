"""Collections as their keeper uses them in the sidebar, and what a visitor sees of them."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import KEY, Server, live_server

from .test_accessibility import grave
from .test_explorer import TOPICS, search, upload_topics
from .test_page import OpenPage, choose_file, paste, points, view, wait_for_points, wait_for_status
from .test_similarity import listed

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.model]

LIMIT = 40
TEXTS = [text for texts in TOPICS.values() for text in texts]
SIZES = [(1440, "light"), (390, "dark")]
PICTURES = os.environ.get("TESSERA_TEST_PICTURES", "")
"""A folder for pictures to look at, if there is one."""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one's own: no key, on this machine, and a map of few texts."""
    folder = tmp_path_factory.mktemp("mine")
    with live_server(folder, key="", TESSERA_PAGE_MAX_TEXTS=str(LIMIT)) as running:
        yield running


@pytest.fixture
def empty(mine: Server) -> Server:
    """Without any collection."""
    for one in asked(mine, "/v1/collections")["data"]:
        asked(mine, f"/v1/collections/{one['id']}", method="DELETE")
    return mine


def asked(server: Server, path: str, body: Any = None, method: str | None = None) -> Any:
    """The API's answer."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        server.base + path, content, {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def filled(server: Server, name: str, texts: list[str]) -> None:
    asked(server, "/v1/collections", {"name": name})
    asked(server, f"/v1/collections/{name}/texts", {"texts": texts})


def open_sidebar(page: Page, screen: str = "") -> None:
    """Opens it where it is not, and waits until it knows that `screen` is what is on screen."""
    page.wait_for_selector("body[data-keeper]", state="attached")
    if page.locator("#shelf-side.open").count() == 0:
        page.locator("#shelf-toggle").click()
    page.wait_for_selector("#shelf-side.open")
    page.wait_for_selector("#shelf fieldset:enabled")
    page.locator("#shelf section h3", has_text=screen).first.wait_for()


def close_sidebar(page: Page) -> None:
    if page.locator("#shelf-side.open").count():
        page.locator("#shelf-side .toggle-button").click()
        page.wait_for_selector("#shelf-side:not(.open)", state="attached")
        page.wait_for_timeout(400)  # it slides


def wait_for_message(page: Page, words: str) -> str:
    page.locator("#shelf .kx-message", has_text=words).wait_for()
    return page.locator("#shelf .kx-message").inner_text()


def on_screen(page: Page) -> str:
    return page.locator("#shelf section h3").first.inner_text()


def items(page: Page) -> dict[str, str]:
    return {
        item.locator("b").inner_text(): item.locator("small").first.inner_text()
        for item in page.locator("#shelf .kx-item").all()
    }


def picture(page: Page, name: str, size: tuple[int, str]) -> None:
    if PICTURES:
        page.wait_for_timeout(400)  # what slides has come to rest
        page.screenshot(path=Path(PICTURES) / f"collections-{name}-{size[0]}-{size[1]}.png")


def attached(server: Server, store: str, text: str) -> None:
    """A program has a file put into a vector store."""
    edge = "a-boundary"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n',
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="words.txt"\r\n\r\n{text}\r\n',
        f"--{edge}--\r\n",
    ]
    form = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    request = urllib.request.Request(f"{server.base}/v1/files", "".join(parts).encode(), form)
    with urllib.request.urlopen(request, timeout=60) as answer:
        file_id = json.load(answer)["id"]
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    asked(server, f"/v1/vector_stores/{store}/files", {"file_id": file_id, "chunking_strategy": static})


@pytest.fixture
def shown(open_page: OpenPage, empty: Server) -> Callable[..., Any]:
    """Opens that server's page."""

    def open_it(size: tuple[int, str] = (1440, "light"), address: str = "/") -> Any:
        height = 900 if size[0] > 800 else 844
        return open_page(width=size[0], height=height, scheme=size[1], base=empty.base + address)

    return open_it


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}-{size[1]}")
def test_keep_open_add_search_delete_undo(
    shown: Callable[..., Any], empty: Server, tmp_path: Path, size: tuple[int, str]
) -> None:
    watched = shown(size)
    page: Page = watched.page
    assert page.locator("#shelf-side.open").count() == 0, "the map is what the page opens on"
    open_sidebar(page)
    assert "No collections yet" in page.locator("#shelf").inner_text()
    assert "3,000 texts" in page.locator("#shelf").inner_text()
    picture(page, "empty", size)
    close_sidebar(page)

    # Keep.
    upload_topics(page, tmp_path)
    open_sidebar(page, "topics.csv")
    assert on_screen(page) == "On screen: topics.csv"
    page.locator("#kx-name").fill("not a name")
    page.locator("#kx-name").press("Enter")
    assert "digits, dots, dashes" in wait_for_message(page, "name has")
    page.locator("#kx-name").fill("topics")
    page.locator("#kx-name").press("Enter")
    wait_for_message(page, "13 texts kept as topics.")
    page.wait_for_selector("#shelf .kx-item[data-name=topics][aria-current=true]")
    assert items(page) == {"topics": "13 texts · all-MiniLM-L6-v2"}
    wait_for_points(page, 13)
    page.wait_for_function("location.search.includes('collection=topics')")
    assert grave(page) == []
    picture(page, "kept", size)

    # It is there after a reload, and opens from the list.
    watched.leave_for(empty.base)
    page.wait_for_selector("#map .tx-plot[data-painted$=' 3000']")
    open_sidebar(page)
    page.get_by_role("button", name="Open topics").click()
    wait_for_points(page, 13)
    if size[0] < 800:
        page.wait_for_selector("#shelf-side:not(.open)", state="attached")
    page.wait_for_selector("#map .tx-plot[data-painted='umap-15-0.1-42 13']", timeout=120_000)
    wait_for_status(page, "topics · 13 texts")

    # Add: one text is there already.
    close_sidebar(page)
    paste(page, [TEXTS[0], "A bus stops at the corner", "Trams are slow"])
    wait_for_points(page, 3)
    open_sidebar(page, "Pasted texts")
    assert page.locator("#kx-into").input_value() == "topics"
    picture(page, "adding", size)
    page.locator("#shelf").get_by_role("button", name="Add", exact=True).click()
    wait_for_message(page, "Added to topics: 2 texts new, 1 replaced.")
    wait_for_points(page, 15)
    assert asked(empty, "/v1/collections/topics")["count"] == 15

    # Search: all of it is on the map.
    close_sidebar(page)
    page.wait_for_selector("#map .tx-plot[data-painted='umap-15-0.1-42 15']", timeout=120_000)
    assert search(page, "public transport by road")[0] in ("A bus stops at the corner", "Trams are slow")

    # Delete what was found, then undo.
    open_sidebar(page)
    before = page.evaluate("[...document.querySelector('#map .tx-canvas').data[0].x]")
    found = int(page.locator("#kx-delete").inner_text().split()[1])
    assert 0 < found < 15
    page.locator("#kx-delete").click()
    wait_for_message(page, f"{found} texts deleted.")
    wait_for_points(page, 15 - found)
    left = page.evaluate("[...document.querySelector('#map .tx-canvas').data[0].x]")
    assert set(left) < set(before), "what is left stays where it was"
    picture(page, "deleted", size)
    page.locator("#shelf .kx-gone").get_by_role("button", name="Undo").click()
    wait_for_message(page, f"{found} texts put back into topics.")
    wait_for_points(page, 15)
    assert page.evaluate("[...document.querySelector('#map .tx-canvas').data[0].x]") == before
    assert page.locator("#shelf .kx-gone").count() == 0

    # The whole of it; the page is loaded anew before it is put back.
    page.get_by_role("button", name="Delete topics").click()
    wait_for_message(page, "topics deleted.")
    assert points(page) == 15
    assert asked(empty, "/v1/collections")["data"] == []
    watched.leave_for(empty.base)
    page.wait_for_selector("#map .tx-plot[data-painted$=' 3000']")
    open_sidebar(page)
    page.locator("#shelf .kx-gone").get_by_role("button", name="Undo").click()
    wait_for_message(page, "15 texts put back into topics.")
    page.wait_for_selector("#shelf .kx-item[data-name=topics]")
    assert items(page) == {"topics": "15 texts · all-MiniLM-L6-v2"}
    assert asked(empty, "/v1/collections/topics")["count"] == 15


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}-{size[1]}")
def test_all_of_a_large_one_is_searched(
    shown: Callable[..., Any], empty: Server, size: tuple[int, str]
) -> None:
    texts = [f"Note {n}: {TEXTS[n % 12].lower()}" for n in range(90)]
    filled(empty, "notes", [*texts, "An owl hunts at night"])
    watched = shown(size)
    page: Page = watched.page
    open_sidebar(page)
    page.get_by_role("button", name="Open notes").click()
    wait_for_points(page, LIMIT)
    assert "a sample of 91, drawn by chance; all are searched" in wait_for_status(page, "sample")
    page.locator("#tx-panel-Selection h2", has_text=f"{LIMIT} of 91 texts").wait_for(state="attached")
    open_sidebar(page)
    assert "40 of 91 texts" in page.locator("#shelf").inner_text()
    close_sidebar(page)
    page.wait_for_selector("#tx-query[placeholder^='Search all 91 texts']")
    for mode, parts in (
        ("semantic", ("cosine",)),
        ("keyword", ("BM25",)),
        ("hybrid", ("cosine", "BM25", "by meaning no. 1", "by words no. 1")),
    ):
        hits = search(page, "an owl at night", mode)
        assert hits[0] == "An owl hunts at night"
        first = page.locator("#tx-panel-Selection .tx-row").first
        assert all(part in first.locator(".tx-parts").inner_text() for part in parts)
    hits = search(page, "sunny", "keyword")
    assert len(hits) == 8
    rows = page.locator("#tx-panel-Selection .tx-row").all()
    drawn = [row for row in rows if row.get_attribute("data-row")]
    away = [row for row in rows if not row.get_attribute("data-row")]
    assert len(drawn) + len(away) == 8
    assert "8 hits" in page.locator(".tx-hits").inner_text()
    assert f"{len(drawn)} on the map" in page.locator(".tx-hits").inner_text()
    for row in away:
        assert "not drawn" in row.inner_text()
    picture(page, "everywhere", size)
    if drawn:
        drawn[0].locator("button").click()
        page.wait_for_selector(f"#map .tx-plot[data-focus='{drawn[0].get_attribute('data-row')}']")
    # The address brings the same search back, over all of it.
    watched.reload()
    page.wait_for_selector("#map .tx-plot[data-found='keyword sunny']")
    page.locator(".tx-hits", has_text="on the map").wait_for()
    assert page.locator("#tx-panel-Selection .tx-row").count() == 8


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}-{size[1]}")
def test_all_of_a_large_one_is_mapped(
    shown: Callable[..., Any], empty: Server, size: tuple[int, str]
) -> None:
    filled(empty, "notes", [f"Note {n}: {TEXTS[n % 12].lower()}" for n in range(90)])
    watched = shown(size)
    page: Page = watched.page
    open_sidebar(page)
    page.get_by_role("button", name="Open notes").click()
    page.wait_for_selector(f"#map .tx-plot[data-painted='umap-15-0.1-42 {LIMIT}']", timeout=120_000)
    places = "[...document.querySelector('#map .tx-canvas').data[0].x]"
    alone = page.evaluate(places)
    open_sidebar(page, "On screen: notes")
    picture(page, "to-map", size)

    # Given up, nothing has changed.
    page.get_by_role("button", name="Map all 90 texts").click()
    page.locator("#shelf .sx-waiting", has_text="Mapping").wait_for()
    picture(page, "mapping", size)
    page.locator("#shelf .sx-waiting").get_by_role("button", name="Cancel").click()
    wait_for_message(page, "Cancelled; what was there before is still there.")
    assert page.evaluate(places) == alone

    page.wait_for_selector("#shelf fieldset:enabled")
    page.get_by_role("button", name="Map all 90 texts").click()
    page.locator("#shelf .kx-message", has_text="90 texts mapped; the map is kept.").wait_for(timeout=120_000)
    assert "all 90 laid out; trustworthiness 0." in wait_for_status(page, "the map kept with the collection")
    page.wait_for_function(f"!{places}.every((x, row) => x === {json.dumps(alone)}[row])")
    page.wait_for_selector("#shelf fieldset:enabled")
    assert page.locator("#kx-map").count() == 0
    assert grave(page) == []
    picture(page, "mapped", size)
    close_sidebar(page)
    view(page, "Similarity")
    exact = "From the neighbours kept with the collection's map, which are exact."
    assert exact in listed(page, "Most similar", "pairs").inner_text()
    assert exact in listed(page, "Near-duplicates", "groups").inner_text()
    outliers = listed(page, "Outliers", "outliers")
    assert f"Among all 90 texts of the collection, drawn or not. {exact}" in outliers.inner_text()
    picture(page, "outliers", size)
    outliers.locator(".tx-row button").first.click()
    page.locator("#tx-panel-Selection .tx-row button").first.click()
    page.locator("#tx-panel-Neighbours", has_text="nearest among all 90 texts").wait_for()

    # It is what the collection opens on from now on, and new texts stand on it at once.
    asked(empty, "/v1/collections/notes/texts", {"texts": ["An owl hunts at night"]})
    watched.leave_for(empty.base)
    page.wait_for_selector("#map .tx-plot[data-painted$=' 3000']")
    open_sidebar(page)
    page.get_by_role("button", name="Open notes").click()
    page.wait_for_selector(f"#map .tx-plot[data-painted='umap-15-0.1-42 {LIMIT}']")
    wait_for_status(page, "the map kept with the collection")


def test_an_address_opens_its_collection_again(shown: Callable[..., Any], empty: Server) -> None:
    filled(empty, "diary", TEXTS)
    watched = shown(address="/?data=long-gone&collection=diary")
    page: Page = watched.page
    wait_for_points(page, 12)
    page.wait_for_function("location.search.includes('collection=diary')")
    data = page.evaluate("new URLSearchParams(location.search).get('data')")
    assert data != "long-gone"
    watched.reload()
    wait_for_points(page, 12)
    page.wait_for_function("location.search.includes('collection=diary')")
    assert page.evaluate("new URLSearchParams(location.search).get('data')") == data


def test_another_models_collection_is_refused_in_a_sentence(
    shown: Callable[..., Any], empty: Server, tmp_path: Path
) -> None:
    file = tmp_path / "own.jsonl"
    rows = [{"text": text, "embedding": [n + 1, 1, 2]} for n, text in enumerate(TEXTS)]
    file.write_text("\n".join(map(json.dumps, rows)))
    filled(empty, "notes", TEXTS)
    page: Page = shown().page
    choose_file(page, file)
    page.locator("#embed-file").click()
    wait_for_points(page, 12)
    open_sidebar(page, "own.jsonl")
    page.locator("#shelf").get_by_role("button", name="Add", exact=True).click()
    said = wait_for_message(page, "cannot be compared")
    assert said.startswith("The collection 'notes' was made by sentence-transformers/all-MiniLM-L6-v2")
    assert points(page) == 12
    page.locator("#kx-name").fill("own")
    page.locator("#kx-name").press("Enter")
    wait_for_message(page, "12 texts kept as own.")
    page.wait_for_selector("#shelf .kx-item[data-name=own]")
    assert items(page)["own"] == "12 texts · vectors of 3 dimensions"


def test_the_keyboard_reaches_it_and_leaves_it(shown: Callable[..., Any], empty: Server) -> None:
    filled(empty, "notes", TEXTS)
    page: Page = shown().page
    page.wait_for_selector("body[data-keeper]", state="attached")
    assert page.locator("#shelf-side .sidebar-content").evaluate("one => one.inert")
    page.locator("#shelf-toggle").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#shelf-side.open")
    assert page.locator("#shelf-toggle").get_attribute("aria-expanded") == "true"
    page.locator("#kx-name").fill("notes")
    page.keyboard.press("Enter")
    wait_for_message(page, "There is a collection 'notes' already.")
    assert page.locator("#kx-name").input_value() == "notes", "what was written stays"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "kx-name"
    page.keyboard.press("Escape")
    page.wait_for_selector("#shelf-side:not(.open)", state="attached")
    assert page.evaluate("document.activeElement.id") == "shelf-toggle"


def test_with_a_key_the_page_asks_for_it(open_page: OpenPage, server: Server) -> None:
    watched = open_page()
    page = watched.page
    page.wait_for_selector("body[data-keeper]", state="attached")
    page.locator("#shelf-toggle").click()
    page.locator("#kx-key").fill("a wrong one")
    page.locator("#kx-key").press("Enter")
    wait_for_message(page, "no key of this server")
    assert page.locator("#shelf fieldset").is_hidden()
    picture(page, "key", (1440, "light"))
    page.locator("#kx-key").fill(KEY)
    page.locator("#kx-key").press("Enter")
    page.wait_for_selector("#kx-name")
    assert page.locator("#kx-key").is_hidden()
    watched.reload()
    open_sidebar(page)
    assert not any(KEY in body for body in watched.bodies), "Gradio never hears of the key"


def test_a_visitor_of_a_public_server_sees_nothing_of_them(
    open_page: OpenPage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("public")
    with live_server(folder, key="", TESSERA_HOST="0.0.0.0", TESSERA_OPEN="1") as running:
        page = open_page(base=running.base).page
        page.wait_for_timeout(1500)
        assert page.locator("body[data-keeper]").count() == 0
        assert page.locator("#shelf-toggle").is_hidden()
        assert page.locator("#shelf-side").is_hidden()
        answer = page.request.post(f"{running.base}/explorer/collections", data={})
        assert answer.json() == {"allowed": False, "asks_for_key": False}
        for path in ("x/open", "x/drop", "x/keep", "undo"):
            refused = page.request.post(
                f"{running.base}/explorer/collections/{path}", data={"data": "x", "id": "x"}
            )
            assert refused.status in (400, 403)
        assert page.request.post(f"{running.base}/explorer/collections/x/open").status == 403


def test_files_that_programs_send_are_told_of_while_they_come(
    shown: Callable[..., Any], empty: Server
) -> None:
    store = asked(empty, "/v1/vector_stores", {"name": "notes"})["id"]
    page: Page = shown().page
    open_sidebar(page)
    item = page.locator("#shelf .kx-item", has_text=store)
    assert "file" not in item.inner_text()
    assert item.locator("b").inner_text() == "notes", "by the name that its program gave it"
    attached(empty, store, "\n\n".join(f"Sentence {n} of a file that takes its time." for n in range(3000)))
    close_sidebar(page)
    open_sidebar(page)
    item.get_by_text("1 file on the way in").wait_for()
    picture(page, "coming", SIZES[0])
    page.locator(f"#kx-open-{store}").focus()
    # Without anything being done the list follows, and the keyboard's place stays.
    item.get_by_text("1 file on the way in").wait_for(state="detached")
    assert int(items(page)["notes"].split()[0].replace(",", "")) > 3
    assert page.evaluate("document.activeElement.id") == f"kx-open-{store}"
    # Deleted and put back it has its name too.
    page.get_by_role("button", name="Delete notes").click()
    wait_for_message(page, "notes deleted.")
    gone = page.locator("#shelf .kx-gone").first
    assert gone.locator("span").inner_text().startswith("Deleted: notes, ")
    picture(page, "store-deleted", SIZES[0])
    gone.get_by_role("button", name="Undo: notes").click()
    wait_for_message(page, "put back into notes.")
    page.locator("#shelf .kx-item", has_text=store).wait_for()
