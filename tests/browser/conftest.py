"""A Chromium, and pages that remember what went wrong in them."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page


def chromium() -> str | None:
    """The Chromium that is there; None for Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, names)), None)


# For the popup of its address bar Chromium makes a page beside each of ours, which takes half as long. The
# other names are those of Playwright's own such flag, of which only the last counts.
FEATURES_OFF = (
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,"
    "AimEnabled,AvoidCorsURLLoaderRestartOnRedirect,AvoidUnnecessaryBeforeUnloadCheckSync,"
    "DestroyProfileOnBrowserClose,HttpsFirstBalancedModeAutoEnable,HttpsUpgrades,LensOverlay,MediaRouter,"
    "NetworkTimeServiceQuerying,OptimizationHints,PaintHolding,PreconnectToSearch,ThirdPartyStoragePartitioning"
)
ARGUMENTS = ["--no-sandbox", f"--disable-features={FEATURES_OFF}"]

# Warnings in which we have no say, each by words of it and the end of where it comes from.
WARNINGS_OF_OTHERS = (
    # Gradio's, of an upload whose progress ends.
    ("Method not implemented", "/assets/index-"),
    # Gradio's, which looks up a translation of every name, and a column's may be that of a group of them.
    ("[svelte-i18n]", "/assets/"),
    # Plotly reads the colour below the pointer from the canvas of its dots.
    ("willReadFrequently", "/plotly.js"),
    # The same in a saved map, in which plotly's script stands itself.
    ("willReadFrequently", "file:///"),
    # Chromium's, where a busy machine comes to use what was fetched ahead only after some seconds.
    ("was preloaded using link preload", ""),
    # Chromium's, where it draws WebGL without a GPU and a picture is read back from it.
    ("GL Driver Message", ""),
)


@dataclass
class Watched:
    """A page with what it asked for and complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    bodies: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Listen from now on."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def reload(self) -> None:
        """Load the page anew; what Gradio says of the connections this breaks off is no complaint."""
        self.page.reload()
        self.painted_anew()

    def leave_for(self, address: str) -> None:
        """Another address, with no complaint of what was broken off either."""
        self.page.goto(address)
        self.painted_anew()

    def painted_anew(self) -> None:
        """Wait for the map of a page that took another one's place; what that broke off is no complaint."""
        self.page.wait_for_selector("#map .tx-plot[data-painted]", state="attached")
        broken_off = ("AbortError", "Connection errored out", "Failed to fetch", "network error")
        self.complaints = [said for said in self.complaints if not any(sign in said for sign in broken_off)]

    def _console(self, message: Any) -> None:
        address = str(message.location.get("url", ""))
        if message.type == "warning" and any(
            words in message.text and place in address for words, place in WARNINGS_OF_OTHERS
        ):
            return
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text} ({address})")

    def _request(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob", "file"}:
            self.hosts.add(address.hostname or "")
        if request.method == "POST" and "/gradio_api/" in request.url:
            # Uploads are binary; what matters here is text that the page sends.
            self.bodies.append((request.post_data_buffer or b"").decode(errors="replace"))


def pixels(shown: Locator | Page) -> NDArray[np.float64]:
    """What is on screen, as red, green and blue from 0 to 1."""
    picture = Image.open(io.BytesIO(shown.screenshot()))
    return np.asarray(picture.convert("RGB"), np.float64) / 255


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module only: while it is there, Playwright's loop keeps async tests from running."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield made
        made.close()


@pytest.fixture
def watched_page(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Makes an empty page of its own; at the end none may have complained or asked another host."""
    made: list[Watched] = []

    def make_it(
        *, width: int = 1440, height: int = 900, scheme: Any = "light", script: str = "", touch: bool = False
    ) -> Watched:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=touch
        )
        watched = Watched(context.new_page())
        watched.page.add_init_script(script)
        watched.watch()
        made.append(watched)
        watched.page.set_default_timeout(60_000)
        return watched

    yield make_it
    complaints = [complaint for watched in made for complaint in watched.complaints]
    hosts = set().union(*(watched.hosts for watched in made))
    for watched in made:
        watched.page.context.close()
    assert not complaints
    assert hosts <= {"127.0.0.1"}


@pytest.fixture
def open_page(watched_page: Callable[..., Watched], server: Server) -> Callable[..., Watched]:
    """Opens the page, painted, and watches it."""

    def open_it(*, base: str = "", **wanted: Any) -> Watched:
        watched = watched_page(**wanted)
        watched.page.goto(base or server.base)
        # An address may show another view.
        watched.page.wait_for_selector(
            "#map .tx-plot[data-painted]", state="attached" if "view=" in base else "visible"
        )
        return watched

    return open_it
