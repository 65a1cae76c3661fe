"""What the scripts of the views say that a visitor did, so that the code tab can write it down.

What is told is checked as a route checks its body, and `call` is what of it the code tab shows.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from embedder.errors import InvalidInput
from ui import axes
from ui.datasets import Dataset
from ui.last_call import LastCall
from ui.owned import RUNTIME
from ui.routes import Search
from ui.session import Session
from ui.vector_routes import Axes, LookedAt
from ui.view import Desk
from ui.wire import Closed, Row, check_row


class Told(Closed):
    """Something was done with the texts `id`: those that the view has, which may still be growing."""

    id: Annotated[str, Field(max_length=64)]


class Searched(Told, Search):
    """Texts were searched."""

    did: Literal["search"]

    def call(self, dataset: Dataset) -> LastCall:
        """By meaning and by words, a question; by example, the examples."""
        model, texts = dataset.model.id, dataset.texts
        query = self.query.strip()
        if self.like or self.unlike:
            plus, minus = (
                [texts[check_row(dataset, row)] for row in rows] for rows in (self.like, self.unlike)
            )
            call = LastCall.like(model, (plus, minus), texts)
            return call.asked_too(query, self.prompt) if query else call
        if not query:
            raise InvalidInput("There is nothing to look for yet. Write a few words.")
        if self.mode == "semantic":
            return LastCall.search(model, query, texts, prompt=self.prompt)
        if self.mode == "hybrid":
            return LastCall.search(model, query, texts, "hybrid", prompt=self.prompt)
        return LastCall.search(model, self.query, texts, "regex" if self.mode == "regex" else "keyword")


class Clicked(Told):
    """A text's neighbours were looked for."""

    did: Literal["near"]
    row: Row

    def call(self, dataset: Dataset) -> LastCall:
        """That text, among all."""
        return LastCall.near(dataset.model.id, dataset.texts[check_row(dataset, self.row)], dataset.texts)


class Compared(Told):
    """Each text was compared with each; `value` is the least cosine, or the neighbour's number."""

    did: Literal["pairs", "duplicates", "outliers"]
    value: Annotated[float, Field(ge=-1, le=100)] = 0.0

    def call(self, dataset: Dataset) -> LastCall:
        """All texts."""
        return LastCall.all_with_all(dataset.model.id, dataset.texts, self.did, self.value)


class Laid(Told, Axes):
    """Axes were laid."""

    did: Literal["axes"]

    def call(self, dataset: Dataset) -> LastCall:
        """The words at the ends."""
        poles = [axes.poles_of(axis.start, axis.end) for axis in self.axes]
        ends = [end for one in poles for end in (one.start, one.end)]
        return LastCall.axes(dataset.model.id, ends, dataset.texts)


class Cut(Told):
    """All vectors were cut to fewer dimensions."""

    did: Literal["cut"]
    dimensions: Annotated[int, Field(ge=1)]

    def call(self, dataset: Dataset) -> LastCall:
        """All texts, whole and cut."""
        whole = dataset.model.dimensions or self.dimensions
        model = dataset.model.id
        return LastCall.compare(model, dataset.texts, model, min(self.dimensions, whole))


class Examined(Told, LookedAt):
    """One text was looked at closely, or two."""

    did: Literal["look"]

    def call(self, dataset: Dataset) -> LastCall | None:
        """Those texts; none where they are of two kinds, for one call has one."""
        texts = [
            item.text if item.row is None else dataset.texts[check_row(dataset, item.row)]
            for item in self.items
        ]
        if not all(text.strip() for text in texts):
            raise InvalidInput("There is no text to embed yet. Write a few words.")
        kinds = {item.kind for item in self.items}
        if len(texts) == 1:
            return LastCall.of(dataset.model.id, texts, *kinds)
        return LastCall.pair(dataset.model.id, *texts) if kinds == {None} else None


_DID: TypeAdapter[Searched | Clicked | Compared | Laid | Cut | Examined] = TypeAdapter(
    Annotated[Searched | Clicked | Compared | Laid | Cut | Examined, Field(discriminator="did")]
)


async def heard(desk: Desk, session: Session, told: Any) -> AsyncGenerator[None, None]:
    """A view's script tells what was done: its call is the last one now.

    Raises:
        InvalidInput: there is no such thing to do, or there are no such texts.
    """
    try:
        did = _DID.validate_python(told)
    except ValidationError:
        raise InvalidInput("The page told of something that it can't do. Reload it.") from None
    dataset = desk.datasets.get(did.id)
    if dataset is not None and dataset.model.runtime != RUNTIME:
        session.last_call = did.call(dataset) or session.last_call
    yield None
