"""The page of a server of two workers, in a real browser, whose connections lead to both of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import browser, open_page, watched_page  # noqa: F401 - the fixtures
from tests.browser.test_page import FIVE, OpenPage, choose_file, paste, wait_for_points, wait_for_status
from tests.conftest import Server
from tests.workers.conftest import Workers

pytestmark = [pytest.mark.browser, pytest.mark.model]


@pytest.fixture
def server(workers: Workers) -> Server:
    """The one that `open_page` opens."""
    return workers.server


def test_a_visitor_cannot_tell_how_many_there_are(
    open_page: OpenPage,  # noqa: F811
    tmp_path: Path,
) -> None:
    page = open_page().page
    paste(page, FIVE)
    wait_for_status(page, "5 texts")
    wait_for_points(page, 5)
    file = tmp_path / "animals.csv"
    file.write_text("kind,text\n" + "\n".join(f"{kind},a small {kind}" for kind in ("dog", "cat", "bird")))
    choose_file(page, file)
    page.locator("#preview [role=gridcell]").first.wait_for()
    page.locator("#embed-file").click()
    wait_for_points(page, 3)
