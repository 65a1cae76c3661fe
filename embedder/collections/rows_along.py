"""For stores that send rows along with a ranking: one question is one journey there."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from embedder.collections.filters import Filter
from embedder.collections.rows import Row
from embedder.collections.store import Ranked, Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RowsAlong:
    """`ranked` and `read` of a table, by its `nearest` and `keyword`."""

    def ranked(
        self: Table,
        asked: NDArray[np.float32] | str,
        k: int,
        wanted: Filter | None = None,
        *,
        vectors: bool = False,
    ) -> list[Ranked]:
        """Hits with their rows."""
        if isinstance(asked, str):
            found = self.keyword(asked, k, wanted, vectors=vectors)
        else:
            found = self.nearest(asked, k, wanted, vectors=vectors)
        return [Ranked(hit.row.id, hit.score, hit.row) for hit in found]

    def read(self, ranked: Sequence[Ranked], *, vectors: bool = False) -> dict[Hashable, Row]:
        """The rows that came along."""
        del vectors
        return {one.key: one.row for one in ranked if one.row is not None}
