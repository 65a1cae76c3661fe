from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.environments import client_python, program
from ui import snippets
from ui.last_call import SHOWN_CHARS, LastCall
from ui.snippets import base_url

NASTY = [
    "it's \"quoted\" and 'quoted'",
    "$(touch /tmp/owned) `id` ${HOME} \\ %s !",
    "${EMBED_KEY} ${1+1} </script> {braces}",
    "two\nlines\tand\ttabs \u2028 🍕 日本語",
]
CALL = LastCall("org/model-1", tuple(NASTY), 4, "query")
WAYS = [
    (snippets.curl, ["bash", "-c"]),
    (snippets.python_requests, [sys.executable, "-c"]),
    (snippets.python_openai, ["openai", "-c"]),
    (snippets.javascript, ["node", "--input-type=module", "-e"]),
]


@pytest.fixture
def recorder() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that keeps what it is sent and answers like the API."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.append({"path": self.path, "key": self.headers["authorization"], **body})
            count = len(body["input"])
            data = [{"object": "embedding", "index": i, "embedding": [0.5]} for i in range(count)]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            answer = json.dumps({"object": "list", "model": "m", "data": data, "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


def run(write: Any, command: list[str], call: LastCall, base: str) -> str:
    """What the code prints."""
    interpreter, *options = command
    found = client_python(interpreter) if interpreter == "openai" else program(interpreter)
    done = subprocess.run(
        [found, *options, write(call, base)],
        env={"EMBED_KEY": "k-1", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("write", "command"), WAYS)
def test_code_runs_and_sends_exactly_these_texts(write: Any, command: list[str], recorder: Any) -> None:
    base, seen = recorder
    run(write, command, CALL, base)
    assert [call["input"] for call in seen] == [NASTY]
    assert seen[0]["key"] == "Bearer k-1"
    assert seen[0]["input_type"] == "query"
    assert seen[0]["model"] == "org/model-1"
    expected = "/v1/embeddings" if write is snippets.python_openai else "/org/model-1/v1/embeddings"
    assert seen[0]["path"] == expected


@pytest.mark.parametrize(("write", "command"), WAYS)
def test_a_comparison_calls_both_models_with_the_same_texts(
    write: Any, command: list[str], recorder: Any
) -> None:
    base, seen = recorder
    run(write, command, LastCall.compare("org/one", NASTY, "two", 64), base)
    assert [call["model"] for call in seen] == ["org/one", "two"]
    assert [call["input"] for call in seen] == [NASTY, NASTY]
    assert [call.get("dimensions") for call in seen] == [None, 64]


@pytest.mark.parametrize(("write", "command"), WAYS)
def test_examples_and_a_question_are_two_calls(write: Any, command: list[str], recorder: Any) -> None:
    base, seen = recorder
    run(write, command, LastCall.like("org/one", (NASTY[:1], NASTY[1:2]), NASTY).asked_too(NASTY[2]), base)
    assert [call["input"] for call in seen] == [NASTY[:2], NASTY[2:3]]
    assert [call.get("input_type") for call in seen] == [None, "query"]
    assert {call["model"] for call in seen} == {"org/one"}


@pytest.mark.parametrize(("write", "command"), WAYS[1:])
def test_a_pair_prints_its_cosine(write: Any, command: list[str], recorder: Any) -> None:
    base, seen = recorder
    printed = run(write, command, LastCall.pair("m", *NASTY[:2]), base)
    assert [call["input"] for call in seen] == [NASTY[:2]]
    assert float(printed.split("cosine")[1]) == pytest.approx(1)


def test_a_lone_surrogate_still_makes_code_that_can_be_sent() -> None:
    call = LastCall("m", ("half \ud83d",), 1)
    for write in (snippets.curl, snippets.python_requests, snippets.python_openai, snippets.javascript):
        write(call, "http://h").encode()


def test_only_the_first_texts_are_kept() -> None:
    call = LastCall.of("m", [str(i) for i in range(1000)])
    assert call.texts == ("0", "1", "2", "3")
    assert call.total == 1000


def test_a_book_is_not_written_into_the_code() -> None:
    book = "word " * 100_000
    for call in (
        LastCall.of("m", [book, "short"]),
        LastCall.search("m", "short", [book]),
        LastCall.search("m", book, ["short"]),
        LastCall.pair("m", "short", book),
        LastCall.compare("m", [book], "n"),
    ):
        assert call.shortened
        assert len(snippets.curl(call, "http://h")) < 3 * SHOWN_CHARS
    many = LastCall.axes("m", [["x"] * 17, ["y"], ["x"], ["y"]], ["short"])
    assert (many.total, len(many.texts), many.ends) == (20, 19, (16, 1, 1, 1))
    assert not LastCall.search("m", "short", ["x"] * 9).shortened
    assert LastCall.search("m", "short", list("abcdefg")).searched == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "localhost:7860"}, "http://localhost:7860"),
        ({"host": "[::1]:7860"}, "http://[::1]:7860"),
        (
            {"host": "10.0.0.1", "x-forwarded-host": "a.hf.space", "x-forwarded-proto": "https"},
            "https://a.hf.space",
        ),
        ({"host": "h", "x-forwarded-host": "a, b", "x-forwarded-proto": "https,http"}, "https://a"),
        ({"host": "h", "x-forwarded-host": 'x";rm -rf ~;"'}, "http://h"),
        ({"host": "h", "x-forwarded-host": "a/b@c"}, "http://h"),
        ({"host": "h", "x-forwarded-proto": "javascript"}, "http://h"),
        ({"host": "$(id)"}, "http://127.0.0.1:7860"),
        ({}, "http://127.0.0.1:7860"),
    ],
)
def test_the_address_is_the_visitors_and_never_code(headers: dict[str, str], expected: str) -> None:
    assert base_url(headers, "http") == expected
