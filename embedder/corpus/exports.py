"""Texts with their vectors as files: JSONL, Parquet, and NPZ that numpy opens without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from embedder.corpus.parquet_format import FINGERPRINT_KEY, MODEL_KEY
from embedder.errors import TooLarge
from embedder.types import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Columns = Mapping[str, Sequence[str]]


def jsonl(texts: Sequence[str], columns: Columns, vectors: NDArray[np.float32], model: ModelInfo) -> bytes:
    """One object a line: `text`, `embedding`, `model`, `fingerprint`, and `columns` where there are others.

    Row i of `vectors` `(n, d)` is for text i, and so is cell i of every column.
    """
    import orjson

    made_by = {"model": model.id, "fingerprint": model.fingerprint}
    lines = []
    for row, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
        line: dict[str, object] = {"text": text, "embedding": vector} | made_by
        if columns:
            line["columns"] = {name: cells[row] for name, cells in columns.items()}
        lines.append(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))
    return b"".join(lines)


def write_npz(
    sink: IO[bytes],
    texts: Sequence[str],
    columns: Columns,
    vectors: NDArray[np.float32],
    model: ModelInfo,
    **more: NDArray[Any],
) -> None:
    """Arrays `vectors` float32 `(n, d)`, `texts` and `column:NAME` unicode `(n,)`, `model`, `fingerprint`.

    And whatever is in `more`, under its name.
    """
    import numpy as np

    cells = {"texts": texts} | {f"column:{name}": column for name, column in columns.items()}
    arrays = {name: np.array(column, dtype=np.str_) for name, column in cells.items()}
    arrays["model"] = np.array(model.id)
    arrays["fingerprint"] = np.array(model.fingerprint)
    np.savez(sink, allow_pickle=False, vectors=vectors, **arrays, **more)


class ParquetRows:
    """Parquet, group by group: `text`, the columns, `embedding` as lists of float32.

    The file's metadata hold `model` and `fingerprint`, by which a reader knows the vectors' space. A
    column that has one of our names is called `NAME_column`.
    """

    def __init__(self, sink: IO[bytes], columns: Sequence[str], model: ModelInfo) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = [f"{name}_column" if name in ("text", "embedding") else name for name in columns]
        fields = [(name, pa.string()) for name in ("text", *names)]
        told = {MODEL_KEY: model.id.encode(), FINGERPRINT_KEY: model.fingerprint.encode()}
        self._schema = pa.schema([*fields, ("embedding", pa.list_(pa.float32()))], metadata=told)
        self._columns = list(columns)
        self._writer = pq.ParquetWriter(sink, self._schema, compression="zstd")

    def write(self, texts: Sequence[str], columns: Columns, vectors: NDArray[np.float32]) -> None:
        """One more group of rows; row i of `vectors` `(n, d)` is for text i."""
        import pyarrow as pa

        strings = [
            pa.array(cells, pa.string()) for cells in (texts, *(columns[name] for name in self._columns))
        ]
        self._writer.write_batch(pa.record_batch([*strings, as_lists(vectors)], schema=self._schema))

    def close(self) -> None:
        """Write the end, without which it is no Parquet."""
        self._writer.close()


def as_lists(vectors: NDArray[np.float32]) -> pa.ListArray:
    """`vectors` `(n, d)` as Arrow's lists of float32."""
    import numpy as np
    import pyarrow as pa

    n, dimensions = vectors.shape
    numbers = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
    return pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * dimensions), numbers)


def check_npz_size(texts: Sequence[str], columns: Columns, limit_bytes: int) -> None:
    """Refuse texts that unicode arrays would blow up: every text gets the room of the longest.

    Raises:
        TooLarge
    """
    for cells in (texts, *columns.values()):
        needed_bytes = 4 * len(cells) * max(map(len, cells), default=0)
        if needed_bytes > limit_bytes:
            raise TooLarge(
                f"As NPZ these texts would take {needed_bytes / 2**30:.1f} GB, for one of them is very "
                "long. Take JSONL instead."
            )
