"""The page as any client can reach it: every route asked for a file of this machine."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from embedder import Engine, Settings
from tests.environments import ROOT
from ui import mount
from ui.guard import Guard, TooLargeBody, bounded, file_paths, inside
from ui.mount import Page

from .conftest import hashing_engine

in_module = pytest.mark.asyncio(loop_scope="module")

SECRET = "/etc/hostname"
NAME = Path(SECRET).read_text().strip()
opened: list[str] = []


def note_opening(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and arguments[0] == SECRET:
        opened.append(event)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    settings = Settings(cache_dir=tmp_path_factory.mktemp("page"), page_max_upload_bytes=20_000)
    async with hashing_engine(settings) as engine:
        made = Page(engine, settings)
        await made.start()
        await made._built.wait()
        sys.addaudithook(note_opening)
        yield made
        await made.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def client(page: Page) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://page") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def unguarded(page: Page) -> AsyncIterator[httpx.AsyncClient]:
    """Gradio alone, our wall taken away."""
    assert isinstance(page._app, Guard)
    transport = httpx.ASGITransport(page._app.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as made:
        yield made


async def upload_event(client: httpx.AsyncClient) -> tuple[int, int]:
    """Index of the upload handler, and how many values it takes."""
    config = (await client.get("/config")).json()
    for index, dependency in enumerate(config["dependencies"]):
        if any(target[1] == "upload" for target in dependency["targets"]):
            return dependency.get("id", index), len(dependency["inputs"])
    raise AssertionError("the page has no upload")


def file_data(path: str = SECRET) -> dict[str, Any]:
    return {"path": path, "orig_name": "x.txt", "meta": {"_type": "gradio.FileData"}}


async def joined(client: httpx.AsyncClient, data: list[Any], fn_index: int) -> str:
    """Everything the queue says of one event."""
    body = {"data": data, "fn_index": fn_index, "session_hash": "s1", "event_data": None}
    answer = await client.post("/gradio_api/queue/join", json=body)
    if answer.status_code != 200:
        return answer.text
    return (await client.get("/gradio_api/queue/data", params={"session_hash": "s1"}, timeout=20)).text


@in_module
async def test_layouts_are_compiled_behind_the_page_which_does_not_wait_for_that(
    client: httpx.AsyncClient, page: Page
) -> None:
    for _ in range(300):
        if page.worker.process_id is not None:
            break
        await asyncio.sleep(0.1)
    assert page.worker.process_id is not None, "nobody has asked for a layout yet"
    assert page.worker.folder == page.settings.cache_dir, "a folder that the next start finds"
    assert (await client.get("/")).status_code == 200
    assert page.worker._turn.locked(), "it is still at work"


@in_module
async def test_the_page_is_there_and_asks_nothing_of_others(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert answer.status_code == 200
    config = (await client.get("/config")).json()
    assert config["analytics_enabled"] is False
    assert config["show_error"] is False
    assert config["max_file_size"] == 20_000
    assert config["footer_links"] == []
    assert config.get("run_history") in (False, None)
    assert not any(d.get("api_visibility") == "public" for d in config["dependencies"] if d["backend_fn"])


@in_module
async def test_gradios_own_check_of_paths_is_on(unguarded: httpx.AsyncClient, page: Page) -> None:
    assert isinstance(page._app, Guard)
    opened.clear()
    index, _ = await upload_event(unguarded)
    said = await joined(unguarded, [file_data(), None], index)
    assert '"success":false' in said
    assert not opened


@in_module
async def test_without_has_launched_gradio_would_take_the_path(
    unguarded: httpx.AsyncClient, page: Page
) -> None:
    """That the switch is what guards: with it off Gradio copies the file, and only our own check is left."""
    blocks = next(
        route.app.blocks
        for route in page._app.app.app.routes
        if hasattr(getattr(route, "app", None), "blocks")
    )  # type: ignore[union-attr]
    assert blocks.has_launched
    blocks.has_launched = False
    opened.clear()
    try:
        index, _ = await upload_event(unguarded)
        said = await joined(unguarded, [file_data(), None], index)
    finally:
        blocks.has_launched = True
    assert opened
    assert NAME not in said
    assert '"success":false' in said


@pytest.mark.parametrize(
    "path",
    [
        f"/gradio_api/file={SECRET}",
        f"/gradio_api/file=/{SECRET}",
        "/gradio_api/file=%2Fetc%2Fhostname",
        "/gradio_api/file=../../../../../../etc/hostname",
        "/gradio_api/file=assets/../../../../../../etc/hostname",
        "/gradio_api/file=app.py",
        "/gradio_api/file=http://127.0.0.1:1/x",
        f"/gradio_api/file/{SECRET}",
        f"/file={SECRET}",
        f"/static/..%2f..%2f..%2f..%2f..%2f..%2f..{SECRET}",
        f"/assets/../../../../../../..{SECRET}",
        f"/gradio_api/proxy=http://x.hf.space/{SECRET}",
        f"/gradio_api/custom_component/x/y/z/{SECRET}",
        f"/gradio_api/stream/a/1/2/playlist-file?path={SECRET}",
        f"/gradio_api/deep_link?path={SECRET}",
        "/monitoring",
        "/gradio_api/openapi.json",
    ],
)
@in_module
async def test_no_get_gives_a_file_of_this_machine(client: httpx.AsyncClient, path: str) -> None:
    opened.clear()
    answer = await client.get(path)
    assert answer.status_code in {403, 404}
    assert "Traceback" not in answer.text
    assert not opened


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/run/predict",
        "/gradio_api/api/predict",
        "/gradio_api/call/from_upload",
        "/gradio_api/call/v2/from_upload",
        "/gradio_api/queue/join",
        "/gradio_api/queue/join/",
        "/gradio_api/component_server",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-edit",
        "/gradio_api/run-history/connect",
        "/gradio_api/stream/abc",
    ],
)
@pytest.mark.parametrize("wrap", [file_data(), [file_data()], {"a": [{"value": file_data()}]}])
@in_module
async def test_no_post_takes_a_file_of_this_machine(client: httpx.AsyncClient, path: str, wrap: Any) -> None:
    opened.clear()
    index, _ = await upload_event(client)
    for name in ("fn_index", "trigger_id"):
        body = {"data": [wrap, None], name: index, "fn_index": index, "session_hash": "s"}
        answer = await client.post(path, json=body)
        assert answer.status_code in {403, 404}
        assert "Traceback" not in answer.text
    assert not opened


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@in_module
async def test_other_methods_find_nothing(client: httpx.AsyncClient, method: str) -> None:
    assert (await client.request(method, "/gradio_api/queue/join")).status_code == 404


@in_module
async def test_an_upload_is_taken_up_to_its_limit(client: httpx.AsyncClient, page: Page) -> None:
    answer = await client.post("/gradio_api/upload", files={"files": ("a.txt", b"one\ntwo\n")})
    assert answer.status_code == 200
    (path,) = answer.json()
    assert inside(path, page.settings.cache_dir / "uploads")
    index, _ = await upload_event(client)
    said = await joined(client, [file_data(path) | {"orig_name": "a.txt"}, None], index)
    assert "2 texts" in said
    for size in (20_001, 200_000):
        answer = await client.post("/gradio_api/upload", files={"files": ("a.txt", b"x" * size)})
        assert answer.status_code == 413
        assert "Traceback" not in answer.text


@in_module
async def test_wrong_values_get_a_sentence_and_no_text_is_logged(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    config = (await client.get("/config")).json()
    for dependency in config["dependencies"]:
        if not dependency["backend_fn"] or any(target[1] == "load" for target in dependency["targets"]):
            continue
        for value in ("a-private-text", 12345678901234567890, ["a-private-text"], {"x": "a-private-text"}):
            said = await joined(client, [value for _ in dependency["inputs"]], dependency["id"])
            assert "Traceback" not in said
            assert "File \\" not in said
    out, err = capfd.readouterr()
    logged = out + err + caplog.text
    assert "a-private-text" not in logged
    assert "Traceback" not in logged


@in_module
async def test_a_body_too_large_is_refused_before_it_is_parsed(client: httpx.AsyncClient, page: Page) -> None:
    body = b'{"data": ["' + b"x" * (6 * page.settings.page_max_chars + 100_000) + b'"]}'
    assert (await client.post("/gradio_api/queue/join", content=body)).status_code == 413


async def test_the_page_is_built_without_writing_stubs_for_editors() -> None:
    program = """
