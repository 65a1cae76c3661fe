"""The words of the engine: plain values that every layer shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["query", "document"]

Text = str | tuple[int, ...]
"""A text, or a text already cut into the model's own token ids (taken as they are)."""

ModelState = Literal["loading", "ready", "failed"]

Task = Literal["embed", "rerank"]
"""What a model is for: vectors of texts, or scores of pairs of query and document."""

Precision = Literal["float32", "float16", "int8"]
"""Numbers a model computes in; its vectors are float32 whichever they are."""


class Priority(IntEnum):
    """Who goes first: `INTERACTIVE` (a query, a few texts) is served ahead of `BULK`."""

    INTERACTIVE = 0
    BULK = 1


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What there is to know of a loaded model.

    `fingerprint` names the vector space: two models of one fingerprint give equal vectors
    (to 1e-5) for equal texts. `max_tokens` is None where a model reads texts of any length.
    `neighbours_kept` is the measured share of ten nearest neighbours that a precision other than
    float32 leaves as they were; None where vectors are exact.
    """

    id: str
    dimensions: int
    max_tokens: int | None
    fingerprint: str
    runtime: str
    normalized: bool
    vocabulary_size: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    precision: Precision = "float32"
    neighbours_kept: float | None = None
    routed: bool = False
    """Whether queries and documents take different branches of the model."""
    task: Task = "embed"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """An allowed model and how far it has come; `info` is set once `state` is "ready"."""

    id: str
    state: ModelState
    info: ModelInfo | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What goes before a text: the words, and for models with a branch per kind, the branch."""

    text: str = ""
    task: Kind | None = None


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as its model will see it.

    `token_ids` holds special tokens and prompt, after truncation, and is None for a runtime
    that tokenises elsewhere; `prompt_tokens` counts them either way.
    """

    text: Text
    prompt: Prompt
    prompt_tokens: int
    truncated: bool
    token_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class KnownVector:
    """The vector `(d,)` of one text and what the model saw of it; the unit of the cache."""

    vector: NDArray[np.float32]
    prompt_tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class TokenSpans:
    """The tokens of one text: `offsets` are (start, end) in characters of `prompt + text`."""

    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """What a caller may ask for beyond texts, model, kind and dimensions.

    `prompt_name` names one of the model's prompts and excludes `kind`; `prompt` is the caller's own
    words in place of either, "" for none. `truncate=False` refuses a text that is too long instead of
    cutting it, None does as the settings say. `priority=None` lets the engine choose by size.
    `wait_for_room` is for jobs that would rather wait than be refused. Calls of one `caller` take
    their turns as one, in order.
    """

    prompt_name: str | None = None
    prompt: str | None = None
    truncate: bool | None = None
    priority: Priority | None = None
    wait_for_room: bool = False
    caller: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What one call asks of a model: vectors of `texts`, or scores for the query in `options.prompt`."""

    texts: Sequence[Text]
    kind: Kind | None = None
    dimensions: int | None = None
    options: EmbedOptions = EmbedOptions()
    task: Task = "embed"


class HeldTokens(NamedTuple):
    """Tokens admitted and not yet answered, those of jobs among them, and those that room is kept for."""

    held: int = 0
    jobs: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of one call went; `wait_s` and `compute_s` are of its slowest text."""

    cache_s: float = 0.0
    tokenize_s: float = 0.0
    wait_s: float = 0.0
    compute_s: float = 0.0
    total_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Vectors and what they cost.

    `vectors` is float32 `(n, d)`, row i for text i; `prompt_tokens` is int64 `(n,)`, what the
    model saw of each text, cached and repeated texts included; `truncated` lists the indices
    of texts that were cut; `cached` counts texts whose vector was already known.
    """

    vectors: NDArray[np.float32]
    prompt_tokens: NDArray[np.int64]
    truncated: tuple[int, ...]
    cached: int
    model: ModelInfo
    timings: Timings = Timings()
