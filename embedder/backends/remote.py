"""Models that other servers compute: this engine as a front of OpenAI-compatible ones.

TEI, vLLM, Infinity, OpenAI, another Tessera: whatever answers `POST {base}/embeddings`. Requests and retries
are openai-python's. Texts leave this machine, by the owner's choice.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from embedder.config import Settings
from embedder.errors import InvalidInput, ModelUnavailable
from embedder.types import ModelInfo, Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from openai import OpenAI

_Made = TypeVar("_Made")

_WORKERS, _EXPRESS_WORKERS = 8, 2
"""Requests on their way at once, and more for interactive texts beside bulk."""
_BATCH_TOKENS, _REQUEST_TEXTS = 4096, 32
"""A request's size; TEI takes 32 texts where its owner set nothing else."""
_CHARS_A_TOKEN = 4
"""Nobody here knows the tokenizer; so much English is a token, about."""
_TIMEOUT_S, _FIRST_PAUSE_S, _LONGEST_PAUSE_S = 60.0, 1.0, 60.0


class Upstream:
    """One server: how busy it is, and until when it is left alone after it failed."""

    def __init__(self, client: OpenAI, model: str) -> None:
        self.client = client
        self.model = model
        self.busy = 0
        self.down_until_s = 0.0
        self._pause_s = _FIRST_PAUSE_S

    def succeeded(self) -> None:
        """It answers."""
        self.down_until_s, self._pause_s = 0.0, _FIRST_PAUSE_S

    def failed(self) -> None:
        """Leave it alone for a while, each time twice as long."""
        self.down_until_s = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


class Upstreams:
    """The servers of one model. A request goes to the least busy one that is not known to be down."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self._upstreams = list(upstreams)
        self._lock = threading.Lock()

    def ask(self, call: Callable[[Upstream], _Made]) -> _Made:
        """`call` of one server, or, while it cannot answer, of the next.

        Raises:
            openai.OpenAIError: the last one's, where none could; at once where the request is at fault.
        """
        from openai import APIConnectionError, InternalServerError, RateLimitError

        left = set(self._upstreams)
        while True:
            with self._least_busy(left) as upstream:
                left.discard(upstream)
                try:
                    made = call(upstream)
                except (APIConnectionError, InternalServerError, RateLimitError):
                    upstream.failed()
                    if not left:
                        raise
                else:
                    upstream.succeeded()
                    return made

    def close(self) -> None:
        """Close their connections."""
        for upstream in self._upstreams:
            upstream.client.close()

    @contextmanager
    def _least_busy(self, among: set[Upstream]) -> Iterator[Upstream]:
        with self._lock:
            now_s = time.monotonic()
            # Where all are down the one that comes back first: it may be there again.
            chosen = min(among, key=lambda one: (max(0.0, one.down_until_s - now_s), one.busy))
            chosen.busy += 1
        try:
            yield chosen
        finally:
            with self._lock:
                chosen.busy -= 1


class RemoteBackend:
    """One model of other servers; vectors as they send them."""

    workers = _WORKERS
    express_workers = _EXPRESS_WORKERS
    batch_tokens = _BATCH_TOKENS
    pads = False

    def __init__(self, model_id: str, source: str, settings: Settings) -> None:
        """Ask the servers of `source` for a first vector.

        Raises:
            ModelUnavailable: none answers, or openai-python is not installed.
        """
        self._upstreams = _connect(model_id, source, settings)
        try:
            vectors = self._upstreams.ask(lambda upstream: _vectors(upstream, ["warm"]))
            told = self._upstreams.ask(_told)
        except Exception as error:
            self._upstreams.close()
            raise ModelUnavailable(f"No upstream of {model_id} answers ({type(error).__name__}).") from None
        self.info = _describe(model_id, source, vectors, told)

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
            ModelUnavailable: no server can be reached, or none takes more now; no text is at fault.
        """
        import numpy as np
        from openai import APIConnectionError, RateLimitError

        texts = [one.prompt.text + str(one.text) for one in batch]
        parts = [texts[start : start + _REQUEST_TEXTS] for start in range(0, len(texts), _REQUEST_TEXTS)]
        try:
            return np.concatenate([self._upstreams.ask(partial(_vectors, texts=part)) for part in parts])
        except (APIConnectionError, RateLimitError) as error:
            raise ModelUnavailable(
                f"No upstream of {self.info.id} answers now ({type(error).__name__}). Try again in a while."
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._upstreams.close()


def is_upstream(source: str) -> bool:
    """Whether `source` is the address of a server, or of several with spaces between."""
    return source.startswith(("http://", "https://"))


def _connect(model_id: str, source: str, settings: Settings) -> Upstreams:
    try:
        from openai import OpenAI
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
        client = OpenAI(base_url=base, api_key=key, timeout=_TIMEOUT_S, max_retries=1)
        made.append(Upstream(client, name or model_id))
    return Upstreams(made)


def _vectors(upstream: Upstream, texts: list[str]) -> NDArray[np.float32]:
    """What a server makes of texts: float32 `(n, d)`."""
    import numpy as np

    answer = upstream.client.embeddings.create(model=upstream.model, input=texts)
    rows = sorted(answer.data, key=lambda row: row.index)
    vectors = np.array([row.embedding for row in rows], dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise ValueError("the upstream sent other vectors than were asked for")
    return vectors


def _told(upstream: Upstream) -> dict[str, Any]:
    """What a server says of its model; only another Tessera says more than the name."""
    from openai import APIStatusError

    try:
        return upstream.client.models.retrieve(upstream.model).model_dump()
    except APIStatusError:  # not all have it
        return {}


def _describe(model_id: str, source: str, vectors: NDArray[np.float32], told: dict[str, Any]) -> ModelInfo:
    import numpy as np

    fingerprint, max_tokens = told.get("fingerprint"), told.get("max_tokens")
    endpoint = hashlib.sha256(f"{source} {model_id}".encode()).hexdigest()[:32]
    return ModelInfo(
        id=model_id,
        dimensions=vectors.shape[1],
        max_tokens=max_tokens if isinstance(max_tokens, int) else None,
        fingerprint=fingerprint if isinstance(fingerprint, str) and fingerprint else f"endpoint:{endpoint}",
        runtime="upstream",
        normalized=bool(np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)),
    )


def _guessed(text: Text, prompt: Prompt) -> int:
    if not isinstance(text, str):
        raise InvalidInput("This model does not take token ids. Send text.", param="input")
    return max(1, (len(prompt.text) + len(text)) // _CHARS_A_TOKEN)
