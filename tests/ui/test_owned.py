"""Vectors that a file has are taken as they are, and what was exported comes back the same."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from embedder.config import DEFAULT_MODEL as MODEL
from embedder.errors import InvalidInput
from ui import describe, find, loading, map, takeaway, upload
from ui.datasets import FROM_FILE, Dataset
from ui.preview import PREVIEW_COLUMNS, look
from ui.view import Desk, uploads_folder

TEXTS = [f"text number {number} about {'tea' if number % 2 else 'rain'}" for number in range(8)]


async def on_screen(desk: Desk) -> Dataset:
    session = desk.sessions.of("first")
    async for _ in loading.from_paste(desk, session, "\n".join(TEXTS), "Lines", None):
        pass
    assert session.dataset is not None
    return session.dataset


async def brought(desk: Desk, name: str, data: bytes, *, take: bool = True) -> tuple[Dataset, str]:
    folder = uploads_folder(desk.settings) / name
    folder.mkdir(parents=True)
    file = folder / name
    file.write_bytes(data)
    session = desk.sessions.of(name)
    line = ""
    async for step in upload.from_file(desk, session, str(file), None, take, None):
        line = step.line
    assert session.dataset is not None
    return session.dataset, line


async def exported(dataset: Dataset, wanted: str) -> bytes:
    response = await takeaway.download(dataset, wanted, "pca")
    if hasattr(response, "body_iterator"):
        return b"".join([chunk async for chunk in response.body_iterator])
    return bytes(response.body)


def embedded_tokens(desk: Desk) -> float:
    return float(desk.engine.metrics.tokens.labels(desk.settings.default_model)._value.get())


@pytest.mark.parametrize("wanted", ["parquet", "npz", "jsonl", "csv"])
async def test_an_export_comes_back_with_the_same_vectors_and_nothing_is_embedded(
    desk: Desk, wanted: str
) -> None:
    dataset = await on_screen(desk)
    data = await exported(dataset, wanted)
    before = embedded_tokens(desk)
    again, line = await brought(desk, f"map.{wanted}", data)
    assert embedded_tokens(desk) == before
    assert again.texts == TEXTS
    np.testing.assert_allclose(again.vectors, dataset.vectors, atol=1e-7)
    assert "from the file" in line
    assert again.first_layout == FROM_FILE
    np.testing.assert_allclose(again.layout(FROM_FILE).points, dataset.flat.points, rtol=1e-4, atol=1e-6)
    values = [
        value
        async for value in map.arrange(
            desk, desk.sessions.of(f"map.{wanted}"), {"layout": {"method": "file"}}
        )
    ]
    assert values == [(map.shown(again, FROM_FILE), "", False)]
    # It says which model made them: it is here, so a question can be asked.
    assert again.model.fingerprint == dataset.model.fingerprint
    assert again.columns.keys() == dataset.columns.keys() | {"x", "y", "cluster"}
    found = await find.search(desk.engine, again, find.Wanted("rain"))
    there = await find.search(desk.engine, dataset, find.Wanted("rain"))
    np.testing.assert_array_equal(found["rows"], there["rows"])
    assert describe.about(again)["tokens"] is None, "nobody counted them"
    assert describe.row(again, 0, 10)["tokens"] is None


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({}, "does not say by which model"),
        ({"model": "org/unknown", "fingerprint": "f"}, "by org/unknown, and no model here"),
        ({"model": MODEL, "fingerprint": "another"}, f"by {MODEL}, and no model here"),
        ({"model": MODEL, "fingerprint": "the same"}, "number of dimensions"),  # but cut to two
    ],
)
async def test_vectors_of_another_space_are_searched_by_words_alone(
    desk: Desk, beside: dict[str, str], said: str
) -> None:
    known = (await desk.engine.model_info(MODEL)).fingerprint
    rows = [{"text": text, "embedding": [1, place]} | beside for place, text in enumerate(TEXTS)]
    data = "\n".join(json.dumps(row) for row in rows).replace("the same", known)
    again, _ = await brought(desk, "other.jsonl", data.encode())
    with pytest.raises(InvalidInput, match=said):
        await find.search(desk.engine, again, find.Wanted("rain"))
    assert (await find.search(desk.engine, again, find.Wanted("rain", "keyword")))["total"] == 4


async def test_a_column_called_model_stays_one(desk: Desk) -> None:
    """Cars have models: only both words together, the same in each row, say what made the vectors."""
    makers = ["a", "b"] * 4
    rows = [
        {"text": text, "embedding": [1, place], "model": maker, "fingerprint": "f"}
        for place, (text, maker) in enumerate(zip(TEXTS, makers, strict=True))
    ]
    again, _ = await brought(desk, "two.jsonl", "\n".join(json.dumps(row) for row in rows).encode())
    assert again.columns["model"] == makers
    there = await exported(again, "csv")
    once_more, _ = await brought(desk, "more.csv", there)
    assert once_more.columns["model_column"] == makers
    assert "model" not in once_more.columns


async def test_declined_vectors_are_made_anew(desk: Desk) -> None:
    dataset = await on_screen(desk)
    again, _ = await brought(desk, "map.jsonl", await exported(dataset, "jsonl"), take=False)
    assert again.model.id == desk.settings.default_model
    assert again.prompt_tokens.sum() > 0
    assert not again.workings.layouts, "and so is the map"


async def test_places_alone_are_the_first_layout_of_texts_that_are_embedded(desk: Desk) -> None:
    lines = b"text,x,y\nan apple,1,2\na pear,3,4\na plum,,\n" + b"a fig,5,6\n" * 17
    dataset, said = await brought(desk, "places.csv", lines)
    assert "places from the file, 1 without a place put in the middle" in said
    assert dataset.prompt_tokens.sum() > 0
    assert dataset.first_layout == dataset.workings.newest == FROM_FILE
    np.testing.assert_array_equal(dataset.layout().points[:3], [[1, 2], [3, 4], [5, 6]])


async def test_chunks_have_no_place_of_their_own(desk: Desk) -> None:
    long = " ".join(["word"] * 100)
    file = uploads_folder(desk.settings) / "chunks" / "places.csv"
    file.parent.mkdir(parents=True)
    file.write_text(f"text,x,y\nan apple,1,2\n{long},3,4\n")
    session = desk.sessions.of("chunks")
    steps = [step async for step in upload.from_file(desk, session, str(file), None, True, True, 40, 8, None)]
    assert session.dataset is not None
    assert not session.dataset.workings.layouts
    assert "places from" not in steps[-1].line


async def test_a_vector_of_zeros_is_refused_with_its_row(desk: Desk) -> None:
    lines = b'{"text": "a", "embedding": [1, 2]}\n{"text": "b", "embedding": [0, 0]}\n'
    with pytest.raises(InvalidInput, match="zeros, the first is of text 2"):
        await brought(desk, "zeros.jsonl", lines)


async def test_the_preview_tells_of_vectors_wide_tables_and_rows_left_out(desk: Desk) -> None:
    folder = uploads_folder(desk.settings) / "wide"
    folder.mkdir(parents=True)
    file = folder / "wide.csv"
    names = ["text", *(f"c{number}" for number in range(299))]
    rows = [["first", *["1"] * 299], ["", *["2"] * 299], ["third", *["3"] * 299]]
    file.write_text("\n".join(",".join(row) for row in [names, *rows]) + "\n", encoding="utf-8")
    session = desk.sessions.of("wide")
    note, column, preview, _, take, skipped, *_ = await look(desk, session, str(file))
    assert "the first 40 of 299 other columns kept" in note
    assert column["filterable"]
    assert len(preview["value"]["headers"]) == PREVIEW_COLUMNS
    assert not take["visible"]
    assert skipped["visible"]
    told = await asyncio.to_thread(Path(skipped["value"]).read_bytes)
    assert "line,why,raw\r\n3,empty text" in told.decode()


async def test_pasted_paragraphs(desk: Desk) -> None:
    session = desk.sessions.of("p")
    pasted = "one\nmore of one\n\ntwo\nmore of two"
    for way, count in (("Guess", 2), ("Lines", 4), ("Paragraphs", 2), ("nonsense", 4)):
        async for _ in loading.from_paste(desk, session, pasted, way, None):
            pass
        assert session.dataset is not None
        assert len(session.dataset.texts) == count, way
