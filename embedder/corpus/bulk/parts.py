"""What is written: a part for each shard, as `tessera embed` writes files, and a Lance table of all parts."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embedder.corpus.bulk.lance import LANCE, connect_lance, open_lance
from embedder.corpus.bulk.places import Place, lance_options
from embedder.corpus.exports import Columns, ParquetRows, jsonl
from embedder.errors import FileUnreadable, StoreFailed
from embedder.types import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_ABOUT = b"tessera:about"


def part_bytes(
    part_format: str, texts: Sequence[str], columns: Columns, vectors: NDArray[np.float32], model: ModelInfo
) -> bytes:
    """A part; row i of `vectors` `(n, d)` is for text i, and so is cell i of every column."""
    if part_format == "jsonl":
        return jsonl(texts, columns, vectors, model)
    sink = io.BytesIO()
    rows = ParquetRows(sink, list(columns), model)
    rows.write(texts, columns, vectors)
    rows.close()
    return sink.getvalue()


class LanceTarget:
    """The Lance table `place`, made of all parts in one commit: it is there whole or not at all."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._options = lance_options(place)

    def about(self) -> str | None:
        """What the job that made the table was about, "" if it was no job of ours, None without a table."""
        try:
            table = open_lance(self._place, self._options)
        except FileUnreadable:
            return None
        told: bytes = (table.schema.metadata or {}).get(_ABOUT, b"")
        return told.decode("utf-8", "replace")

    def write(self, parts: Sequence[Place], dimensions: int, about: str, model: ModelInfo) -> None:
        """Write the rows of all `parts`, in their order, in place of what was there.

        Raises:
            StoreFailed
        """
        import pyarrow as pa

        schema = _union(parts, dimensions).with_metadata(
            {
                b"tessera:model": model.id.encode(),
                b"tessera:fingerprint": model.fingerprint.encode(),
                _ABOUT: about.encode(),
            }
        )
        rows = pa.RecordBatchReader.from_batches(schema, _batches(parts, schema))
        name = self._place.name.removesuffix(LANCE)
        mode = "create" if self.about() is None else "overwrite"
        try:
            connect_lance(self._place, self._options).create_table(name, data=rows, mode=mode)
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0][:200].rstrip(".")
            raise StoreFailed(f"The Lance table {self._place.address} was not written: {reason}.") from None


def _union(parts: Sequence[Place], dimensions: int) -> pa.Schema:
    """Every column of every part once; `embedding` as a vector of fixed width, by which Lance can search."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names: dict[str, None] = {}
    for part in parts:
        with part.reading() as source:
            names.update(dict.fromkeys(pq.read_schema(source).names))
    kinds = {"embedding": pa.list_(pa.float32(), dimensions)}
    order = [name for name in names if name != "embedding"]
    return pa.schema([(name, kinds.get(name, pa.string())) for name in (*order, "embedding")])


def _batches(parts: Sequence[Place], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for part in parts:
        with part.reading() as source:
            table = pq.read_table(source)
        columns: Mapping[str, Any] = {
            field.name: table[field.name].cast(field.type)
            if field.name in table.column_names
            else pa.nulls(table.num_rows, field.type)
            for field in schema
        }
        yield from pa.table(list(columns.values()), schema=schema).to_batches()
