"""`tessera serve`: what it says at start is true, can be pasted, and keeps the key."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedder.cli.serve import greeting, listen, public_base
from embedder.config import Settings
from embedder.errors import ConfigError
from embedder.workers.server import uvicorn_options
from tests.cli.commands import environment, run, start
from tests.conftest import ROOT

NO_MODEL = {"TESSERA_MODEL": "absent/model"}
"""Fails to load, soon: these tests are of the command, not of a model."""


@contextmanager
def serving(folder: Path, *flags: str, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running server and what it printed before it served."""
    process = start(folder, "serve", "--no-ui", "--port", "0", *flags, **NO_MODEL, **variables)
    assert process.stdout is not None
    lines: list[bytes] = []
    try:
        while len(lines) < 9 and (line := process.stdout.readline()):
            lines.append(line)
        yield process, b"".join(lines).decode()
    finally:
        process.kill()
        process.communicate()


def ask(base: str, path: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(base + path, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def pasted(printed: str, variable: str) -> str:
    """What a program sees of `variable` when the printed lines were pasted into the shell that starts it."""
    lines = [line for line in printed.splitlines() if line.startswith("export EMBED_")]
    assert len(lines) == 3
    script = "\n".join([*lines, f'printenv "{variable}"'])
    return subprocess.run(
        ["sh", "-eu", "-c", script], capture_output=True, check=True, text=True
    ).stdout.rstrip("\n")


def test_an_open_server_says_so_and_where_it_is(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, printed):
        base = pasted(printed, "EMBED_BASE")
        assert ask(base, "/health")[0] == 200
        assert ask(base, "/v1/models")[0] == 200
        assert pasted(printed, "EMBED_MODEL") == "absent/model"
        assert pasted(printed, "EMBED_KEY") == "<your key>"
        assert "open to programs on this machine" in printed
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_key_is_asked_for_and_never_printed(tmp_path: Path) -> None:
    with serving(tmp_path, EMBED_KEY="sesame-1234") as (process, printed):
        assert ask(pasted(printed, "EMBED_BASE"), "/v1/models")[0] == 401
        assert "asks for its key" in printed
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert "sesame-1234" not in printed
    assert b"sesame-1234" not in out + err


def test_on_a_public_address_without_a_key_it_says_that_it_is_closed(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "0.0.0.0") as (_, printed):
        base = pasted(printed, "EMBED_BASE")
        assert base.startswith("http://127.0.0.1:")
        assert ask(base, "/v1/models")[0] == 401
        assert ask(base, "/health")[0] == 200
    assert "/v1 answers 401" in printed
    assert "EMBED_KEY" in printed
    assert "TESSERA_OPEN=1" in printed


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run(tmp_path, "serve", "--no-ui", "--port", port)
    assert refused.returncode == 2
    assert refused.stdout == b""
    message = refused.stderr.decode()
    assert message.startswith(f"tessera: Port {port} is in use")
    assert "--port" in message
    assert message.count("\n") == 1


def test_a_wrong_setting_is_one_sentence(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", "--port", "many")
    assert refused.returncode == 2
    assert refused.stderr.decode().startswith("tessera: TESSERA_PORT: ")
    assert refused.stderr.count(b"\n") == 1


def test_app_py_is_the_same_command() -> None:
    script = [sys.executable, "app.py", "--port", "many"]
    refused = subprocess.run(script, cwd=ROOT, env=environment(), capture_output=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.decode().startswith("tessera: TESSERA_PORT: ")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Cannot listen on 192\.0\.2\.1: .*--host"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("example.org", "http://example.org:80"),
    ],
)
def test_the_address_is_one_a_browser_opens(monkeypatch: pytest.MonkeyPatch, host: str, base: str) -> None:
    monkeypatch.delenv("SPACE_HOST", raising=False)
    assert public_base(host, 80) == base
    monkeypatch.setenv("SPACE_HOST", "me-tessera.hf.space")
    assert public_base(host, 80) == "https://me-tessera.hf.space"


def test_a_model_name_is_quoted_for_the_shell() -> None:
    settings = Settings.load({"model": "my model; rm -rf $HOME"})
    assert pasted(greeting(settings, 7860), "EMBED_MODEL") == "my model; rm -rf $HOME"


def test_forwarded_addresses_are_believed_from_anywhere_in_a_space_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert uvicorn_options(Settings.load())["forwarded_allow_ips"] is None
    monkeypatch.setenv("SPACE_ID", "me/tessera")
    assert uvicorn_options(Settings.load())["forwarded_allow_ips"] == "*"
