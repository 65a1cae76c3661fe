"""Why two texts are near: the words they share, and what each word does to their cosine."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedder.analysis.similarity import cosine_similarity
from embedder.analysis.thai import thai_words

MAX_PARTS = 64
"""Into so many parts a text is cut at most, each left out once."""
# Scripts without blanks between words go by the letter (Han), by the run of letters, or by what a model takes
# for words (Thai); a picture is a word.
_WORD = (
    r"\p{Han}|\p{Hiragana}+|[\p{Katakana}ー]+|(?P<thai>\p{Thai}+)|(?=\p{Extended_Pictographic}|\p{Regional_Indicator})\X"
    r"|(?:(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])[\p{L}\p{M}\p{N}])+"
    r"(?:['’.-](?:(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])[\p{L}\p{M}\p{N}])+)*"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text: a word, or what stands between two; the pieces in a row are the text."""

    text: str
    is_word: bool


def pieces_of(text: str) -> list[Piece]:
    """`text` as words and what is between them."""
    import regex

    found: list[Piece] = []
    end = 0
    for match in regex.finditer(_WORD, text):
        if match.start() > end:
            found.append(Piece(text[end : match.start()], False))
        words = thai_words(match[0]) if match["thai"] else [match[0]]
        found += [Piece(word, True) for word in words]
        end = match.end()
    if end < len(text):
        found.append(Piece(text[end:], False))
    return found


def shared_words(left: Sequence[Piece], right: Sequence[Piece]) -> frozenset[str]:
    """Words of both, as `word_key` writes them."""
    one, other = ({word_key(piece.text) for piece in side if piece.is_word} for side in (left, right))
    return frozenset(one & other)


def word_key(word: str) -> str:
    """`word` as it is compared: case and ways to write the same letter set aside."""
    return unicodedata.normalize("NFKC", word).casefold()


def parts_of(pieces: Sequence[Piece], most: int = MAX_PARTS) -> list[range]:
    """Runs of pieces to leave out, each from a word to a word: as few words each as make `most` runs."""
    words = [place for place, piece in enumerate(pieces) if piece.is_word]
    step = max(1, -(-len(words) // most))
    runs = [words[start : start + step] for start in range(0, len(words), step)]
    return [range(run[0], run[-1] + 1) for run in runs]


def left_out(pieces: Sequence[Piece], part: range) -> str:
    """The text without that run of pieces; of the blanks on both sides one stays."""
    before = "".join(piece.text for piece in pieces[: part.start])
    after = "".join(piece.text for piece in pieces[part.stop :])
    if not before or before[-1].isspace():
        after = after.lstrip()
    return (before + after).strip()


def contributions(cosine: float, without: ArrayLike, other: ArrayLike) -> NDArray[np.float32]:
    """What each part adds to the cosine of two texts: `(m,)`.

    Row i of `without` `(m, d)` is the vector of the one text with part i left out, `other` `(d,)`
    the other text's. Leave-one-out: the cosine of the whole less that without the part.

    Raises:
        ValueError: the widths differ, or a vector isn't finite.
    """
    rows = np.asarray(without, dtype=np.float32)
    if not len(rows):
        return np.empty(0, dtype=np.float32)
    scores = cosine_similarity(rows, np.asarray(other, dtype=np.float32)[None, :])[:, 0]
    return (np.float32(cosine) - scores).astype(np.float32)
