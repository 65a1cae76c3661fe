"""Where the page asks for a login: what one person left in a tab is not the next one's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, live_server

from .conftest import Watched
from .test_bringing import look_at, saved
from .test_page import bring

pytestmark = [pytest.mark.browser, pytest.mark.model]

WRITTEN = "Ada's own words\nand more of them"
KEPT = "Object.fromEntries(Object.entries(sessionStorage).filter(([name]) => name.startsWith('tessera:')))"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose page asks for a login, of two people."""
    with live_server(tmp_path_factory.mktemp("closed"), TESSERA_PAGE_AUTH="ada:one,ben:two") as running:
        yield running


def log_in(watched: Watched, user: str, password: str) -> None:
    page = watched.page
    page.get_by_label("username").fill(user)
    page.get_by_label("password").fill(password)
    page.get_by_role("button", name="Login").click()
    watched.painted_anew()


def test_what_was_not_sent_yet_is_found_again_only_by_who_left_it(
    watched_page: Any, closed: Server, tmp_path: Path
) -> None:
    watched: Watched = watched_page()
    page = watched.page
    page.goto(closed.base)
    log_in(watched, "ada", "one")
    look_at(page, saved(tmp_path, "ada.csv", "text\nan apple\na pear\n"))
    bring(page, "Paste")
    page.locator("#texts textarea").fill(WRITTEN)
    watched.reload()
    page.wait_for_function("document.querySelector('#texts textarea')?.value !== ''")
    assert page.locator("#texts textarea").input_value() == WRITTEN
    bring(page, "Upload")
    page.locator("#upload-note", has_text="2 texts").wait_for()
    left = page.evaluate(KEPT)
    assert left.keys() >= {"tessera:pasted", "tessera:upload"}

    page.goto(f"{closed.base}/logout")
    log_in(watched, "ben", "two")
    assert WRITTEN not in str(page.evaluate(KEPT))
    assert page.evaluate("sessionStorage.getItem('tessera:upload')") is None
    assert page.locator("#bring [role=tab][aria-selected=true]", has_text="Hide").count() == 1
    bring(page, "Paste")
    assert page.locator("#texts textarea").input_value() == ""
    # Not even with what was in the tab before: the file is not his.
    page.evaluate("ticket => sessionStorage.setItem('tessera:upload', ticket)", left["tessera:upload"])
    watched.reload()
    page.wait_for_timeout(1500)  # as long as a file is looked at
    bring(page, "Upload")
    page.locator("#upload input[type=file]").wait_for(state="attached")
    assert "up to 50,000 texts" in page.locator("#upload-note").inner_text()
    assert page.locator("#embed-file").is_hidden()
