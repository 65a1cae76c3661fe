"""Comparing two models: the job's stages, what is refused, and the routes of the two maps."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from embedder import Engine, Settings
from embedder.analysis import nearest_neighbours, neighbour_overlap
from embedder.analysis.groups import mean_cosines
from embedder.backends import load_backend
from embedder.backends.hashing import HashingBackend
from embedder.backends.sources import locate_model
from embedder.config import DEFAULT_MODEL
from embedder.protocols import Backend
from ui import beside, code, compare, loading
from ui.datasets import Dataset
from ui.layout import LayoutWorker
from ui.owned import Owned, dataset_of, maker_of
from ui.routes import make_routes
from ui.session import Session
from ui.view import Desk

OTHER = "org/other"
TABLE = "wordllama"
"""A real model in a package, which is quick to load and to run."""
TEXTS = ["one pear", "two pears", "an engine", "a long text about " + "pears " * 30]


@pytest.fixture
async def desk(tmp_path: Path, compiled: Path) -> AsyncIterator[Desk]:
    """Two models of different widths and limits."""

    def load(model_id: str, _source: str, _settings: Settings) -> HashingBackend:
        if model_id == OTHER:
            return HashingBackend(model_id, dimensions=24, max_tokens=20, delay_s=0.05)
        return HashingBackend(model_id)

    settings = Settings(cache_dir=tmp_path, models=(OTHER,))
    async with Engine(settings, loader=load) as engine:
        await engine.model_info(OTHER)
        worker = LayoutWorker(compiled)
        yield Desk(engine, settings, worker)
        await worker.stop()


@pytest.fixture
async def three(tmp_path: Path, compiled: Path) -> AsyncIterator[Desk]:
    """Three models, one of them real."""
    if locate_model(TABLE) is None:
        pytest.skip(f"{TABLE} is not installed")

    def load(model_id: str, source: str, settings: Settings) -> Backend:
        if model_id == TABLE:
            return load_backend(model_id, source, settings)
        return HashingBackend(model_id, dimensions=24 if model_id == OTHER else 32)

    settings = Settings(cache_dir=tmp_path, models=(OTHER, TABLE))
    async with Engine(settings, loader=load) as engine:
        await asyncio.gather(engine.model_info(OTHER), engine.model_info(TABLE))
        worker = LayoutWorker(compiled)
        yield Desk(engine, settings, worker)
        await worker.stop()


async def bring(desk: Desk, texts: list[str]) -> tuple[Session, Dataset]:
    session = desk.sessions.of("a")
    async for _ in loading.from_paste(desk, session, "\n".join(texts), "Lines", None):
        pass
    assert session.dataset is not None
    return session, session.dataset


async def stages(desk: Desk, session: Session, wanted: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Lines and values of the job."""
    lines, values = [], []
    async for line, _, value in compare.compare(desk, session, {"with": wanted}):
        lines.append(line)
        if isinstance(value, str):
            values.append(json.loads(value))
    return lines, values


async def compared(desk: Desk, session: Session, wanted: str) -> Dataset:
    """The other model's dataset once both have neighbours; the layouts are not waited for."""
    async with aclosing(compare.compare(desk, session, {"with": wanted})) as job:
        async for line, _, value in job:
            if "Laying both out" in line:
                second = desk.datasets.get(json.loads(value)["other"]["id"])
                assert second is not None
                return second
    raise AssertionError(f"{wanted} was not compared")


