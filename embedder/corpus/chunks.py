"""Long texts cut into overlapping chunks that remember which document they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from embedder.corpus.rows import MAX_TEXT_CHARS
from embedder.errors import InvalidInput

DOCUMENT, CHUNK = "document", "chunk"
MIN_TOKENS, MAX_TOKENS = 16, 8192
_NAME_CHARS = 40
_CHARS_A_TOKEN = 32
"""No token of a usual text is so long: a text of fewer characters a token is counted, a longer one cut."""


@dataclass(frozen=True, slots=True)
class Chunking:
    """Chunks of at most `tokens`, as the model counts them, each beginning with `overlap` of the one before.

    Raises:
        InvalidInput: a number out of its range.
    """

    tokens: int
    overlap: int

    def __post_init__(self) -> None:
        if not MIN_TOKENS <= self.tokens <= MAX_TOKENS:
            raise InvalidInput(f"A chunk has {MIN_TOKENS} to {MAX_TOKENS:,} tokens.")
        if not 0 <= self.overlap <= self.tokens // 2:
            raise InvalidInput(
                f"Chunks of {self.tokens:,} tokens overlap by 0 to {self.tokens // 2:,} of them."
            )


@dataclass(frozen=True, slots=True)
class Chunked:
    """Texts with `document` and `chunk` first among their columns; `split` documents were cut.

    `documents[i]` is the row of the text that chunk i is of.
    """

    texts: list[str]
    columns: dict[str, list[str]]
    documents: list[int]
    split: int


def split_texts(
    texts: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    chunking: Chunking,
    count_tokens: Callable[[str], int],
    max_texts: int,
    *,
    progress: Callable[[float], None] | None = None,
) -> Chunked:
    """Cut the texts of more than `chunking.tokens` at paragraphs, sentences or words, whichever fits.

    `count_tokens` counts a text as the model reads it. A text that fits stays whole. Splitting is
    semantic-text-splitter's: the largest units that fit, in order. `progress` is told the share
    of texts that are done; what it raises ends the work.

    Raises:
        InvalidInput: it would be more than `max_texts` chunks.
    """
    splitter = _splitter(chunking, count_tokens)
    made: list[str] = []
    documents: list[int] = []
    numbers: list[str] = []
    split = 0
    for row, text in enumerate(texts):
        if progress is not None:
            progress(row / len(texts))
        fits = len(text) <= chunking.tokens * _CHARS_A_TOKEN and count_tokens(text) <= chunking.tokens
        parts = [text] if fits else splitter(text) or [text]
        split += len(parts) > 1
        made += parts
        documents += [row] * len(parts)
        numbers += map(str, range(1, len(parts) + 1))
        if len(made) > max_texts:
            raise InvalidInput(
                f"Cut so small these are more than {max_texts:,} chunks. Take larger ones, or fewer texts."
            )
    names = [_name_of(row, text) for row, text in enumerate(texts)]
    own = {DOCUMENT: [names[row] for row in documents], CHUNK: numbers}
    beside = {
        f"{name}_column" if name in own else name: [column[row] for row in documents]
        for name, column in columns.items()
    }
    return Chunked(made, own | beside, documents, split)


def _splitter(chunking: Chunking, count_tokens: Callable[[str], int]) -> Callable[[str], list[str]]:
    from semantic_text_splitter import TextSplitter

    made = TextSplitter.from_callback(count_tokens, chunking.tokens, overlap=chunking.overlap)

    def chunks(text: str) -> list[str]:
        return [part for piece in _pieces(text) for part in made.chunks(piece) if part.strip()]

    return chunks


def _pieces(text: str) -> Iterator[str]:
    """Parts of a length that is cut at once, each ending at a line's end where there is one."""
    while len(text) > MAX_TEXT_CHARS:
        end = text.rfind("\n", MAX_TEXT_CHARS // 2, MAX_TEXT_CHARS) + 1 or MAX_TEXT_CHARS
        yield text[:end]
        text = text[end:]
    yield text


def _name_of(row: int, text: str) -> str:
    """A document's number and how it begins."""
    words = " ".join(text[: 4 * _NAME_CHARS].split())
    return f"{row + 1:,} · {words[:_NAME_CHARS].rstrip()}{'…' if len(words) > _NAME_CHARS else ''}"
