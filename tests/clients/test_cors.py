"""fetch from another origin's page, in Chromium: read where the owner allows it, refused elsewhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clients.reference import TEXTS, assert_vectors, vectors_of
from tests.conftest import live_server
from tests.environments import chromium

pytestmark = [pytest.mark.clients, pytest.mark.browser, pytest.mark.model]

CALL = """
async ([base, model, key, texts]) => {
  try {
    const response = await fetch(`${base}/${model}/v1/embeddings`, {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ model, input: texts }),
    });
    const requestId = response.headers.get("x-request-id");
    return { status: response.status, requestId, body: await response.json() };
  } catch (error) {
    return { refused: error.name };
  }
}
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of somebody else's page."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("<!doctype html><title>A page of another origin</title>")
    site = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()
    site.server_close()


def call_from_page(origin: str, server: Any, *, key: str | None = None) -> Any:
    """What `fetch` to `server` gives a page of `origin`."""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(origin)
        return page.evaluate(CALL, [server.base, server.model, key or server.key, TEXTS])


def test_an_allowed_origin_reads_vectors_and_errors(
    origin: str, tmp_path: Path, reference: np.ndarray
) -> None:
    with live_server(tmp_path, "--no-ui", TESSERA_CORS_ORIGINS=origin) as server:
        answer = call_from_page(origin, server)
        assert answer["status"] == 200, json.dumps(answer)[:500]
        assert answer["requestId"]
        assert_vectors(vectors_of(answer["body"]), reference)

        wrong = call_from_page(origin, server, key="wrong")
        assert wrong["status"] == 401
        assert wrong["body"]["error"]["code"] == "invalid_api_key"


def test_any_other_origin_is_refused(origin: str, server: Any) -> None:
    assert call_from_page(origin, server) == {"refused": "TypeError"}


def test_a_similar_origin_is_refused(origin: str, tmp_path: Path) -> None:
    with live_server(tmp_path, "--no-ui", TESSERA_CORS_ORIGINS=origin + "0") as server:
        assert call_from_page(origin, server) == {"refused": "TypeError"}
