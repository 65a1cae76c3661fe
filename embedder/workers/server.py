"""uvicorn as this server runs it, alone or in a worker."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from embedder.config import Settings


class Server(uvicorn.Server):
    """uvicorn's server, which gives notice: it takes requests for `notice_s` after the first signal.

    `on_notice` is called at that signal. A second one ends the wait.
    """

    def __init__(self, config: uvicorn.Config, on_notice: Callable[[], None], notice_s: float) -> None:
        super().__init__(config)
        self._on_notice = on_notice
        self._notice_s = notice_s
        self._leaves_at_s: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        if self._leaves_at_s is None:
            self._leaves_at_s = time.monotonic() + self._notice_s
            self._on_notice()
            if self._notice_s:
                self._captured_signals.append(sig)
                return
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to leave now."""
        if self._leaves_at_s is not None and time.monotonic() >= self._leaves_at_s:
            self.should_exit = True
        return await super().on_tick(counter)


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told besides the app; our own log goes where its does."""
    log_config = copy.deepcopy(LOGGING_CONFIG)
    for name in ("embedder", "ui"):
        log_config["loggers"][name] = {
            "handlers": ["default"],
            "level": settings.log_level.upper(),
            "propagate": False,
        }
    return {
        "http": "httptools",
        "loop": "auto",  # uvloop where it is installed, which is not on Windows
        "log_config": log_config,
        "log_level": settings.log_level,
        "access_log": False,
        "proxy_headers": True,
        # In a Space every request comes through its proxy; elsewhere only loopback is believed.
        "forwarded_allow_ips": "*" if os.environ.get("SPACE_ID") else None,
        "timeout_graceful_shutdown": max(1, round(settings.drain_s)),
    }
