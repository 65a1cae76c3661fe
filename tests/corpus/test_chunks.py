"""Chunks hold every word of their document, in order, within their bounds; and know where they are from."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedder.corpus.chunks import Chunking, _pieces, split_texts
from embedder.corpus.rows import MAX_TEXT_CHARS
from embedder.errors import InvalidInput

WORDS = st.lists(st.text("abcdefghij", min_size=1, max_size=9), min_size=1, max_size=120)


def words_of(text: str) -> int:
    return len(text.split())


@given(texts=st.lists(WORDS, min_size=1, max_size=4), tokens=st.integers(16, 40), overlap=st.integers(0, 8))
@settings(max_examples=40)
def test_every_word_is_kept_in_order_and_no_chunk_is_too_long(
    texts: list[list[str]], tokens: int, overlap: int
) -> None:
    documents = [" ".join(words) for words in texts]
    names = [f"n{row}" for row in range(len(documents))]
    made = split_texts(documents, {"name": names}, Chunking(tokens, overlap), words_of, 10_000)
    assert all(words_of(chunk) <= tokens for chunk in made.texts)
    assert [made.columns["name"][place] for place in range(len(made.texts))] == [
        names[row] for row in made.documents
    ]
    for row, words in enumerate(texts):
        chunks = [made.texts[place].split() for place, one in enumerate(made.documents) if one == row]
        rebuilt = list(chunks[0])
        for chunk in chunks[1:]:
            shared = next(
                size
                for size in range(min(len(chunk), len(rebuilt)), -1, -1)
                if rebuilt[len(rebuilt) - size :] == chunk[:size]
            )
            rebuilt += chunk[shared:]
        # Words that repeat can be taken for an overlap: what is rebuilt then is shorter, never out of order.
        assert len(set(words)) < len(words) or rebuilt == words
        numbers = [made.columns["chunk"][p] for p, one in enumerate(made.documents) if one == row]
        assert numbers == [str(number + 1) for number in range(len(chunks))]


def test_a_text_that_fits_stays_whole_and_columns_of_those_names_step_aside() -> None:
    made = split_texts(["a few words"], {"document": ["mine"]}, Chunking(16, 4), words_of, 10)
    assert made.texts == ["a few words"]
    assert made.split == 0
    assert made.columns["document_column"] == ["mine"]
    assert made.columns["document"] == ["1 · a few words"]


def test_chunks_overlap_by_what_was_asked() -> None:
    text = " ".join(f"word{number}" for number in range(60))
    made = split_texts([text], {}, Chunking(20, 5), words_of, 100)
    assert made.split == 1
    first, second = made.texts[0].split(), made.texts[1].split()
    assert first[-5:] == second[:5]


@pytest.mark.parametrize(("tokens", "overlap"), [(15, 0), (9000, 0), (20, 11), (20, -1)])
def test_numbers_out_of_their_range_are_refused(tokens: int, overlap: int) -> None:
    with pytest.raises(InvalidInput):
        Chunking(tokens, overlap)


def test_too_many_chunks_are_refused_before_they_are_made() -> None:
    with pytest.raises(InvalidInput, match="more than 3 chunks"):
        split_texts(["a b c d " * 40] * 50, {}, Chunking(16, 0), words_of, 3)


def test_what_progress_raises_ends_the_work() -> None:
    def told(share: float) -> None:
        if share > 0:
            raise InvalidInput("Cancelled.")

    with pytest.raises(InvalidInput, match="Cancelled"):
        split_texts(["one", "two"], {}, Chunking(16, 0), words_of, 3, progress=told)


def test_a_text_too_long_to_cut_at_once_loses_nothing() -> None:
    lines = "".join(f"line {n} of a long file\n" for n in range(150_000))
    pieces = list(_pieces(lines))
    assert "".join(pieces) == lines
    assert max(map(len, pieces)) <= MAX_TEXT_CHARS
    assert all(piece.endswith("\n") for piece in pieces)
    assert "".join(_pieces("x" * (MAX_TEXT_CHARS * 2 + 5))) == "x" * (MAX_TEXT_CHARS * 2 + 5)
    made = split_texts([lines], {}, Chunking(4000, 0), words_of, 10_000).texts
    assert " ".join(made).split() == lines.split()
