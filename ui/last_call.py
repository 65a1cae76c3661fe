"""What a visitor last did, as much of it as the code tab needs to write the same down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from embedder.analysis.projection import LayoutOptions
from embedder.types import Kind

SHOWN_TEXTS = 4
SHOWN_CHARS = 2_000
"""Of each text: code is to be read, and a book in it five times over is not."""
SHOWN_EXAMPLES = 16
"""Of each side of a search by example, and of each end of an axis."""
Action = Literal[
    "embed",
    "search",
    "hybrid",
    "keyword",
    "regex",
    "like",
    "near",
    "pair",
    "pairs",
    "duplicates",
    "outliers",
    "axes",
    "compare",
]
WORDS_ONLY = ("keyword", "regex")
"""What needs no vectors, and so no call."""


@dataclass(frozen=True, slots=True)
class LastCall:
    """What the page last asked of the engine: its first texts, and how many there were.

    Where texts were searched, `texts` is what was looked for and `searched` the first of those that were
    looked through. `ends` parts `texts` into examples that are to be like and unlike, or into the ends of
    axes; the examples of `like` may come with a `question`. `prompt` goes
    before a question in place of the model's own. `value` is the least cosine of near-duplicates
    or the number of the neighbour that outliers are far from. `other` is the model that was compared
    with, `dimensions` what it was cut to, if it was. `shortened` where a text was longer than `SHOWN_CHARS`.
    """

    model: str
    texts: tuple[str, ...]
    total: int
    kind: Kind | None = None
    action: Action = "embed"
    searched: tuple[str, ...] = ()
    other: str | None = None
    dimensions: int | None = None
    shortened: bool = False
    ends: tuple[int, ...] = ()
    question: str = ""
    prompt: str | None = None
    value: float = 0.0
    layout: LayoutOptions | None = None

    @classmethod
    def of(cls, model: str, texts: Sequence[str], kind: Kind | None = None) -> LastCall:
        """Texts embedded: the first `SHOWN_TEXTS` of them."""
        shown, shortened = _shown(texts)
        return cls(model, shown, len(texts), kind, shortened=shortened)

    @classmethod
    def all_with_all(cls, model: str, texts: Sequence[str], action: Action, value: float = 0.0) -> LastCall:
        """Each text compared with each: `pairs`, `duplicates`, `outliers`."""
        return replace(cls.of(model, texts), action=action, value=value)

    @classmethod
    def laid_out(cls, model: str, texts: Sequence[str], layout: LayoutOptions) -> LastCall:
        """Texts embedded and laid out as asked."""
        return replace(cls.of(model, texts), layout=layout)

    @classmethod
    def search(
        cls,
        model: str,
        query: str,
        texts: Sequence[str],
        action: Action = "search",
        *,
        prompt: str | None = None,
    ) -> LastCall:
        """A question to `texts`."""
        kind: Kind | None = None if action in WORDS_ONLY else "query"
        return replace(cls._among(model, [query], texts, kind, action), prompt=prompt)

    @classmethod
    def near(cls, model: str, text: str, texts: Sequence[str]) -> LastCall:
        """The texts nearest to one of them."""
        return cls._among(model, [text], texts, None, "near")

    @classmethod
    def like(
        cls, model: str, examples: tuple[Sequence[str], Sequence[str]], texts: Sequence[str]
    ) -> LastCall:
        """A search by texts to be like and texts to be unlike."""
        return cls._by_ends(model, examples, texts, "like")

    def asked_too(self, question: str, prompt: str | None = None) -> LastCall:
        """The same with a question beside its examples."""
        return replace(self, question=question[:SHOWN_CHARS], prompt=prompt)

    @classmethod
    def axes(cls, model: str, ends: Sequence[Sequence[str]], texts: Sequence[str]) -> LastCall:
        """One axis or two, by what stands at their two or four ends."""
        return cls._by_ends(model, ends, texts, "axes")

    @classmethod
    def pair(cls, model: str, one: str, two: str) -> LastCall:
        """How alike two texts are."""
        shown, shortened = _shown([one, two])
        return cls(model, shown, 2, None, "pair", shortened=shortened)

    @classmethod
    def compare(cls, model: str, texts: Sequence[str], other: str, dimensions: int | None = None) -> LastCall:
        """The same texts by two models, or by one at two widths."""
        shown, shortened = _shown(texts)
        return cls(model, shown, len(texts), None, "compare", (), other, dimensions, shortened)

    @classmethod
    def _by_ends(
        cls, model: str, ends: Sequence[Sequence[str]], texts: Sequence[str], action: Action
    ) -> LastCall:
        """What stands for each end, as much of it as is shown."""
        shown = [end[:SHOWN_EXAMPLES] for end in ends]
        made = cls._among(model, [text for end in shown for text in end], texts, None, action)
        return replace(made, ends=tuple(map(len, shown)), total=sum(map(len, ends)))

    @classmethod
    def _among(
        cls, model: str, wanted: Sequence[str], texts: Sequence[str], kind: Kind | None, action: Action
    ) -> LastCall:
        """All of `wanted`, and the first of `texts`."""
        asked, asked_shortened = _shown(wanted, len(wanted))
        searched, shortened = _shown(texts)
        return cls(model, asked, len(asked), kind, action, searched, shortened=asked_shortened or shortened)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """One request body of the API a model and kind of text; none where there is nothing to embed."""
        if self.action in WORDS_ONLY:
            return []
        if self.action == "like":
            asked = [self._body((self.question,), "query")] if self.question else []
            return [self._body(self.texts, None), *asked]
        first = self._body(self.texts, self.kind)
        if self.other is None:
            return [first]
        cut = {"dimensions": self.dimensions} if self.dimensions else {}
        return [first, {**first, "model": self.other, **cut}]

    def _body(self, texts: tuple[str, ...], kind: Kind | None) -> dict[str, Any]:
        """A prompt of the visitor's own is a part of the text: the API has no other place for it."""
        if self.prompt is not None and kind == "query":
            return {"model": self.model, "input": [self.prompt + text for text in texts]}
        return {"model": self.model, "input": list(texts)} | ({"input_type": kind} if kind else {})


def _shown(texts: Sequence[str], most: int = SHOWN_TEXTS) -> tuple[tuple[str, ...], bool]:
    """The first `most` texts as far as they are shown, and whether one of them is longer."""
    first = texts[:most]
    return tuple(text[:SHOWN_CHARS] for text in first), any(len(text) > SHOWN_CHARS for text in first)
