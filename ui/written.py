"""What a visitor writes, embedded in the space of the texts on screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from embedder.engine import Engine
from embedder.errors import InvalidInput
from embedder.types import Embeddings, EmbedOptions, Kind
from ui.datasets import Dataset
from ui.owned import check_reader

_ROOM = EmbedOptions(wait_for_room=True)


async def embed_beside(
    engine: Engine,
    dataset: Dataset,
    texts: Sequence[str],
    *,
    kind: Kind | None = None,
    prompt: str | None = None,
) -> Embeddings:
    """Vectors of `texts` by the model that made those of `dataset`; without a `kind`, as its texts are.

    Raises:
        InvalidInput: another model made them, so that no score between the two would mean anything.
    """
    check_reader(dataset.model)
    info = await engine.model_info(dataset.model.id)
    if info.fingerprint != dataset.model.fingerprint:
        raise InvalidInput(
            "Another model made these vectors than the one that would read what you write, so scores "
            "between them would mean nothing. Bring the texts again."
        )
    options = replace(_ROOM, prompt=prompt)
    return await engine.embed(texts, model=dataset.model.id, kind=kind, options=options)
