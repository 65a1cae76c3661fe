"""The similarity view's routes over the hashing fake."""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest

from embedder.analysis import cosine_similarity, pca_2d
from embedder.analysis.projection import Projection
from embedder.errors import TooLarge
from ui import alike, similarity
from ui.datasets import Dataset
from ui.view import Desk

from .test_routes import HOSTILE, client  # noqa: F401  # a fixture

WORDS = ["red", "old", "blue", "warm"]
TEXTS = [
    *(f"{word} apple from the garden" for word in WORDS),
    *(f"a {word} wheel of the engine" for word in WORDS),
    "red apple from the garden",  # equal to the first
    HOSTILE,
    "Привет, мир 🍕",
    "我爱北京",
    "مرحبا بالعالم",
    "one",
]


async def put(desk: Desk, texts: list[str], clusters: list[int] | None = None) -> Dataset:
    found = await desk.engine.embed(texts)
    made = Dataset(
        name="things",
        texts=texts,
        columns={"id": [f"row {n}" for n in range(len(texts))]},
        vectors=found.vectors,
        prompt_tokens=found.prompt_tokens,
        truncated=frozenset(),
        model=found.model,
        flat=pca_2d(found.vectors),
    )
    if clusters:
        points = made.flat.points
        made.add_layout("umap", Projection(points, "umap", None, np.array(clusters, dtype=np.int32)))
    desk.datasets.put(made)
    return made


@pytest.fixture
async def dataset(desk: Desk) -> Dataset:
    return await put(desk, TEXTS)


async def asked(http: httpx.AsyncClient, dataset: Dataset, what: str, **body: Any) -> Any:
    response = await http.post(f"/data/{dataset.id}/similarity/{what}", json=body)
    assert response.status_code == 200, response.text
    if response.headers["content-type"] == "application/jsonl":
        lines = [json.loads(line) for line in response.text.splitlines()]
        assert all(set(line) == {"share"} for line in lines[:-1])
        return lines[-1]
    return response.json()


def scores_of(answer: dict[str, Any]) -> np.ndarray:
    n = len(answer["names"])
    return np.frombuffer(base64.b64decode(answer["scores"]), dtype="<f4").reshape(n, n)


async def test_the_heat_map_is_ordered_and_says_what_it_shows(
    client: httpx.AsyncClient,  # noqa: F811
    dataset: Dataset,
) -> None:
    answer = await asked(client, dataset, "matrix")
    assert (answer["shown"], answer["kind"], answer["clusters_known"]) == ("spread", "texts", False)
    assert sorted(answer["ids"]) == list(range(14))
    assert answer["names"] == [TEXTS[row] for row in answer["ids"]]
    expected = cosine_similarity(dataset.vectors[answer["ids"]])
    np.testing.assert_allclose(scores_of(answer), expected, atol=1e-6)
    assert len(answer["links"]) == 13
    assert abs(answer["ids"].index(0) - answer["ids"].index(8)) == 1, "equal texts stand side by side"
    assert "Cosine in all" in answer["note"]
    chosen = await asked(client, dataset, "matrix", shown="rows", rows=[5, 2, 5])
    assert sorted(chosen["ids"]) == [2, 5]
    near = await asked(client, dataset, "matrix", shown="near", rows=[3])
    assert set(near["ids"]) == set(range(14))
    assert "number 4" in near["note"]


async def test_of_many_texts_sixty_are_shown_or_the_means_of_clusters(
    client: httpx.AsyncClient,  # noqa: F811
    desk: Desk,
) -> None:
    texts = [f"{word} thing number {n}" for word in WORDS for n in range(20)]
    labels = [0] * 20 + [1] * 20 + [2] * 20 + [-1] * 20
    dataset = await put(desk, texts, labels)
    answer = await asked(client, dataset, "matrix")
    assert (answer["shown"], answer["kind"], sorted(answer["ids"])) == ("clusters", "clusters", [0, 1, 2])
    assert answer["sizes"] == [20, 20, 20]
    assert "20 texts in none" in answer["note"]
    scores = cosine_similarity(dataset.vectors)
    one, other = answer["ids"][0], answer["ids"][1]
    mean = scores[np.ix_(np.array(labels) == one, np.array(labels) == other)].mean()
    assert scores_of(answer)[0, 1] == pytest.approx(mean, abs=1e-5)
    spread = await asked(client, dataset, "matrix", shown="spread")
    assert len(spread["ids"]) == 60
    assert "60 of the 80 texts are shown" in spread["note"]
    drilled = await asked(client, dataset, "matrix", shown="between", clusters=[0, 2])
    assert {labels[row] for row in drilled["ids"]} == {0, 2}
    assert len(drilled["ids"]) == 40
    table = await client.post(f"/data/{dataset.id}/similarity/matrix.csv", json={"shown": "clusters"})
    rows = list(csv.reader(io.StringIO(table.text)))
    assert rows[0] == ["cluster", "size", *answer["names"]]
    assert float(rows[1][3]) == pytest.approx(mean, abs=1e-5)


