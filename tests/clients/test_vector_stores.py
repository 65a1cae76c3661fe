"""Vector stores of OpenAI's clients, Python and npm: files in, chunks found, unchanged calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.environments import CLIENTS, call_environment, client_python, run, run_node

pytestmark = [pytest.mark.clients, pytest.mark.model]


@pytest.fixture(scope="module", params=["python", "openai", "openai-6"])
def came(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What scripts/use_vector_stores prints, by openai-python and by two majors of the npm package."""
    from tests.conftest import live_server

    folder = tmp_path_factory.mktemp("stores")
    with live_server(folder, "--no-ui", TESSERA_DATA_DIR=str(folder / "data")) as server:
        variables = call_environment(server.base, server.model, server.key)
        script = CLIENTS / "scripts" / "use_vector_stores"
        if request.param != "python":
            variables |= {"OPENAI_PACKAGE": request.param}
            return run_node(script.with_suffix(".mjs").read_text(), variables)
        return json.loads(run([client_python("openai"), script.with_suffix(".py")], env=variables))


def test_files_are_kept_as_they_came(came: Any) -> None:
    assert came["file"]["filename"] == "weather.md"
    assert (came["file"]["object"], came["file"]["status"]) == ("file", "processed")
    assert came["content"].startswith("The weather is lovely today.")
    assert came["left"] == 0


def test_files_are_put_into_a_store(came: Any) -> None:
    assert came["created"]["metadata"] == {"owner": "me"}
    assert came["attached"]["status"] == "completed"
    assert came["attached"]["attributes"] == {"kind": "long", "year": 2024}
    assert came["attached"]["chunking_strategy"]["static"] == {
        "max_chunk_size_tokens": 100,
        "chunk_overlap_tokens": 20,
    }
    assert came["batch"]["status"] == "completed"
    assert came["batch"]["file_counts"]["completed"] == 2
    assert came["uploaded"]["status"] == "completed"
    assert came["files"] == came["all_ids"]
    assert len(came["batch_files"]) == 2


def test_search_works_unchanged(came: Any) -> None:
    first, second = came["search"]
    assert {first["filename"], second["filename"]} & {"weather.md"}
    assert first["score"] >= second["score"]
    assert "sunny" in first["content"][0]["text"]
    assert came["options"]
    assert {hit["filename"] for hit in came["options"]} == {"long.txt"}
    assert (
        "number 7" in came["options"][0]["content"][0]["text"]
        or "number 3" in came["options"][0]["content"][0]["text"]
    )
    assert all(hit["score"] >= 0.2 for hit in came["options"])


def test_chunks_hold_the_whole_text_in_order(came: Any) -> None:
    assert len(came["chunks"]) > 3
    place = 0
    for n in range(12):
        assert any(f"thing number {n}," in chunk for chunk in came["chunks"])
    for chunk in came["chunks"]:
        assert chunk in came["long"]
        assert came["long"].index(chunk) >= place - 1000
        place = came["long"].index(chunk)


def test_files_and_stores_change_and_go(came: Any) -> None:
    assert came["changed"]["attributes"] == {"kind": "moved"}
    assert [hit["filename"] for hit in came["moved"]] == ["stadium.txt"]
    assert came["detached"]["deleted"] is True
    assert came["renamed"]["name"] == "renamed"
    assert came["listed"] == [came["created"]["id"]]
    assert came["gone"]["deleted"] is True
    assert came["error"] == "collection_not_found"
