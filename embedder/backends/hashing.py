"""A runtime without a model, for unit tests: its vectors depend on the text and nothing else.

Tokens are words; a vector is the normalised sum of one pseudo-random direction per token and
place, so different texts get different directions and a swapped row or order shows.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from embedder.errors import InvalidInput
from embedder.types import ModelInfo, Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VOCABULARY_SIZE = 1 << 20
_START, _END = 1, 2


class HashingBackend:
    """The contract of `Backend` with words for tokens; `delay_s` is added to every batch."""

    batch_tokens = 512

    def __init__(
        self,
        model_id: str,
        *,
        dimensions: int = 32,
        max_tokens: int = 64,
        delay_s: float = 0.0,
        workers: int = 1,
        express_workers: int = 0,
    ) -> None:
        self.info = ModelInfo(
            id=model_id,
            dimensions=dimensions,
            max_tokens=max_tokens,
            fingerprint=f"hashing-{dimensions}-{max_tokens}",
            runtime="hashing",
            normalized=True,
            vocabulary_size=_VOCABULARY_SIZE,
            prompts={"query": "query: ", "document": "document: "},
        )
        self.workers = workers
        self.express_workers = express_workers
        self.pads = True
        self._delay_s = delay_s

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Words as tokens, between a start and an end token."""
        return [self._tokenize(text, prompt) for text in texts]

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """The words with their places."""
        return [self._spans(text, prompt) for text in texts]

    def encode(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Float32 `(n, dimensions)`, each row of norm 1."""
        import numpy as np

        if self._delay_s:
            time.sleep(self._delay_s)
        rows = np.zeros((len(batch), self.info.dimensions), dtype=np.float32)
        for row, tokenized in enumerate(batch):
            for place, token_id in enumerate(tokenized.token_ids or ()):
                direction = np.random.default_rng((token_id, place))
                rows[row] += direction.standard_normal(self.info.dimensions, dtype=np.float32)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(norms, 1e-12), dtype=np.float32)

    def close(self) -> None:
        """Nothing is held."""

    def _tokenize(self, text: Text, prompt: Prompt) -> TokenizedText:
        limit = self.info.max_tokens or 0
        if isinstance(text, str):
            spans = self._spans(text, prompt)
            return TokenizedText(text, prompt, len(spans.token_ids), spans.truncated, spans.token_ids)
        if any(not 0 <= token_id < _VOCABULARY_SIZE for token_id in text):
            raise InvalidInput(
                f"A token id is outside the model's vocabulary of {_VOCABULARY_SIZE}.", param="input"
            )
        return TokenizedText(text, prompt, min(len(text), limit), len(text) > limit, text[:limit])

    def _spans(self, text: str, prompt: Prompt) -> TokenSpans:
        room = (self.info.max_tokens or 0) - 2
        words = list(re.finditer(r"\S+", prompt.text + text))
        kept = words[:room]
        return TokenSpans(
            tokens=("<s>", *(word.group() for word in kept), "</s>"),
            token_ids=(_START, *(_token_id(word.group()) for word in kept), _END),
            offsets=((0, 0), *(word.span() for word in kept), (0, 0)),
            truncated=len(words) > room,
        )


def _token_id(word: str) -> int:
    digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
    return 3 + int.from_bytes(digest, "little") % (_VOCABULARY_SIZE - 3)
