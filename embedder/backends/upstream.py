"""One server of embeddings: what it makes of texts, and how long it is left alone after it failed."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from openai import OpenAI

_LOG = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_REFUSED = frozenset({401, 402, 403, 404, 405})
"""Its owner or ours has to do something; nothing changes in a second."""
_FINGERPRINT = re.compile(r"[\w:.+/-]{1,128}", re.ASCII)
"""It may be quoted in the log."""
_PROBE = "The weather is lovely today, and the harbour is full of boats."


class WrongAnswer(Exception):
    """A server sent something else than this model's vectors; the words say what, for the owner's log."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a server makes of one known text, float32 `(d,)`, and what it tells of its model."""

    vector: NDArray[np.float32]
    told: dict[str, Any]

    @property
    def fingerprint(self) -> str | None:
        """The vector space's name, where the server tells it."""
        told = self.told.get("fingerprint")
        return told if isinstance(told, str) and _FINGERPRINT.fullmatch(told) else None


class Upstream:
    """One server: what is outstanding there, and until when it is left alone after it failed."""

    def __init__(self, client: OpenAI, model: str, host: str) -> None:
        self.client = client
        self.model = model
        self.host = host
        self.busy_texts = 0
        self.down_until_s = 0.0
        self.checked = False
        self._pause_s = FIRST_PAUSE_S
        self._told = ""
        """What the log last said of it, unless it has answered since."""

    def vectors(self, texts: list[str]) -> NDArray[np.float32]:
        """What it makes of texts: float32 `(n, d)`.

        Raises:
            openai.OpenAIError, WrongAnswer
        """
        import numpy as np
        from openai import OpenAIError

        try:
            answer = self.client.embeddings.create(model=self.model, input=texts)
            rows = sorted(answer.data, key=lambda row: row.index)
            vectors = np.array([row.embedding for row in rows], dtype=np.float32)
        except OpenAIError:
            raise
        except Exception as error:  # whatever openai-python stumbles over in another program's answer
            raise WrongAnswer(f"it answers with no embeddings ({type(error).__name__})") from None
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
            raise WrongAnswer("it sends other vectors than were asked for")
        return vectors

    def sample(self) -> Sample:
        """One vector and what it tells of its model; only another Tessera tells more than the name.

        Raises:
            openai.OpenAIError, WrongAnswer
        """
        from openai import APIStatusError

        (vector,) = self.vectors([_PROBE])
        try:
            told = self.client.models.retrieve(self.model).model_dump()
        except APIStatusError:  # not all have it
            told = {}
        except (AttributeError, TypeError, ValueError):  # a page, say, in place of JSON
            told = {}
        return Sample(vector, told)

    def succeeded(self) -> None:
        """It answers as it should."""
        if self._told:
            _LOG.info("The upstream %s of %s answers again.", self.host, self.model)
        self._told = ""
        self.down_until_s, self._pause_s = 0.0, FIRST_PAUSE_S

    def failed(self, error: Exception) -> None:
        """Leave it alone for a while, each time twice as long; each reason is said once.

        What comes back may have another model, so it is checked anew.
        """
        now_s = time.monotonic()
        self.checked = self.checked and status_of(error) == 429
        if isinstance(error, WrongAnswer) or status_of(error) in _REFUSED:
            self.down_until_s = now_s + _LONGEST_PAUSE_S
        elif now_s >= self.down_until_s:  # of requests that fail side by side the first one counts
            self.down_until_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        what = _what_happened(error)
        if what != self._told:
            self._told = what
            _LOG.warning("The upstream %s of %s is left alone: %s.", self.host, self.model, what)


def status_of(error: Exception) -> int | None:
    """The HTTP status of a server's refusal, where it is one."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _what_happened(error: Exception) -> str:
    """In words that quote nothing of the server's, which may repeat the key or a text."""
    if isinstance(error, WrongAnswer):
        return str(error)
    status = status_of(error)
    if status in (401, 403):
        return f"it refuses our key ({status})"
    if status == 404:
        return "it does not know the model or the address (404)"
    return type(error).__name__ if status is None else f"it answers {status}"
