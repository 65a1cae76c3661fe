"""Models that other servers compute: this engine as a front of OpenAI-compatible ones.

TEI, vLLM, Infinity, OpenAI, another Tessera: whatever answers `POST {base}/embeddings`. Requests and retries
are openai-python's. Texts leave this machine, by the owner's choice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from embedder.backends.upstream import Sample, Upstream
from embedder.backends.upstreams import Upstreams
from embedder.config import Settings
from embedder.errors import InvalidInput, ModelUnavailable
from embedder.types import ModelInfo, Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORKERS, _EXPRESS_WORKERS = 8, 2
"""Requests on their way at once, and more for interactive texts beside bulk."""
_BATCH_TOKENS = 4096
_CHARS_A_TOKEN = 4
"""Nobody here knows the tokenizer; so much English is a token, about."""
_TIMEOUT_S, _CONNECT_S = 60.0, 5.0


class RemoteBackend:
    """One model of other servers; vectors as they send them."""

    workers = _WORKERS
    express_workers = _EXPRESS_WORKERS
    batch_tokens = _BATCH_TOKENS
    pads = False

    def __init__(self, model_id: str, source: str, settings: Settings) -> None:
        """Ask every server of `source` for a first vector.

        Raises:
            ModelUnavailable: none answers, or openai-python is not installed.
        """
        self._upstreams = Upstreams(model_id, _connect(model_id, source, settings))
        self.info = _describe(model_id, source, self._upstreams.sample)

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Tokens are guessed by characters: the tokenizer is elsewhere.

        Raises:
            InvalidInput: token ids.
        """
        return [TokenizedText(text, prompt, _guessed(text, prompt), truncated=False) for text in texts]

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """Not to be had from there.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("This model does not show its tokens.", param="model")

    def encode(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Float32 `(n, info.dimensions)`, row i for `batch[i]`.

        Raises:
            ModelUnavailable: no server answers now; no text is at fault.
        """
        return self._upstreams.embed([one.prompt.text + str(one.text) for one in batch])

    def close(self) -> None:
        """Close the connections."""
        self._upstreams.close()


def is_upstream(source: str) -> bool:
    """Whether `source` is the address of a server, or of several with spaces between."""
    return source.startswith(("http://", "https://"))


def _connect(model_id: str, source: str, settings: Settings) -> list[Upstream]:
    try:
        from openai import OpenAI, Timeout
    except ImportError:
        raise ModelUnavailable(
            f"The model {model_id} is another server's, for which openai-python is needed: "
            "pip install 'tessera-embed[upstreams]'."
        ) from None
    keys = dict(entry.get_secret_value().partition("=")[::2] for entry in settings.upstream_keys)
    made = []
    for address in source.split():
        base, _, name = address.strip().partition("#")
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ModelUnavailable(f"An upstream of {model_id} is no address like https://host/v1#model.")
        key = keys.get(parts.netloc) or keys.get(parts.hostname) or "none"
        # A server that is gone without a word is passed over in seconds; one that computes has its time.
        timeout = Timeout(_TIMEOUT_S, connect=_CONNECT_S)
        client = OpenAI(base_url=base, api_key=key, timeout=timeout, max_retries=0)
        made.append(Upstream(client, name or model_id, parts.netloc))
    return made


def _describe(model_id: str, source: str, sample: Sample) -> ModelInfo:
    import numpy as np

    max_tokens = sample.told.get("max_tokens")
    endpoint = hashlib.sha256(f"{source} {model_id}".encode()).hexdigest()[:32]
    return ModelInfo(
        id=model_id,
        dimensions=len(sample.vector),
        max_tokens=max_tokens if isinstance(max_tokens, int) else None,
        fingerprint=sample.fingerprint or f"endpoint:{endpoint}",
        runtime="upstream",
        normalized=bool(np.isclose(np.linalg.norm(sample.vector), 1.0, atol=1e-3)),
    )


def _guessed(text: Text, prompt: Prompt) -> int:
    if not isinstance(text, str):
        raise InvalidInput("This model does not take token ids. Send text.", param="input")
    return max(1, (len(prompt.text) + len(text)) // _CHARS_A_TOKEN)
