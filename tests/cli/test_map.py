"""`tessera map`: a file of texts as a map in a file."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.commands import run
from tests.conftest import MODEL

ANIMALS = ["cat", "dog", "horse", "cow", "sheep", "goat", "hen", "pig", "duck", "goose"]
TOOLS = ["hammer", "saw", "drill", "wrench", "file", "chisel", "plane", "vice", "clamp", "level"]
TEXTS = [f"The {name} is an animal." for name in ANIMALS] + [f"The {name} is a tool." for name in TOOLS]


def texts_csv(folder: Path) -> None:
    rows = [f"{text},{kind}" for text, kind in zip(TEXTS, ["animal"] * 10 + ["tool"] * 10, strict=True)]
    (folder / "texts.csv").write_text("\n".join(["text,kind", *rows, "</script><b>,markup"]) + "\n")


@pytest.mark.model
def test_a_page_that_holds_everything_and_asks_nobody(tmp_path: Path) -> None:
    texts_csv(tmp_path)
    done = run(tmp_path, "map", "texts.csv", "--method", "pca", "--progress")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"21 texts in \d+ clusters? by pca, [\d.]+ s, written to texts.html.", done.stderr.decode()
    )
    assert b"Embedding" in done.stderr
    page = (tmp_path / "texts.html").read_text()
    assert "The hammer is a tool." in page
    assert "</script><b>" not in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)


@pytest.mark.model
def test_umap_as_csv_and_its_places_come_back(tmp_path: Path) -> None:
    texts_csv(tmp_path)
    done = run(tmp_path, "map", "texts.csv", "-o", "map.csv", "--neighbors", "5", "--seed", "1")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "map.csv").read_text().splitlines()))
    assert [row["text"] for row in rows[:20]] == TEXTS
    places = np.array([[float(row["x"]), float(row["y"])] for row in rows])
    animals, tools = places[:10].mean(axis=0), places[10:20].mean(axis=0)
    assert np.linalg.norm(places[:10] - animals, axis=1).mean() < np.linalg.norm(animals - tools)
    again = run(tmp_path, "map", "map.csv", "-o", "again.jsonl")
    assert again.returncode == 0, again.stderr
    told = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert told[0]["model"] == MODEL
    np.testing.assert_allclose([[row["x"], row["y"]] for row in told], places, atol=1e-4)


@pytest.mark.model
def test_few_texts_are_drawn_by_pca_unless_umap_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("\n".join(TEXTS[:15]))
    assert b"15 texts in 0 clusters by pca" in run(tmp_path, "map", "few.txt").stderr
    asked = run(tmp_path, "map", "few.txt", "--neighbors", "4")
    assert b"15 texts in 0 clusters by umap" in asked.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.csv"], "missing.csv cannot be read: No such file or directory."),
        (["texts.csv", "-o", "map.png"], "No map is written as .png."),
        (["texts.csv", "-o", "texts.csv"], "is the file to be read"),
        (["texts.csv", "-o", "none/map.html"], "cannot be written: No such file or directory."),
        (["texts.csv", "--neighbors", "1"], "n_neighbors is a number from"),
    ],
)
def test_errors_are_one_sentence_and_leave_nothing(tmp_path: Path, arguments: list[str], says: str) -> None:
    texts_csv(tmp_path)
    refused = run(tmp_path, "map", *arguments)
    assert (refused.returncode, refused.stdout) == (2, b"")
    last = refused.stderr.decode().splitlines()[-1]
    assert last.startswith("tessera: ")
    assert says in last
    assert [path.name for path in tmp_path.iterdir()] == ["texts.csv"]
