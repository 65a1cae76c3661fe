"""What the map asks for, over HTTP, with vectors that depend on their texts."""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

from embedder.analysis import pca_2d
from embedder.analysis.maps import map_of
from embedder.analysis.projection import LayoutOptions
from embedder.analysis.ranking import matching
from ui.datasets import Dataset, Workings
from ui.describe import ranks
from ui.routes import make_routes
from ui.view import Desk

FRUIT = [f"{size} {fruit} from the garden" for fruit in ("apple", "pear", "plum") for size in ("red", "old")]
CARS = [f"a {size} {part} of the engine" for part in ("wheel", "belt", "pump") for size in ("new", "worn")]
HOSTILE = '<img src=x onerror="alert(1)"> & <b>bold</b>'
TEXTS = [*FRUIT, *CARS, HOSTILE, "Привет, мир 🍕"]


@pytest.fixture
async def dataset(desk: Desk) -> Dataset:
    found = await desk.engine.embed(TEXTS)
    made = Dataset(
        name="things",
        texts=TEXTS,
        columns={
            "kind": ["fruit"] * 6 + ["car"] * 6 + ["", "other"],
            "price": [str(n / 2) for n in range(13)] + [""],
            "id": [f"row {n}" for n in range(14)],
        },
        vectors=found.vectors,
        prompt_tokens=found.prompt_tokens,
        truncated=frozenset({3}),
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


async def search(client: httpx.AsyncClient, dataset: Dataset, **wanted: Any) -> dict[str, Any]:
    response = await client.post(f"/data/{dataset.id}/search", json=wanted)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    scores = np.frombuffer(base64.b64decode(found["scores"]), dtype="<f4")
    assert len(scores) == len(dataset.texts)
    best = scores[found["rows"]]
    assert (np.diff(best) <= 0).all(), "best first"
    return {**found, "scores": scores}


async def test_rows_are_ranked_by_text_tokens_and_columns(
    client: httpx.AsyncClient, dataset: Dataset
) -> None:
    async def order(by: str) -> list[int]:
        response = await client.get(f"/data/{dataset.id}/ranks/{by}")
        assert response.status_code == 200, response.text
        found = np.frombuffer(response.content, dtype="<i4").astype(np.uint32)  # -1 comes last
        return [int(row) for row in np.argsort(found, kind="stable")]

    assert [TEXTS[row] for row in await order("text")] == sorted(TEXTS, key=str.casefold)
    kinds = [dataset.columns["kind"][row] for row in await order("column-0")]
    assert kinds == ["car"] * 6 + ["fruit"] * 6 + ["other", ""]
    assert await order("column-1") == list(range(14)), "prices as numbers, not as words; no price comes last"
    tokens = dataset.prompt_tokens[await order("tokens")]
    assert (np.diff(tokens) >= 0).all()
    assert len({*tokens.tolist()}) > 1
    days = replace(dataset, workings=Workings(), columns={"day": [str(20240140 - row) for row in range(14)]})
    assert np.argsort(await ranks(days, "column-0")).tolist() == list(range(14))[::-1], "to the last digit"
    for wrong in ("column-3", "column-x", "column-00", "kind", "column-٣"):
        refused = await client.get(f"/data/{dataset.id}/ranks/{wrong}")
        assert refused.status_code == 400
        assert "no such column" in refused.json()["error"]


async def test_what_is_on_screen_is_told(client: httpx.AsyncClient, dataset: Dataset) -> None:
    about = (await client.get(f"/data/{dataset.id}")).json()
    assert (about["n"], about["whole"], about["layout"], about["truncated"]) == (14, True, "pca", 1)
    colours = {colour["name"]: colour for colour in about["colours"]}
    assert list(colours) == ["kind", "price", "tokens", "density"], "an id for every row colours nothing"
    assert colours["kind"]["values"][0] == ["car", 6]
    assert colours["price"]["kind"] == "amount"
    codes = np.frombuffer((await client.get(f"/data/{dataset.id}/colour/0")).content, dtype=np.uint8)
    named = [name for name, _ in colours["kind"]["values"]]
    assert [named[code] for code in codes] == dataset.columns["kind"]
    prices = np.frombuffer((await client.get(f"/data/{dataset.id}/colour/1")).content, dtype="<f4")
    np.testing.assert_array_equal(prices[:13], np.arange(13) / 2)
    assert np.isnan(prices[13])
    points = np.frombuffer((await client.get(f"/data/{dataset.id}/points/pca")).content, dtype="<f4")
    np.testing.assert_array_equal(points.reshape(-1, 2), dataset.flat.points)


async def test_neighbours_are_by_cosine_and_without_the_text_itself(
    client: httpx.AsyncClient, dataset: Dataset
) -> None:
    found = (await client.get(f"/data/{dataset.id}/neighbours/0?k=3")).json()
    scores = dataset.vectors @ dataset.vectors[0]
    expected = [int(row) for row in np.argsort(-scores, kind="stable") if row != 0][:3]
    assert found["rows"] == expected
    np.testing.assert_allclose(found["scores"], scores[expected], atol=1e-6)
    assert "Cosine" in found["score"]
    assert len((await client.get(f"/data/{dataset.id}/neighbours/0?k=999")).json()["rows"]) == 13
    assert dataset.known_neighbours is None
    kept = await dataset.neighbours()
    assert dataset.known_neighbours is kept is await dataset.neighbours()
    again = (await client.get(f"/data/{dataset.id}/neighbours/0?k=3")).json()
    assert again["rows"] == expected
    np.testing.assert_allclose(again["scores"], scores[expected], atol=1e-6)


async def test_every_way_to_search(client: httpx.AsyncClient, dataset: Dataset) -> None:
    asked = "red apple from the garden"
    meant = await search(client, dataset, query=asked)
    query = (await desk_query(dataset, asked))[0]
    np.testing.assert_allclose(meant["scores"], dataset.vectors @ query, atol=1e-6)
    assert (meant["rows"][0], meant["total"]) == (int(np.argmax(dataset.vectors @ query)), 14)
    assert meant["way"] == "semantic"
    words = await search(client, dataset, query="PUMP zebra", mode="keyword")
    assert sorted(words["rows"]) == [10, 11]
    assert "BM25" in words["score"]
    both = await search(client, dataset, query="worn pump", mode="hybrid")
    assert set(both["rows"][:4]) & {10, 11}, "their words lift them"
    assert both["total"] == 14
    assert "Reciprocal rank fusion" in both["score"]
    pattern = await search(client, dataset, query=r"^a \w+ (belt|pump)\b", mode="regex")
    assert pattern["rows"] == [8, 9, 10, 11]
    assert set(pattern["scores"][:8]) == {0.0}
    assert (await search(client, dataset, query="привет", mode="keyword"))["rows"] == [13]
    assert not (await search(client, dataset, query="zebra", mode="keyword"))["rows"]


async def desk_query(dataset: Dataset, query: str) -> np.ndarray:
    """The question's vector as the hashing runtime makes it, prompt and all."""
    from tests.embedder.conftest import direct

    return direct([query], dataset.model.prompts["query"])


async def test_examples_for_and_against(client: httpx.AsyncClient, dataset: Dataset) -> None:
    like = await search(client, dataset, like=[0, 1])
    expected = dataset.vectors @ (dataset.vectors[0] + dataset.vectors[1])
    np.testing.assert_allclose(expected[like["rows"]], np.sort(expected)[::-1], atol=1e-6)
    assert like["way"] == "like"
    without = await search(client, dataset, like=[0], unlike=[6, 7])
    assert without["scores"][6] < like["scores"][6]
    assert (await search(client, dataset, unlike=[0]))["rows"][-1] == 0


async def test_what_is_special_of_a_selection(client: httpx.AsyncClient, dataset: Dataset) -> None:
    found = (await client.post(f"/data/{dataset.id}/selection", json={"rows": [*range(6), 0]})).json()
    assert found["n"] == 6
    assert {"name": "fruit", "selected": 6, "total": 6}.items() <= found["columns"]["kind"]["special"][
        0
    ].items()
    assert found["columns"]["kind"]["common"] == [["fruit", 6, 6]]
    assert found["total"] == len(dataset.texts)
    assert found["words"][0]["name"] == "garden"
    assert not any(word["name"] == "engine" for word in found["words"])
    assert (await client.post(f"/data/{dataset.id}/selection", json={"rows": []})).json()["words"] == []
    everything = await client.post(f"/data/{dataset.id}/selection", json={"rows": list(range(14))})
    assert everything.json()["words"] == [], "nothing sets all apart from nothing"


async def test_texts_and_vectors_of_rows(client: httpx.AsyncClient, dataset: Dataset) -> None:
    rows = (await client.post(f"/data/{dataset.id}/texts", json={"rows": [12, 3], "chars": 20})).json()
    assert [row["row"] for row in rows] == [12, 3]
    assert rows[0]["text"] == HOSTILE[:20], "as it is: the page writes it as text"
    assert rows[0]["cut"]
    assert rows[1]["truncated"]
    assert rows[1]["cells"] == {"kind": "fruit", "price": "1.5", "id": "row 3"}
    vector = (await client.get(f"/data/{dataset.id}/vector/13")).json()
    np.testing.assert_allclose(vector["vector"], dataset.vectors[13], atol=1e-7)
    assert vector["norm"] == pytest.approx(1)
    largest = np.abs(dataset.vectors[13][vector["largest"]])
    assert (np.diff(largest) <= 0).all()
    assert vector["pieces_total"] == len(vector["pieces"]) > 2


async def test_clusters_are_named_by_their_words(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk
) -> None:
    many = [f"{text} {n}" for n in range(12) for text in TEXTS[:12]]
    found = await desk.engine.embed(many)
    columns: dict[str, list[str]] = {}
    big = replace(
        dataset,
        id="big",
        texts=many,
        columns=columns,
        vectors=found.vectors,
        prompt_tokens=found.prompt_tokens,
    )
    desk.datasets.put(big)
    big.add_layout("pca", map_of(found.vectors, LayoutOptions(method="pca")))
    told = (await client.get("/data/big/clusters/pca")).json()
    assert len(told["labels"]) == len(many)
    assert len(told["clusters"]) == max(told["labels"]) + 1 >= 2
    for label, cluster in enumerate(told["clusters"]):
        rows = [row for row, found in enumerate(told["labels"]) if found == label]
        assert cluster["size"] == len(rows)
        places = big.layout("pca").points[rows]
        low, at, high = (cluster[name] for name in ("low", "at", "high"))
        np.testing.assert_allclose(at, np.median(places, axis=0), rtol=1e-5)
        for axis in range(2):
            within = (places[:, axis] >= low[axis]) & (places[:, axis] <= high[axis])
            assert low[axis] <= at[axis] <= high[axis]
            assert within.mean() >= 0.8
        assert cluster["row"] in rows
        words = " ".join(many[row] for row in rows)
        assert all(word in words for word in cluster["name"].split(" · "))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/data/nobody", None, 404),
        ("GET", "/data/nobody/points/pca", None, 404),
        ("POST", "/data/nobody/search", {"query": "x"}, 404),
        ("GET", "/data/ID/neighbours/14", None, 400),
        ("GET", "/data/ID/neighbours/-1", None, 400),
        ("GET", "/data/ID/neighbours/x", None, 400),
        ("GET", "/data/ID/vector/99999999999999999999", None, 400),
        ("GET", "/data/ID/colour/9", None, 400),
        ("GET", "/data/ID/colour/-1", None, 400),
        ("POST", "/data/ID/texts", {"rows": [14]}, 400),
        ("POST", "/data/ID/texts", {"rows": [0] * 501}, 400),
        ("POST", "/data/ID/texts", {"rows": [0], "path": "/etc/hostname"}, 400),
        ("POST", "/data/ID/selection", {"rows": [0, 14]}, 400),
        ("POST", "/data/ID/selection", {"rows": ["0"]}, 400),
        ("POST", "/data/ID/search", {"query": " "}, 400),
        ("POST", "/data/ID/search", {"query": "x", "mode": "magic"}, 400),
        ("POST", "/data/ID/search", {"query": "x" * 20_001}, 400),
        ("POST", "/data/ID/search", {"query": "(", "mode": "regex"}, 400),
        ("POST", "/data/ID/search", {"like": [14]}, 400),
        ("POST", "/data/ID/search", [], 400),
    ],
)
async def test_what_is_wrong_is_a_sentence(
    client: httpx.AsyncClient, dataset: Dataset, method: str, path: str, body: Any, status: int
) -> None:
    response = await client.request(method, path.replace("ID", dataset.id), json=body)
    assert response.status_code == status, response.text
    said = response.json()
    assert list(said) == ["error"]
    assert said["error"].endswith((".", "page."))


