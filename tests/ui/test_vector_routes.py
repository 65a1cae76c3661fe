"""Single vectors, smaller ones and semantic axes over HTTP, with vectors that depend on their texts."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from embedder.analysis import pca_2d
from embedder.analysis.axes import along, axis_between
from embedder.analysis.neighbours import KnownNeighbours, nearest_neighbours
from embedder.analysis.retention import cut_to, shares_kept, true_neighbours
from embedder.analysis.similarity import unit_rows
from embedder.types import EmbedOptions
from ui import map as map_view
from ui import retention
from ui.datasets import Dataset, Workings
from ui.routes import make_routes
from ui.view import Desk

TEXTS = [
    f"{size} {thing} number {n}" for n in range(3) for size in ("big", "old") for thing in ("hat", "cup")
]
LONG = " ".join(f"word{n}" for n in range(100))


@pytest.fixture
async def dataset(desk: Desk) -> Dataset:
    texts = [*TEXTS, LONG]
    found = await desk.engine.embed(texts)
    made = Dataset(
        name="things",
        texts=texts,
        columns={"id": [str(n) for n in range(len(texts))]},
        vectors=found.vectors,
        prompt_tokens=found.prompt_tokens,
        truncated=frozenset(found.truncated),
        model=found.model,
        flat=pca_2d(found.vectors),
    )
    desk.datasets.put(made)
    return made


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_routes(desk), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


async def post(client: httpx.AsyncClient, path: str, body: Any) -> dict[str, Any]:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def decoded(places: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(places), "<f4")


async def test_a_row_and_a_written_text_are_looked_at_and_compared(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk
) -> None:
    body = {"items": [{"row": 3}, {"text": "a small cup"}]}
    found = await post(client, f"/data/{dataset.id}/vectors", body)
    row, text = found["items"]
    written = (await desk.engine.embed(["a small cup"])).vectors[0]
    np.testing.assert_allclose(row["vector"], dataset.vectors[3], atol=1e-7)
    np.testing.assert_allclose(text["vector"], written, atol=1e-7)
    assert (row["row"], row["text"], text["row"]) == (3, TEXTS[3], None)
    assert row["norm"] == pytest.approx(1, abs=1e-6)
    assert text["pieces"] == ["<s>", "a", "small", "cup", "</s>"]
    assert text["places"] == [None, [0, 1], [2, 7], [8, 11], None]
    assert len(text["ids"]) == text["tokens"] == text["pieces_total"] == 5
    pair = found["pair"]
    assert pair["cosine"] == pytest.approx(float(dataset.vectors[3] @ written), abs=1e-6)
    assert pair["distance"] == pytest.approx(float(np.linalg.norm(dataset.vectors[3] - written)), abs=1e-6)
    assert sum(pair["products"]) == pytest.approx(pair["dot"], abs=1e-5)
    products = np.abs(pair["products"])
    assert products[pair["largest_products"][0]] == products.max()
    differences = np.abs(pair["difference"])
    assert differences[pair["largest_differences"][0]] == differences.max()
    assert set(pair["said"]) == {"cosine", "dot", "distance"}


async def test_what_the_model_left_unread_is_told(client: httpx.AsyncClient, dataset: Dataset) -> None:
    long = (await client.get(f"/data/{dataset.id}/vector/{len(TEXTS)}")).json()
    assert long["truncated"]
    last = long["places"][-2][1]
    assert long["unread"] == ["", LONG[last:][:600]]
    assert long["unread_chars"] == len(LONG) - last > 0
    short = (await client.get(f"/data/{dataset.id}/vector/0")).json()
    assert (short["unread"], short["unread_chars"], short["truncated"]) == (["", ""], 0, False)


async def test_a_question_is_read_with_its_prompt(client: httpx.AsyncClient, dataset: Dataset) -> None:
    body = {"items": [{"text": "where", "kind": "query"}]}
    (item,) = (await post(client, f"/data/{dataset.id}/vectors", body))["items"]
    assert (item["prompt"], item["pieces"]) == ("query: ", ["<s>", "query:", "where", "</s>"])
    assert item["places"] == [None, None, [0, 5], None], "places count the text, not the prompt"


async def test_a_model_that_shows_no_tokens_still_shows_its_vector(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from embedder.backends.inputs import TextInputs

    monkeypatch.setattr(desk.engine, "tokenize", lambda *_, **__: _raise(TextInputs))
    item = (await client.get(f"/data/{dataset.id}/vector/1")).json()
    assert (item["pieces"], item["pieces_total"]) == ([], None)
    assert "does not show its tokens" in item["tokens_note"]


async def _raise(inputs: Any) -> None:
    inputs.spans(None, ["x"], None)


async def test_what_survives_is_measured_once(client: httpx.AsyncClient, dataset: Dataset) -> None:
    plan = (await client.get(f"/data/{dataset.id}/retention/plan")).json()
    assert [step["what"] for step in plan["steps"]][:1] == ["32"]
    assert [step["what"] for step in plan["steps"]][-3:] == ["int8", "binary", "rescored"]
    shares = {}
    for step in plan["steps"]:
        found = (await client.get(f"/data/{dataset.id}/retention/{step['what']}")).json()
        assert {name: found[name] for name in step} == step
        shares[step["what"]] = found["share"]
        assert "over all 13 texts" in found["over"]
        assert found["margin"] == 0
    assert shares["32"] == 1
    assert all(0 <= share <= 1 for share in shares.values())
    assert shares["rescored"] == 1, "a shortlist longer than the list leaves nothing out"
    made = dataset.workings.ready("kept 7")
    assert made is None
    await client.get(f"/data/{dataset.id}/retention/7")
    assert dataset.workings.ready("kept 7") is not None
    assert (await client.get(f"/data/{dataset.id}/retention/7")).json()["bytes"] == 28


def spread(desk: Desk, dataset: Dataset, n: int, d: int) -> Dataset:
    """So many texts with vectors of so many numbers, none of them computed."""
    vectors = np.random.default_rng(5).normal(size=(n, d)).astype(np.float32)
    texts = [f"text {row}" for row in range(n)]
    made = replace(
        dataset, id=f"of {n}", texts=texts, vectors=vectors, flat=pca_2d(vectors), workings=Workings()
    )
    desk.datasets.put(made)
    made.workings.find_neighbours = None  # in a thread, as few are
    return made


async def lines(client: httpx.AsyncClient, path: str, body: Any) -> list[dict[str, Any]]:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


async def test_the_whole_takes_the_place_of_a_sample(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk
) -> None:
    many = spread(desk, dataset, 4500, 12)
    path = f"/data/{many.id}/retention"
    plan = (await client.get(f"{path}/plan")).json()
    assert (plan["n"], plan["sample"], plan["whole_why_not"]) == (4500, 3555, None)
    sampled = (await client.get(f"{path}/7")).json()
    assert "over 3,555 texts spread evenly" in sampled["over"]
    assert sampled["margin"] > 0
    told = await lines(client, path, {"what": ["7", "int8"]})
    found = {line["found"]["what"]: line["found"] for line in told if "found" in line}
    assert list(found) == ["7", "int8"]
    assert [line["share"] for line in told] == sorted(line["share"] for line in told)
    assert told[-1]["share"] == 1
    unit = unit_rows(many.vectors)
    every = true_neighbours(unit, most_scores=4500**2)
    expected = shares_kept(every, unit, cut_to(unit, 7)).mean()
    assert found["7"]["share"] == pytest.approx(float(expected), abs=1e-6)
    assert abs(found["7"]["share"] - sampled["share"]) < 2 * sampled["margin"]
    assert (found["7"]["rows"], found["7"]["margin"]) == (4500, 0)
    assert "over all 4,500 texts" in found["7"]["over"]
    assert (await client.get(f"{path}/7")).json() == found["7"], "it is kept"
    assert "3,555" in (await client.get(f"{path}/6")).json()["over"], "of others there is the sample"
    assert [line["found"] for line in await lines(client, path, {"what": ["7"]})] == [found["7"]]


async def test_who_leaves_ends_the_measurement_of_the_whole(dataset: Dataset, desk: Desk) -> None:
    many = spread(desk, dataset, 9000, 16)
    many.workings.give("neighbours", nearest_neighbours(many.vectors, 11))
    turn = asyncio.Lock()
    steps = retention.whole_steps(many, ["8", "int8"], turn)
    first = await anext(steps)
    assert "8 dimensions" in first["stage"]
    assert turn.locked()
    await steps.aclose()
    await asyncio.sleep(0.3)
    assert not turn.locked()
    left_at = many.workings.shares[retention.WHOLE]
    await asyncio.sleep(0.3)
    assert many.workings.shares[retention.WHOLE] == left_at < 1
    assert many.workings.ready(f"{retention.WHOLE} 8") is None


async def test_why_the_whole_is_not_measured_is_said(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = nearest_neighbours(dataset.vectors, 11)
    partly = replace(dataset, id="partly", workings=Workings())
    partly.workings.known = KnownNeighbours(near.indices, near.distances, 500, 1.0, exact=True)
    desk.datasets.put(partly)
    monkeypatch.setattr(retention, "MAX_WHOLE", 12)
    for one, says in ((dataset, "up to 12 texts; these are 13"), (partly, "up to 12")):
        assert says in (await client.get(f"/data/{one.id}/retention/plan")).json()["whole_why_not"]
        assert says in (await lines(client, f"/data/{one.id}/retention", {"what": ["7"]}))[0]["error"]
    monkeypatch.setattr(retention, "MAX_WHOLE", 13)
    (refused,) = await lines(client, "/data/partly/retention", {"what": ["7"]})
    assert "known only in part" in refused["error"]


async def test_two_axes_are_a_layout_for_who_knows_its_key(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk
) -> None:
    body = {"axes": [{"start": "big | huge", "end": "old"}, {"start": "hat", "end": "cup\ncups"}]}
    before = dataset.workings.newest
    found = await post(client, f"/data/{dataset.id}/axes", body)
    size, thing = found["axes"]
    words = (await desk.engine.embed(["big", "huge", "old"])).vectors
    expected = along(dataset.vectors, axis_between(words[:2], words[2:]))
    np.testing.assert_allclose(decoded(size["places"]), expected, atol=1e-6)
    assert (size["start"], size["end"], thing["end"]) == ("big | huge", "old", "cup | cups")
    assert size["most"][0] == int(np.argmax(expected))
    assert size["least"][0] == int(np.argmin(expected))
    assert size["ends"][0] < size["ends"][1]
    assert "Cosine" in size["said"]
    assert found["key"].startswith("axes-")
    points = await client.get(f"/data/{dataset.id}/points/{found['key']}")
    np.testing.assert_allclose(
        np.frombuffer(points.content, "<f4").reshape(-1, 2),
        np.stack([decoded(axis["places"]) for axis in found["axes"]], axis=1),
    )
    assert dataset.workings.newest == before, "nobody else is taken to it"
    assert (await post(client, f"/data/{dataset.id}/axes", body))["key"] == found["key"]
    turned = await post(client, f"/data/{dataset.id}/axes", {"axes": body["axes"][::-1]})
    assert turned["key"] != found["key"]
    session = desk.sessions.of("a")
    session.put(session.begin(), dataset)
    wanted = {"layout": {"method": "axes", "key": found["key"]}}
    (step,) = [step async for step in map_view.arrange(desk, session, wanted)]
    assert found["key"] in step[0]
    one = await post(client, f"/data/{dataset.id}/axes", {"axes": body["axes"][:1]})
    assert (one["key"], len(one["axes"])) == (None, 1)


async def test_a_search_with_another_prompt_or_none(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk
) -> None:
    about = (await client.get(f"/data/{dataset.id}")).json()
    assert about["model"]["query_prompt"] == "query: "
    said = {None: "with the prompt “query: ”", "": "Cosine", "Find: ": "with the prompt “Find: ”"}
    for prompt, options in ((None, None), ("", ""), ("Find: ", "Find: ")):
        found = await post(client, f"/data/{dataset.id}/search", {"query": "a hat", "prompt": prompt})
        kind = "query" if options is None else None
        asked = await desk.engine.embed(["a hat"], kind=kind, options=EmbedOptions(prompt=options))
        np.testing.assert_allclose(decoded(found["scores"]), dataset.vectors @ asked.vectors[0], atol=1e-6)
        assert said[prompt] in found["score"]
        assert ("prompt" in found["score"]) is (prompt != "")


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "vectors", {"items": []}, "did not understand"),
        ("POST", "vectors", {"items": [{"row": 0}] * 3}, "did not understand"),
        ("POST", "vectors", {"items": [{"row": 99}]}, "no row 99"),
        ("POST", "vectors", {"items": [{"row": -1}]}, "did not understand"),
        ("POST", "vectors", {"items": [{"row": 1, "text": "x"}]}, "not both"),
        ("POST", "vectors", {"items": [{"text": " "}]}, "no text"),
        ("POST", "vectors", {"items": [{}]}, "no text"),
        ("POST", "vectors", {"items": [{"text": "x", "kind": "poem"}]}, "did not understand"),
        ("POST", "vectors", {"items": [{"text": "x" * 200_001}]}, "did not understand"),
        ("GET", "retention/0", None, "1 to 32 dimensions"),
        ("GET", "retention/33", None, "1 to 32 dimensions"),
        ("GET", "retention/int4", None, "int8, binary"),
        ("GET", "retention/1e9", None, "1 to 32"),
        ("GET", "retention/²", None, "1 to 32"),
        ("POST", "axes", {"axes": []}, "did not understand"),
        ("POST", "axes", {"axes": [{"start": "a", "end": "|"}]}, "both ends"),
        ("POST", "axes", {"axes": [{"start": "same", "end": "same"}]}, "mean the same"),
        ("POST", "axes", {"axes": [{"start": "a", "end": "|".join("bcdefg" * 6)}]}, "up to 32"),
        ("POST", "axes", {"axes": [{"start": "a", "end": "b"}] * 3}, "did not understand"),
        ("POST", "retention", {"what": []}, "did not understand"),
        ("POST", "retention", {"what": ["7"] * 65}, "did not understand"),
        ("POST", "axes", {"axes": [{"start": "a" * 2001, "end": "b"}]}, "did not understand"),
        ("POST", "search", {"query": "x", "prompt": "x" * 2001}, "did not understand"),
    ],
)
async def test_what_is_wrong_is_a_sentence(
    client: httpx.AsyncClient, dataset: Dataset, method: str, path: str, body: Any, says: str
) -> None:
    response = await client.request(method, f"/data/{dataset.id}/{path}", json=body)
    assert response.status_code == 400, response.text
    assert says in response.json()["error"]


async def test_half_a_character_is_refused_as_a_prompt(client: httpx.AsyncClient, dataset: Dataset) -> None:
    response = await client.post(
        f"/data/{dataset.id}/search",
        content=b'{"query": "x", "prompt": "\\ud800"}',
        headers={"content-type": "application/json"},
    )
    assert response.status_code == 400
    assert "Unicode" in response.json()["error"] or "did not understand" in response.json()["error"]


async def test_too_few_texts_or_not_all_of_them_yet_is_said(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk
) -> None:
    desk.datasets.put(replace(dataset, id="growing", whole=False))
    few = replace(dataset, id="few", texts=dataset.texts[:10], vectors=dataset.vectors[:10])
    desk.datasets.put(few)
    for path, key in (("retention/plan", "why_not"), ("retention/7", "error")):
        assert "still being embedded" in (await client.get(f"/data/growing/{path}")).json()[key]
        assert "Bring more than 10" in (await client.get(f"/data/few/{path}")).json()[key]
    axes = {"axes": [{"start": "a", "end": "b"}]}
    response = await client.post("/data/growing/axes", json=axes)
    assert "still being embedded" in response.json()["error"]


async def test_axes_that_were_let_go_are_a_sentence(desk: Desk, dataset: Dataset) -> None:
    from embedder.errors import InvalidInput

    session = desk.sessions.of("a")
    session.put(session.begin(), dataset)
    with pytest.raises(InvalidInput, match="no longer here"):
        [
            step
            async for step in map_view.arrange(desk, session, {"layout": {"method": "axes", "key": "axes-0"}})
        ]
    for wrong in ({"method": "axes"}, {"method": "axes", "key": 7}, {"method": "axes", "key": "umap"}):
        with pytest.raises(InvalidInput, match="no such layout"):
            [step async for step in map_view.arrange(desk, session, {"layout": wrong})]
