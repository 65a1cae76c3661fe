"""The words by which groups of texts are told apart, in scripts with blanks between words and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from embedder.analysis.thai import thai_words

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import CountVectorizer

_BETWEEN_BLANKS = r"(?u)\b[^\W\d_][\w'-]+\b"
_UNPARTED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}"


def term_counter(texts: Sequence[str], **options: Any) -> CountVectorizer:
    """What counts the terms of `texts`: words but English stop words, of Han pairs of characters.

    Pairs are what search engines take where nothing parts words (Lucene's CJKBigramFilter); katakana goes by
    its runs, Thai by words that a model parts; hiragana, which is mostly grammar, is left out.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    parted = _parted(texts)
    how = (
        {"token_pattern": _BETWEEN_BLANKS} if parted is None else {"tokenizer": parted, "token_pattern": None}
    )
    return CountVectorizer(stop_words="english", **how, **options)


def _parted(texts: Sequence[str]) -> Callable[[str], list[str]] | None:
    """How texts are parted if some are in scripts without blanks; else None: a plain pattern is faster."""
    import regex

    unparted = regex.compile(rf"[{_UNPARTED}]")
    if not any(unparted.search(text) for text in texts):
        return None
    pattern = regex.compile(
        r"(?P<han>\p{Han}+)|(?P<kana>[\p{Katakana}ー]{2,})|(?P<thai>\p{Thai}+)"
        rf"|(?<!(?![{_UNPARTED}])\w)(?:(?![{_UNPARTED}])[^\W\d_])(?:(?![{_UNPARTED}])[\w'-])+"
    )

    def terms(text: str) -> Iterator[str]:
        for match in pattern.finditer(text):
            word = match.group().rstrip("'-")
            if match["han"] and len(word) > 1:
                yield from (word[place : place + 2] for place in range(len(word) - 1))
            elif match["thai"]:
                yield from (part for part in thai_words(word) if len(part) > 1)
            elif match["han"] or len(word) > 1:
                yield word

    return lambda text: list(terms(text))