async def test_an_expression_that_never_ends_is_ended(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(matching.__kwdefaults__, "limit_s", 0.2)
    desk.datasets.put(replace(dataset, id="slow", texts=["a" * 4000 + "!"] * 14))
    response = await client.post("/data/slow/search", json={"query": r"(a|aa)+$", "mode": "regex"})
    assert response.status_code == 400
    assert "takes longer" in response.json()["error"]


async def test_a_model_that_changed_is_refused(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk
) -> None:
    other = replace(dataset, id="other", model=replace(dataset.model, fingerprint="another space"))
    desk.datasets.put(other)
    response = await client.post("/data/other/search", json={"query": "x"})
    assert response.status_code == 400
    assert "Another model" in response.json()["error"]


async def test_scripts_are_compressed_and_kept_for_good(client: httpx.AsyncClient) -> None:
    from ui.assets import version

    for name in ("main.js", "explorer.css", "plotly.js"):
        packed = await client.get(f"/static/{version()}/{name}", headers={"accept-encoding": "gzip"})
        plain = await client.get(f"/static/{version()}/{name}", headers={"accept-encoding": "identity"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == plain.content
        assert "immutable" in packed.headers["cache-control"]
    assert "immutable" not in (await client.get("/static/0000/main.js")).headers["cache-control"]
    assert (await client.get(f"/static/{version()}/theme.py")).status_code == 404
    assert (await client.get(f"/static/{version()}/..%2Ftheme.py")).status_code == 404


async def test_every_file_holds_every_row(client: httpx.AsyncClient, dataset: Dataset) -> None:
    async def file(name: str) -> bytes:
        response = await client.get(f"/data/{dataset.id}/export/{name}?layout=pca")
        assert response.status_code == 200, response.text
        assert response.headers["content-disposition"].startswith('attachment; filename="tessera-things')
        return response.content

    rows = list(csv.DictReader(io.StringIO((await file("csv")).decode(), newline="")))
    assert [row["text"] for row in rows] == TEXTS
    assert [row["kind"] for row in rows] == dataset.columns["kind"]
    made_by = {(dataset.model.id, dataset.model.fingerprint)}
    assert {(row["model"], row["fingerprint"]) for row in rows} == made_by
    np.testing.assert_allclose([json.loads(row["embedding"]) for row in rows], dataset.vectors, atol=1e-6)
    points = [[float(row["x"]), float(row["y"])] for row in rows]
    np.testing.assert_allclose(points, dataset.flat.points, rtol=1e-4, atol=1e-6)
    lines = [json.loads(line) for line in (await file("jsonl")).splitlines()]
    assert [line["text"] for line in lines] == TEXTS
    assert {(line["model"], line["fingerprint"]) for line in lines} == made_by
    assert lines[0]["columns"] == {"kind": "fruit", "price": "0.0", "id": "row 0"}
    np.testing.assert_allclose([line["embedding"] for line in lines], dataset.vectors, atol=1e-7)
    with np.load(io.BytesIO(await file("npz")), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["vectors"], dataset.vectors)
        np.testing.assert_array_equal(arrays["points"], dataset.flat.points)
        assert arrays["texts"].tolist() == TEXTS
        assert str(arrays["fingerprint"]) == dataset.model.fingerprint
    with zipfile.ZipFile(io.BytesIO(await file("projector"))) as archive:
        tensors = np.loadtxt(archive.open("tensors.tsv"), delimiter="\t")
        metadata = archive.read("metadata.tsv").decode().splitlines()
    np.testing.assert_allclose(tensors, dataset.vectors, atol=1e-5)
    assert metadata[0] == "text\tcluster\tkind\tprice\tid"
    assert [line.split("\t")[0] for line in metadata[1:]] == TEXTS
    assert (await client.get(f"/data/{dataset.id}/export/exe")).status_code == 400


async def test_every_file_holds_clusters_and_columns(client: httpx.AsyncClient, dataset: Dataset) -> None:
    clusters = np.array([0] * 6 + [1] * 6 + [-1, -1], dtype=np.int32)
    dataset.add_layout("umap-15-0.1-42", replace(dataset.flat, method="umap", clusters=clusters))

    async def file(name: str) -> bytes:
        return (await client.get(f"/data/{dataset.id}/export/{name}?layout=umap-15-0.1-42")).content

    found = (await client.get(f"/data/{dataset.id}/clusters/umap-15-0.1-42")).json()["clusters"]
    assert len({cluster["name"] for cluster in found}) == 2
    named = [found[label]["name"] if label >= 0 else "" for label in clusters]
    rows = list(csv.DictReader(io.StringIO((await file("csv")).decode(), newline="")))
    assert [row["cluster"] for row in rows] == named
    lines = [json.loads(line) for line in (await file("jsonl")).splitlines()]
    assert [line["cluster"] for line in lines] == named
    table = pq.read_table(io.BytesIO(await file("parquet"))).to_pydict()
    assert table["cluster"] == named
    assert table["kind"] == dataset.columns["kind"]
    with np.load(io.BytesIO(await file("npz")), allow_pickle=False) as arrays:
        assert arrays["clusters"].tolist() == named
        assert arrays["column:kind"].tolist() == dataset.columns["kind"]
    with zipfile.ZipFile(io.BytesIO(await file("projector"))) as archive:
        metadata = [line.split("\t") for line in archive.read("metadata.tsv").decode().splitlines()]
    assert [line[1] for line in metadata[1:]] == named


async def test_a_space_is_told_and_taken_away_with_its_third_direction(
    client: httpx.AsyncClient, dataset: Dataset
) -> None:
    made = map_of(dataset.vectors, LayoutOptions(method="pca", dimensions=3))
    dataset.add_layout("pca-3d", made)
    about = (await client.get(f"/data/{dataset.id}?layout=pca-3d")).json()
    assert (about["dimensions"], about["layout"]) == (3, "pca-3d")
    points = np.frombuffer((await client.get(f"/data/{dataset.id}/points/pca-3d")).content, dtype="<f4")
    np.testing.assert_array_equal(points.reshape(-1, 3), made.points)
    lines = (await client.get(f"/data/{dataset.id}/export/jsonl?layout=pca-3d")).text.splitlines()
    places = [[json.loads(line)[axis] for axis in "xyz"] for line in lines]
    np.testing.assert_allclose(places, made.points, rtol=1e-5, atol=1e-7)
    rows = csv.DictReader(
        io.StringIO((await client.get(f"/data/{dataset.id}/export/csv?layout=pca-3d")).text, newline="")
    )
    np.testing.assert_allclose([float(row["z"]) for row in rows], made.points[:, 2], rtol=1e-4, atol=1e-6)
    parquet = (await client.get(f"/data/{dataset.id}/export/parquet?layout=pca-3d")).content
    columns = pq.read_table(io.BytesIO(parquet)).to_pydict()
    np.testing.assert_array_equal(np.column_stack([columns[axis] for axis in "xyz"]), made.points)
    offline = (await client.get(f"/data/{dataset.id}/export/html?layout=pca-3d")).text
    assert '"dimensions": 3' in offline


async def test_the_density_of_a_plane_is_a_grid_around_its_points(
    client: httpx.AsyncClient, dataset: Dataset
) -> None:
    numbers = np.frombuffer((await client.get(f"/data/{dataset.id}/density/pca")).content, dtype="<f4")
    low, high, shares = numbers[:2], numbers[2:4], numbers[4:]
    assert (low < dataset.flat.points.min(axis=0)).all()
    assert (high > dataset.flat.points.max(axis=0)).all()
    assert shares.shape == (128 * 128,)
    assert shares.max() == 1
    dataset.add_layout("pca-3d", map_of(dataset.vectors, LayoutOptions(method="pca", dimensions=3)))
    refused = await client.get(f"/data/{dataset.id}/density/pca-3d")
    assert refused.status_code == 400
    assert "two dimensions" in refused.json()["error"]


async def test_no_text_leaves_its_place_in_the_offline_page(
    client: httpx.AsyncClient, dataset: Dataset, desk: Desk
) -> None:
    texts = ["</script><script>alert(1)</script>", "%%PLOTLY%% <!-- ", *TEXTS[2:]]
    desk.datasets.put(replace(dataset, id="hostile", name="</title><b>", texts=texts))
    page = (await client.get("/data/hostile/export/html")).text
    start = page.index('<script type="application/json" id="data">') + 42
    inside = page[start : page.index("</script>", start)]
    assert json.loads(inside)["texts"] == texts
    assert "<" not in inside
    assert "http" not in page.split('<script type="application/json"')[0].replace("http-equiv", "")
