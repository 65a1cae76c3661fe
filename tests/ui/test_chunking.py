"""Long texts of a file can be cut into chunks before they are embedded; short ones are not asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedder.errors import InvalidInput
from ui import upload
from ui.chunking import chunking_of
from ui.preview import look
from ui.view import Desk, uploads_folder

LONG = " ".join(f"word{number}" for number in range(400))


def file_of(desk: Desk, *texts: str) -> Path:
    file = uploads_folder(desk.settings) / "chunks" / "long.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["text,kind", *(f"{text},k{row}" for row, text in enumerate(texts))]))
    return file


async def test_chunks_are_offered_only_where_a_text_is_longer_than_the_model_reads(desk: Desk) -> None:
    await desk.engine.model_info()
    session = desk.sessions.of("chunks")
    note, *_, split, _, _ = await look(desk, session, str(file_of(desk, "a short one", LONG)))
    assert split["visible"]
    assert "longer than the model reads" in note
    note, *_, split, _, _ = await look(desk, session, str(file_of(desk, "a short one")))
    assert not split["visible"]
    assert "longer" not in note


async def test_a_long_text_comes_as_chunks_that_know_their_document(desk: Desk) -> None:
    session = desk.sessions.of("chunks")
    file = file_of(desk, "a short one", LONG)
    steps = [step async for step in upload.from_file(desk, session, str(file), None, True, True, 40, 8, None)]
    dataset = session.dataset
    assert dataset is not None
    assert dataset.texts[0] == "a short one"
    assert len(dataset.texts) > 8
    assert dataset.columns["kind"] == ["k0", *["k1"] * (len(dataset.texts) - 1)]
    assert dataset.columns["chunk"][1:4] == ["1", "2", "3"]
    assert set(dataset.columns["document"][1:]) == {"2 · word0 word1 word2 word3 word4 word5 word…"}
    assert not dataset.truncated
    assert "1 long text cut into chunks of up to 40 tokens, 8 of them in two" in steps[-1].line


async def test_uncut_it_is_cut_off_and_that_is_said(desk: Desk) -> None:
    session = desk.sessions.of("chunks")
    async for step in upload.from_file(
        desk, session, str(file_of(desk, LONG)), None, True, False, 40, 8, None
    ):
        last = step
    assert session.dataset is not None
    assert len(session.dataset.texts) == 1
    assert "1 text longer than" in last.line


@pytest.mark.parametrize(
    "wish", [(True, "x", 8), (True, 40, None), (True, 1e12, 8), (True, 40, 30), (True, 2, 0)]
)
def test_what_makes_no_sense_is_refused(wish: tuple[object, ...]) -> None:
    with pytest.raises(InvalidInput):
        chunking_of(wish)


@pytest.mark.parametrize("wish", [(), (False, 40, 8), ("yes", 40, 8), (None, None, None)])
def test_nothing_is_cut_unless_it_is_asked_for(wish: tuple[object, ...]) -> None:
    assert chunking_of(wish) is None
