"""The seams of the engine: everything that can be swapped, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from embedder.types import HeldTokens, KnownVector, ModelInfo, Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Backend(Protocol):
    """A runtime with one model in it. Made by `embedder.backends.load_backend`.

    `tokenize` and `spans` may be called from several threads while `encode` runs in others.
    """

    info: ModelInfo
    workers: int
    """How many threads may call `encode` at once."""
    express_workers: int
    """How many more may, for a few interactive texts while all others are in bulk."""
    batch_tokens: int
    """Tokens of a batch that it computes well, where the owner sets no other."""
    pads: bool
    """Whether a batch costs (texts x longest text) rather than the sum of its tokens."""

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Tokenise with `prompt` before each text, cut at `info.max_tokens`.

        Raises:
            InvalidInput: a token id is outside the vocabulary, or ids are not understood.
        """

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """The same tokens, to be looked at: pieces, ids and character offsets."""

    def encode(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Embed what `tokenize` made: float32 `(n, info.dimensions)`, row i for `batch[i]`.

        What it raises fails the batch; the scheduler then looks for the text at fault.
        """

    def close(self) -> None:
        """Free what the runtime holds; nothing is called after."""


class EmbeddingCache(Protocol):
    """Vectors by content address (`embedder.cache.cache_key`); safe to call from any thread."""

    def get(self, key: bytes) -> KnownVector | None:
        """The vector of `key`, or None; the vector is read-only."""

    def put(self, key: bytes, known: KnownVector) -> None:
        """Keep a copy under `key`, at the price of what was not asked for longest."""


class Fellows(Protocol):
    """The other processes of one server: they share its limit of waiting tokens. Safe from any thread."""

    def tell_tokens(self, tokens: HeldTokens) -> None:
        """What this process has admitted by now."""

    def tokens(self) -> HeldTokens:
        """What all others have admitted, as of a moment ago."""

    def tell_loaded(self, *, failed: bool) -> None:
        """The default model is loaded in this process, or could not be."""

    @property
    def all_loaded(self) -> bool:
        """Whether the default model has been loaded in every process by now."""
