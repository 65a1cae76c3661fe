"""Rerankers: cross-encoders, which read query and document together, by sentence-transformers.

A pair enters the engine as a text, the document, with its query as the prompt; its vector is one number
wide, the score. So pairs share scheduler, cache and limits with everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.backends.fingerprint import fingerprint
from embedder.backends.placement import Placement
from embedder.backends.threads import use_threads
from embedder.errors import InvalidInput, ModelUnavailable
from embedder.types import ModelInfo, Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sentence_transformers import CrossEncoder

_MAX_TOKENS = 8192
"""What a model that names no limit reads at most of a pair."""
_CHARS_A_TOKEN = 32
"""Eight times what a token of English has: past so many characters for each token nothing is looked at."""


class CrossEncoderBackend:
    """One cross-encoder, one worker thread with all the cores; scores as its own `predict` has them."""

    workers = 1
    express_workers = 0
    pads = True

    def __init__(self, model_id: str, folder: Path, placement: Placement) -> None:
        """Load the model in `folder`.

        Raises:
            ModelUnavailable: sentence-transformers cannot load it, or it gives more than one score.
        """
        self._threads = placement.threads
        self._model = _load(folder, placement.device)
        limit = self._model.max_seq_length
        self._max_tokens = _MAX_TOKENS if limit is None or limit > _MAX_TOKENS else int(limit)
        self._tokenizer = self._pair_tokenizer()
        self.info = ModelInfo(
            id=model_id,
            dimensions=1,
            max_tokens=self._max_tokens,
            fingerprint=self._fingerprint(),
            runtime="sentence-transformers",
            normalized=False,
            task="rerank",
        )
        self.batch_tokens = placement.batch_tokens(int(self._model.model.config.hidden_size))
        self.encode(self.tokenize(["warm"], Prompt("warm")))

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Count the tokens of each pair of `prompt`, the query, and a document.

        Raises:
            InvalidInput: token ids, which no pair is made of.
        """
        documents = [self._looked_at(text) for text in texts]
        query = self._looked_at(prompt.text)
        found = self._tokenizer.encode_batch([(query, document) for document in documents])
        return [
            TokenizedText(text, prompt, len(encoding.ids), bool(encoding.overflowing) or document != text)
            for text, document, encoding in zip(texts, documents, found, strict=True)
        ]

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """Not of a reranker.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("A reranker reads pairs; it does not show its tokens.", param="model")

    def encode(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Scores of the pairs: float32 `(n, 1)`, row i for `batch[i]`."""
        import numpy as np

        use_threads(self._threads)
        pairs = [(self._looked_at(one.prompt.text), self._looked_at(one.text)) for one in batch]
        scores = self._model.predict(pairs, batch_size=len(pairs), show_progress_bar=False)
        return np.asarray(scores, dtype=np.float32).reshape(len(batch), 1)

    def close(self) -> None:
        """Memory goes with the last reference."""

    def _looked_at(self, text: Text) -> str:
        if not isinstance(text, str):
            raise InvalidInput("A reranker takes texts, no token ids.", param="documents")
        return text[: _CHARS_A_TOKEN * self._max_tokens]

    def _pair_tokenizer(self) -> Any:
        """A Rust tokenizer of our own, for counting beside the one that computes."""
        from tokenizers import Tokenizer

        own = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        own.no_padding()
        own.enable_truncation(self._max_tokens, strategy="longest_first")
        return own

    def _fingerprint(self) -> str:
        space = {
            "scores": type(self._model.activation_fn).__name__,
            "max_tokens": self._max_tokens,
            "tokenizer": self._tokenizer.to_str(),
        }
        return fingerprint(self._model.state_dict(), space)


def _load(folder: Path, device: str) -> CrossEncoder:
    import transformers
    from sentence_transformers import CrossEncoder

    transformers.utils.logging.disable_progress_bar()
    try:
        model = CrossEncoder(
            str(folder),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
        labels = int(model.num_labels)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(
            f"sentence-transformers could not load {str(folder)!r} as a cross-encoder "
            f"({type(error).__name__}: {error})."
        ) from error
    if labels != 1:
        raise ModelUnavailable(f"{str(folder)!r} gives {labels} scores for a pair; a reranker gives one.")
    return model.eval()