async def test_the_matrix_as_csv(client: httpx.AsyncClient, dataset: Dataset) -> None:  # noqa: F811
    table = await client.post(f"/data/{dataset.id}/similarity/matrix.csv", json={})
    rows = list(csv.reader(io.StringIO(table.text)))
    assert 'filename="tessera-things-similarity.csv"' in table.headers["content-disposition"]
    ids = [int(number) - 1 for number in rows[0][2:]]
    assert [row[1] for row in rows[1:]] == [TEXTS[row] for row in ids]
    np.testing.assert_allclose(
        np.array([row[2:] for row in rows[1:]], dtype=float),
        cosine_similarity(dataset.vectors[ids]),
        atol=1e-5,
    )


@pytest.mark.parametrize("texts", [["one"], ["one", "two"], ["one", "two", "three"], ["same"] * 5])
async def test_few_texts_and_equal_ones_have_every_view(
    client: httpx.AsyncClient,  # noqa: F811
    desk: Desk,
    texts: list[str],
) -> None:
    dataset = await put(desk, texts)
    n, distinct = len(texts), len(set(texts))
    answer = await asked(client, dataset, "matrix")
    assert len(answer["names"]) == n
    assert len(answer["links"]) == n - 1
    found = await asked(client, dataset, "find-pairs")
    assert (found["n"], found["distinct"], found["pairs"]) == (n, distinct, distinct * (distinct - 1) // 2)
    assert found["all"] is True
    groups = await asked(client, dataset, "groups", least=0.999)
    assert groups["groups"] == (1 if distinct < n else 0)
    assert groups["removed"] == n - distinct
    outliers = await asked(client, dataset, "outliers")
    assert len(outliers["rows"]) == n
    assert outliers["k"] == min(10, n - 1)


async def test_a_pair_is_in_pieces_with_shared_words(client: httpx.AsyncClient, dataset: Dataset) -> None:  # noqa: F811
    pair = await asked(client, dataset, "pair", left=0, right=1)
    assert pair["cosine"] == pytest.approx(float(dataset.vectors[0] @ dataset.vectors[1]), abs=1e-6)
    assert "".join(text for text, _, _ in pair["left"]["pieces"]) == TEXTS[0]
    assert [text for text, _, shared in pair["left"]["pieces"] if shared] == [
        "apple",
        "from",
        "the",
        "garden",
    ]
    assert pair["shared"] == 4
    assert (await asked(client, dataset, "pair", left=0, right=8))["equal"] is True


async def test_each_word_is_left_out_and_embedded_anew(
    client: httpx.AsyncClient,  # noqa: F811
    dataset: Dataset,
    desk: Desk,
) -> None:
    answer = await asked(client, dataset, "explain", left=0, right=5)
    assert "Leave-one-out" in answer["note"]
    assert len(answer["left"]["parts"]) == 5
    without = (await desk.engine.embed(["red from the garden"])).vectors[0]
    expected = answer["cosine"] - float(without @ dataset.vectors[5])
    assert answer["left"]["parts"][1][2] == pytest.approx(expected, abs=1e-5)
    single = await asked(client, dataset, "explain", left=13, right=0)
    assert [part[2] for part in single["left"]["parts"]] == [None], "of nothing there is no vector"
    assert len(single["right"]["parts"]) == 5


async def test_words_are_bounded_however_long_the_text(client: httpx.AsyncClient, desk: Desk) -> None:  # noqa: F811
    dataset = await put(desk, ["word " * 300 + "end", "short one"])
    answer = await asked(client, dataset, "explain", left=0, right=1)
    assert answer["left"]["words"] == 301
    assert len(answer["left"]["parts"]) <= 64


async def test_pairs_groups_and_what_stays(client: httpx.AsyncClient, dataset: Dataset) -> None:  # noqa: F811
    found = await asked(client, dataset, "find-pairs")
    assert (found["n"], found["distinct"]) == (14, 13)
    pairs = await asked(client, dataset, "pairs", most=5)
    assert [score for *_, score in pairs] == sorted((score for *_, score in pairs), reverse=True)
    assert all(8 not in pair[:2] for pair in pairs), "an equal text counts once, as the first"
    with_equal = await asked(client, dataset, "pairs", most=5, equal=True)
    assert with_equal[0] == [0, 8, 1.0]
    assert with_equal[1:] == pairs[:4]
    least = pairs[0][2]
    groups = await asked(client, dataset, "groups", least=least)
    assert groups["pairs"] == 1
    assert groups["equal"] == 1
    listed = [group["rows"] for group in groups["listed"]]
    assert sorted({*pairs[0][:2], 8}) == listed[0] or [0, 8] in listed
    assert await asked(client, dataset, "group-rows", least=least) == [row for rows in listed for row in rows]
    address = f"/data/{dataset.id}/similarity"
    kept = (await client.get(f"{address}/kept.csv?least={least}")).text
    removed = (await client.get(f"{address}/removed.jsonl?least={least}")).text
    kept_rows = list(csv.DictReader(io.StringIO(kept)))
    gone = [json.loads(line) for line in removed.splitlines()]
    assert len(kept_rows) + len(gone) == 14
    assert len(gone) == groups["removed"]
    last = next(line for line in gone if line["columns"]["id"] == "row 8")
    assert (last["text"], last["kept_number"]) == (TEXTS[0], 1)
    assert kept_rows[0] == {"text": TEXTS[0], "id": "row 0"}


async def test_outliers_are_those_far_from_their_kth_neighbour(
    client: httpx.AsyncClient,  # noqa: F811
    dataset: Dataset,
) -> None:
    answer = await asked(client, dataset, "outliers", k=3, most=4)
    distances = np.sort(1 - cosine_similarity(dataset.vectors), axis=1)[:, 3]
    np.testing.assert_allclose(answer["scores"], np.sort(distances)[::-1][:4], atol=1e-5)
    assert answer["k"] == 3


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("matrix", {"shown": "all"}),
        ("matrix", {"shown": "rows"}),
        ("matrix", {"shown": "near"}),
        ("matrix", {"shown": "clusters"}),
        ("matrix", {"shown": "between", "clusters": [0, 7]}),
        ("matrix", {"rows": [14]}),
        ("pair", {"left": 0}),
        ("pair", {"left": 0, "right": 14}),
        ("explain", {"left": -1, "right": 0}),
        ("pairs", {"most": 10**9}),
        ("groups", {"least": 2}),
        ("groups", {"least": "x"}),
        ("outliers", {"k": 0}),
    ],
)
async def test_what_makes_no_sense_is_a_sentence(
    client: httpx.AsyncClient,  # noqa: F811
    dataset: Dataset,
    what: str,
    body: dict[str, Any],
) -> None:
    response = await client.post(f"/data/{dataset.id}/similarity/{what}", json=body)
    assert response.status_code == 400
    assert response.json()["error"].endswith(".")
    assert (await client.get(f"/data/{dataset.id}/similarity/some.csv?least=0.9")).status_code == 400
    assert (await client.post("/data/nobody/similarity/matrix", json={})).status_code == 404


