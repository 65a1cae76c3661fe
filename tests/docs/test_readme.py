"""The README is short, true to the project's other files, and its calls run as they stand."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from importlib.metadata import requires
from typing import Any

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import embedder
from tests.docs.markdown import ROOT, blocks
from tests.environments import call_environment, client_python, node_project, program, run

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TEXTS = ["Text one", "Text two", "Text three"]
SPACE_COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def front_matter() -> dict[str, Any]:
    matter: dict[str, Any] = yaml.safe_load(TEXT.split("---\n")[1])
    return matter


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(r.name): next(iter(r.specifier)).version for r in requirements}


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) < 150


def test_links_and_pictures_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", TEXT) + re.findall(r'(?:src|srcset)="([^":]+)"', TEXT)
    assert len(targets) > 6
    assert not [target for target in targets if not (ROOT / target).exists()]


def test_a_space_can_be_made_of_it() -> None:
    matter = front_matter()
    assert matter["sdk"] == "gradio"
    assert matter["sdk_version"] == pins()["gradio"]
    assert (ROOT / matter["app_file"]).is_file()
    assert matter["license"] == PYPROJECT["project"]["license"].lower()
    assert isinstance(matter["python_version"], str)
    minimum = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert tuple(map(int, matter["python_version"].split("."))) >= tuple(map(int, minimum.split(".")))
    # The Hub refuses a push where these don't hold.
    assert {matter["colorFrom"], matter["colorTo"]} <= SPACE_COLORS
    assert len(matter["short_description"]) <= 60
    assert matter["models"] == [embedder.Settings.model_fields["model"].default]


def test_a_space_can_install_it() -> None:
    """A Space installs requirements.txt together with gradio[oauth,mcp] of its `sdk_version`."""
    pinned = pins()
    wanted = [Requirement(line) for line in requires("gradio") or ()]
    of_extras = [
        r
        for r in wanted
        if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in ("oauth", "mcp"))
    ]
    checked = {canonicalize_name(r.name) for r in of_extras} & set(pinned)
    assert {"pydantic", "uvicorn"} <= checked
    clashes = [
        f"{r} against {pinned[canonicalize_name(r.name)]}"
        for r in of_extras
        if canonicalize_name(r.name) in pinned and pinned[canonicalize_name(r.name)] not in r.specifier
    ]
    assert not clashes


def test_the_picture_follows_the_readers_theme() -> None:
    assert 'media="(prefers-color-scheme: dark)"' in TEXT


def test_the_smaller_torch_is_the_pinned_one() -> None:
    assert f"torch=={pins()['torch']} --index-url https://download.pytorch.org/whl/cpu" in TEXT


def test_changelog_has_this_version() -> None:
    assert PYPROJECT["project"]["version"] == embedder.__version__
    assert f"## [{embedder.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_calls_are_as_users_type_them() -> None:
    for call in (
        """curl -X POST "${EMBED_BASE}/${EMBED_MODEL}/v1/embeddings" -H "Authorization: Bearer """
        """${EMBED_KEY}" -H "Content-Type: application/json" -d """
        """'{"model":"'"${EMBED_MODEL}"'","input":["Text one","Text two","Text three"]}'""",
        """requests.post(f"{EMBED_BASE}/{EMBED_MODEL}/v1/embeddings", headers={"Authorization": """
        """f"Bearer {EMBED_KEY}", "Content-Type": "application/json"}, json={"model": EMBED_MODEL, """
        """"input": ["Your text here"]}).json()""",
        "JSON.stringify({ model: EMBED_MODEL, input })",
        'OpenAI(base_url=f"{EMBED_BASE}/v1"',
        'OpenAI(base_url=f"{EMBED_BASE}/{EMBED_MODEL}/v1"',
    ):
        assert call in TEXT, call


@pytest.fixture(scope="module")
def expected(server: Any) -> np.ndarray:
    """Vectors of the README's texts, each asked for by itself: float32 `(4, 384)`."""
    import requests

    def embed(text: str) -> list[float]:
        answer = requests.post(
            f"{server.base}/v1/embeddings",
            headers={"Authorization": f"Bearer {server.key}"},
            json={"model": server.model, "input": text},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        vector: list[float] = answer.json()["data"][0]["embedding"]
        return vector

    vectors = np.array([embed(text) for text in ["Your text here", *TEXTS]], dtype=np.float32)
    assert len({vector.tobytes() for vector in vectors}) == 4
    return vectors


@pytest.fixture(params=["", "/"], ids=["plain", "slash"])
def variables(request: pytest.FixtureRequest, server: Any) -> dict[str, str]:
    """The three variables of the shell, the base without and with a slash at its end."""
    return call_environment(server.base + request.param, server.model, server.key)


def assert_answers(one: dict[str, Any], batch: dict[str, Any], expected: np.ndarray) -> None:
    """`one` is the vector of one text, `batch` those of three, in order."""
    for answer, wanted in ((one, expected[:1]), (batch, expected[1:])):
        assert [row["index"] for row in answer["data"]] == list(range(len(wanted))), answer
        vectors = np.array([row["embedding"] for row in answer["data"]], dtype=np.float32)
        np.testing.assert_allclose(vectors, wanted, rtol=0, atol=1e-5)


@pytest.mark.model
@pytest.mark.clients
class TestCalls:
    def test_curl(self, variables: dict[str, str], expected: np.ndarray) -> None:
        program("curl")
        (source,) = blocks(README, "bash")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", source],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
        one, end = json.JSONDecoder().raw_decode(done.stdout)
        batch = json.loads(done.stdout[end:])
        assert_answers(one, batch, expected)

    def test_python(self, variables: dict[str, str], expected: np.ndarray) -> None:
        """Both Python blocks, one after the other, in the interpreter that has the openai package."""
        first, second = blocks(README, "python")
        show = 'import json\nprint(json.dumps({"one": one, "batch": batch, "vector": vector}))\n'
        show_more = 'print(json.dumps({"one": one.model_dump(), "batch": batch.model_dump()}))\n'
        printed = run([client_python("openai"), "-c", first + show + second + show_more], env=variables)
        by_requests, by_openai = map(json.loads, printed.splitlines())
        assert_answers(by_requests["one"], by_requests["batch"], expected)
        assert by_requests["vector"] == by_requests["one"]["data"][0]["embedding"]
        assert_answers(by_openai["one"], by_openai["batch"], expected)

    def test_node(self, variables: dict[str, str], expected: np.ndarray) -> None:
        (source,) = blocks(README, "js")
        show = "\nconsole.log(JSON.stringify({ one, batch }));"
        printed = run(
            [program("node"), "--input-type=module", "-e", source + show], env=variables, cwd=node_project()
        )
        answers = json.loads(printed)
        assert_answers(answers["one"], answers["batch"], expected)

    def test_shell_of_the_api_page(self, variables: dict[str, str]) -> None:
        """The curl calls of docs/api.md."""
        calls = "".join(blocks(ROOT / "docs" / "api.md", "bash")).splitlines()
        answers = [json.loads(run(["bash", "-euo", "pipefail", "-c", call], env=variables)) for call in calls]
        assert not any("error" in answer for answer in answers), answers
        (found,) = (answer for call, answer in zip(calls, answers, strict=True) if "/search" in call)
        assert [hit["id"] for hit in found["data"]] == ["w"]
