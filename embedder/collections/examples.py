"""Searching a collection by example: what is like some of its texts, and unlike others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedder.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedder.collections.collection import Collection
    from embedder.collections.search import Question

MAX_EXAMPLES = 100
LIKE = "Cosine with the mean of the examples in all dimensions, unlike ones taken away from it."


def check_examples(question: Question) -> None:
    """Return if what is asked can be asked by example.

    Raises:
        InvalidInput
    """
    if question.mode == "keyword":
        raise InvalidInput("Words cannot be like an example: search by meaning, or both.", param="mode")
    if question.vector is not None:
        raise InvalidInput("Either 'vector' or examples, not both.", param="vector")
    if len(question.like) + len(question.unlike) > MAX_EXAMPLES:
        raise InvalidInput(f"There can be {MAX_EXAMPLES} examples at most.", param="like")


async def blended(collection: Collection, question: Question) -> NDArray[np.float32]:
    """The direction `(d,)` towards the words and the texts to be like, and away from those to be unlike.

    Raises:
        InvalidInput: an example is not there, or they come to no direction.
    """
    import numpy as np

    from embedder.analysis.similarity import blend

    async def vectors_of(ids: tuple[str, ...], param: str) -> list[NDArray[np.float32]]:
        rows = await collection.get(ids, vectors=True)
        if missing := {*ids} - {row.id for row in rows}:
            raise InvalidInput(
                f"There is no text {min(missing)[:64]!r} in {collection.name!r} to take as an example.",
                param=param,
            )
        return [row.vector for row in rows if row.vector is not None]

    plus = await vectors_of(question.like, "like")
    minus = await vectors_of(question.unlike, "unlike")
    if question.query.strip():
        plus += [*await collection.embed([question.query])]
    width = collection.table.dimensions
    made: NDArray[np.float32] = blend(
        *(np.array(rows, dtype=np.float32).reshape(-1, width) for rows in (plus, minus))
    )[0]
    if not made.any():
        raise InvalidInput("What is to be like and unlike comes to no direction.", param="like")
    return made