async def test_more_texts_than_are_compared_are_refused_in_words(
    client: httpx.AsyncClient,  # noqa: F811
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alike, "MAX_COMPARED", 13)
    assert "up to 13" in (await asked(client, dataset, "find-pairs"))["error"]
    assert "up to 13" in (await asked(client, dataset, "outliers"))["error"]
    with pytest.raises(TooLarge):
        await alike.found(dataset)


async def test_comparing_ends_when_nobody_waits_for_it(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio
    import threading
    import time

    ended = threading.Event()

    def slow(*_: Any, progress: Any, neighbours: Any) -> None:
        try:
            for step in range(500):
                time.sleep(0.01)
                progress(step / 500)
        finally:
            ended.set()

    monkeypatch.setattr(alike, "find_alike", slow)
    one, other = alike.pairs_steps(dataset), alike.pairs_steps(dataset)
    assert (await anext(one)).keys() == (await anext(other)).keys() == {"share"}
    await one.aclose()
    await asyncio.sleep(0.1)
    assert not ended.is_set(), "somebody still waits"
    assert (await anext(other))["share"] > 0
    await other.aclose()
    await asyncio.to_thread(ended.wait, 3)
    assert ended.is_set()
    monkeypatch.undo()
    steps = [step async for step in alike.pairs_steps(dataset)]
    assert steps[-1]["distinct"] == 13, "it can be asked for again"


async def test_the_component_is_told_what_is_on_screen(desk: Desk, dataset: Dataset) -> None:
    session = desk.sessions.of("a")
    assert await similarity.show(desk, session) == ""
    session.dataset_id = dataset.id
    assert json.loads(await similarity.show(desk, session)) == {"id": dataset.id, "n": 14}