def client_of(desk: Desk) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(make_routes(desk), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_the_other_model_gives_the_same_texts_another_space(desk: Desk) -> None:
    session, dataset = await bring(desk, TEXTS)
    before = json.loads((await compare.show(desk, session))[2])
    assert [choice["value"] for choice in before["choices"]] == [
        OTHER,
        *(f"{DEFAULT_MODEL}@{d}" for d in (16, 8, 4)),
    ]
    assert before["other"] is None
    assert before["advice"] == ""
    lines, values = await stages(desk, session, OTHER)
    assert any("a second" in line for line in lines)
    assert lines[-1] == ""
    second = desk.datasets.get(values[0]["other"]["id"])
    assert second is not None
    expected = await desk.engine.embed(TEXTS, model=OTHER)
    np.testing.assert_array_equal(second.vectors, expected.vectors)
    assert (second.model.id, second.truncated, second.texts) == (OTHER, {3}, dataset.texts)

    async with client_of(desk) as http:
        found = (await http.get(f"/data/{dataset.id}/compare/{second.id}")).json()
    one, two = found["models"]
    assert [one["dimensions"], two["dimensions"], one["truncated"], two["truncated"]] == [32, 24, 0, 1]
    assert one["texts_a_second"] > two["texts_a_second"] > 0
    shares = np.frombuffer(base64.b64decode(found["overlap"]), dtype="<f4")
    np.testing.assert_array_equal(shares, np.ones(4))  # of four texts each is near each
    assert (found["mean"], found["by_chance"]) == (1, 1)

    assert session.last_call is not None
    assert session.last_call.other == OTHER
    shown = await code.show(desk, session)
    assert [body["model"] for body in json.loads(shown[1])] == [DEFAULT_MODEL, OTHER]
    again = json.loads((await compare.show(desk, session))[2])
    assert again["other"]["id"] == second.id  # a reload loses nothing


async def test_every_other_model_of_a_server_is_offered_and_compared_a_real_one_among_them(
    three: Desk,
) -> None:
    meant = MEANT.splitlines()
    session, dataset = await bring(three, meant)
    offered = [choice.value for choice in beside.choices(three.settings, dataset)]
    assert offered == [OTHER, TABLE, *(f"{DEFAULT_MODEL}@{d}" for d in (16, 8, 4))]
    other, real = [await compared(three, session, wanted) for wanted in (OTHER, TABLE)]
    assert list(dataset.workings.beside) == [OTHER, TABLE], "both are kept"
    np.testing.assert_array_equal(real.vectors, (await three.engine.embed(meant, model=TABLE)).vectors)
    async with client_of(three) as http:
        for second, name, dimensions in ((other, OTHER, 24), (real, TABLE, 256)):
            found = (await http.get(f"/data/{dataset.id}/compare/{second.id}")).json()
            first_model, second_model = found["models"]
            assert (first_model["name"], second_model["name"]) == (DEFAULT_MODEL, name)
            assert (first_model["dimensions"], second_model["dimensions"]) == (32, dimensions)
            assert min(model["texts_a_second"] for model in found["models"]) > 0
            near = [nearest_neighbours(one.vectors) for one in (dataset, second)]
            shares = np.frombuffer(base64.b64decode(found["overlap"]), dtype="<f4")
            np.testing.assert_array_equal(shares, neighbour_overlap(*near))
            assert found["mean"] == pytest.approx(shares.mean())
    cosines = mean_cosines(real.vectors, np.repeat(np.arange(3), 6), 3)
    apart = cosines.diagonal().min() - cosines[~np.eye(3, dtype=bool)].max()
    assert apart > 0.2, "texts of one thing are near each other"


MEANT = """a guitar and a violin in an orchestra
she plays the piano
the singer's new song
music for a violin concert
a band on stage playing a song
the drummer and the guitar player
a ripe apple from the tree
banana and apple juice
fruit salad with cherries
eat fresh fruit every day
sweet pears and a lemon
the lemon is a sour fruit
the car engine is broken
driving a truck on the road
a fast car with a new engine
traffic on the road
the truck driver and his vehicle
a vehicle parked on the street"""
"""Six each of music, fruit and cars."""


async def test_a_comparison_that_is_there_is_not_computed_again(desk: Desk) -> None:
    session, dataset = await bring(desk, TEXTS)
    await stages(desk, session, OTHER)
    first = dataset.workings.beside[OTHER]
    lines, _ = await stages(desk, session, OTHER)
    assert dataset.workings.beside[OTHER] == first
    assert not any("a second" in line for line in lines)


async def test_the_same_model_is_compared_with_fewer_dimensions(desk: Desk) -> None:
    _, dataset = await bring(desk, [f"text {n} of {n % 7}" for n in range(40)])
    second = beside.cut(dataset, 8)
    desk.datasets.put(second)
    choice = beside.Choice(DEFAULT_MODEL, 8)
    dataset.workings.beside[choice.value] = beside.Beside(second.id, choice)
    async with client_of(desk) as http:
        address = f"/data/{dataset.id}/compare/{second.id}"
        early = (await http.get(address)).json()
        assert early["overlap"] is None
        await asyncio.gather(dataset.neighbours(), second.neighbours())
        found = (await http.get(address)).json()
        expected = neighbour_overlap(
            nearest_neighbours(dataset.vectors), nearest_neighbours(dataset.vectors[:, :8])
        )
        shares = np.frombuffer(base64.b64decode(found["overlap"]), dtype="<f4")
        np.testing.assert_allclose(shares, expected)
        assert found["mean"] == pytest.approx(float(expected.mean()))
        assert (np.diff(shares[found["moved"]]) >= 0).all()
        points = await http.get(f"/data/{dataset.id}/aligned/{second.id}?layout=pca")
        laid = np.frombuffer(points.content, dtype="<f4").reshape(-1, 2)
        onto = dataset.flat.points
        assert laid.shape == onto.shape
        assert np.linalg.norm(laid - onto) <= np.linalg.norm(onto - onto.mean(axis=0)) + 1e-4


async def test_only_what_was_compared_is_told(desk: Desk) -> None:
    _, dataset = await bring(desk, TEXTS)
    _, foreign = await bring(desk, ["somebody", "else's"])
    async with client_of(desk) as http:
        for other in (foreign.id, dataset.id, "unknown"):
            for route in ("compare", "aligned"):
                answer = await http.get(f"/data/{dataset.id}/{route}/{other}")
                assert answer.status_code == 404
                assert "error" in answer.json()


@pytest.mark.parametrize(
    "wanted", [None, "", 5, ["x"], {"a": 1}, "org/unknown", DEFAULT_MODEL, f"{DEFAULT_MODEL}@5"]
)
async def test_what_is_not_among_the_choices_is_refused(desk: Desk, wanted: Any) -> None:
    session, dataset = await bring(desk, TEXTS)
    lines, values = await stages(desk, session, wanted)
    assert "can&#x27;t be compared" in lines[-1]
    assert values == []
    assert dataset.workings.beside == {}


async def test_without_texts_it_says_so(desk: Desk) -> None:
    session = desk.sessions.of("nobody")
    assert (await compare.show(desk, session))[2] == ""
    lines, _ = await stages(desk, session, OTHER)
    assert "nothing to compare" in lines[-1]


async def test_a_cancelled_job_leaves_nothing_behind(desk: Desk) -> None:
    session, dataset = await bring(desk, [f"text number {n}" for n in range(2000)])
    async with aclosing(compare.compare(desk, session, {"with": OTHER})) as job:
        async for line, _, _ in job:
            if "a second" in line:
                break
    await asyncio.sleep(0.3)
    assert desk.engine._admission.held_tokens == 0
    assert dataset.workings.beside == {}


async def test_a_cancelled_job_says_so_itself_and_another_can_follow_at_once(desk: Desk) -> None:
    session, dataset = await bring(desk, [f"text number {n}" for n in range(2000)])
    updates = []
    async with aclosing(compare.compare(desk, session, {"with": OTHER})) as job:
        async for update in job:
            updates.append(update)
            if "a second" in update[0]:
                await compare.cancel(desk, session)
    line, button, _ = updates[-1]
    assert "Cancelled" in line
    assert not button["visible"]
    assert dataset.workings.beside == {}
    lines, _ = await stages(desk, session, OTHER)
    assert any("Done" in line for line in lines)


async def test_what_is_asked_for_next_takes_the_place_of_what_runs(desk: Desk) -> None:
    session, dataset = await bring(desk, [f"text number {n}" for n in range(1000)])
    cut = beside.choices(desk.settings, dataset)[-1].value
    last: Any = None
    async with aclosing(compare.compare(desk, session, {"with": OTHER})) as job:
        async for last in job:
            if "a second" in last[0]:
                lines, _ = await stages(desk, session, cut)
                assert any("Done" in line for line in lines)
    assert all(isinstance(part, dict) and part["__type__"] == "update" and len(part) == 1 for part in last)
    assert list(dataset.workings.beside) == [cut]


async def test_other_texts_end_the_comparison_of_the_old_ones(desk: Desk) -> None:
    session, _ = await bring(desk, [f"text number {n}" for n in range(1000)])
    values, line = [], ""
    async with aclosing(compare.compare(desk, session, {"with": OTHER})) as job:
        async for line, _, value in job:
            values.append(value)
            if "a second" in line:
                await bring(desk, ["new"])
    assert not any(isinstance(value, str) for value in values)
    assert line == "", "nothing is left of it on the page"


def test_one_model_alone_is_told_what_to_set(desk: Desk) -> None:
    alone = Settings(cache_dir=desk.settings.cache_dir)
    said = compare.advice(Desk(desk.engine, alone, desk.worker))
    assert f"TESSERA_MODELS={compare.SUGGESTED}" in said
    assert compare.advice(desk) == ""


async def test_vectors_of_a_file_are_compared_with_a_model_that_runs_here(desk: Desk) -> None:
    vectors = np.random.default_rng(0).normal(size=(len(TEXTS), 6)).astype(np.float32)
    owned = Owned(vectors, DEFAULT_MODEL, "another fingerprint")
    model = await maker_of(desk.engine, owned, desk.settings.allowed_models)
    dataset = dataset_of("file", TEXTS, {}, (), owned, model)
    session = desk.sessions.of("file")
    session.put(session.begin(), dataset)
    desk.datasets.put(dataset)
    values = [choice.value for choice in beside.choices(desk.settings, dataset)]
    assert values[:2] == [DEFAULT_MODEL, OTHER]  # the same name, but not the same model

    _, shown = await stages(desk, session, OTHER)
    second = shown[0]["other"]["id"]
    async with client_of(desk) as http:
        one, two = (await http.get(f"/data/{dataset.id}/compare/{second}")).json()["models"]
    assert (one["tokens"], one["truncated"], one["texts_a_second"]) == (None, None, None)
    assert two["tokens"] > 0
    assert two["texts_a_second"] > 0
    assert session.last_call is not None
    assert (session.last_call.model, session.last_call.other) == (OTHER, None)