import sys
from ui.mount import no_stubs
written = []
sys.addaudithook(lambda event, of: event == "open" and str(of[0]).endswith(".pyi") and written.append(of[0]))
with no_stubs():
    import gradio
print(written, callable(gradio.Button.click))
"""
    told = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert told.stdout.split() == ["[]", "True"], told.stderr


@in_module
async def test_a_page_that_cannot_be_built_leaves_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(mount, "build", fail)
    settings = Settings(cache_dir=tmp_path)
    async with hashing_engine(settings) as engine:
        page = Page(engine, settings)
        await page.start()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://p") as client:
            answer = await client.get("/")
            assert answer.status_code == 500
            assert "API is not affected" in answer.text
            assert "broken" not in answer.text
        await page.stop()


@in_module
async def test_a_request_waits_until_the_page_is_built(tmp_path: Path) -> None:
    page = Page(Engine(Settings(cache_dir=tmp_path)), Settings(cache_dir=tmp_path))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://p") as client:
        waiting = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        page._built.set()
        assert (await waiting).status_code == 500


@in_module
async def test_a_login_closes_the_page(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path, page_auth=("ada:secret",))  # type: ignore[arg-type]
    async with hashing_engine(settings) as engine:
        page = Page(engine, settings)
        await page.start()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://p") as client:
            assert (await client.get("/config")).status_code == 401
            body = {"data": ["x", None], "fn_index": 1, "session_hash": "s"}
            assert (await client.post("/gradio_api/queue/join", json=body)).status_code == 401
            wrong = await client.post("/login", data={"username": "ada", "password": "guess"})
            assert wrong.status_code == 400
            right = await client.post("/login", data={"username": "ada", "password": "secret"})
            assert right.status_code == 200
            assert (await client.get("/config")).status_code == 200
        await page.stop()


def test_paths_are_found_however_deep() -> None:
    deep: Any = {"path": "x"}
    for _ in range(12):
        deep = [{"value": deep}]
    assert list(file_paths(json.dumps(deep).encode())) == ["x"]
    too_deep = b"[" * 40 + b'{"path": "x"}' + b"]" * 40
    assert list(file_paths(too_deep)) == ["\0"], "a place that is nowhere, and so refused"
    assert list(file_paths(b"no json")) == []
    assert list(file_paths(b"[" * 100_000)) == []


@in_module
async def test_bounded_counts_chunks() -> None:
    chunks = iter([b"12345", b"67890", b"!"])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(chunks), "more_body": True}

    limited = bounded(receive, 10)
    await limited()
    await limited()
    with pytest.raises(TooLargeBody):
        await limited()
