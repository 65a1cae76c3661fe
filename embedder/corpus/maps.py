"""A map as files: each text with vector, place, cluster, columns. CSV, JSONL, Parquet, NPZ, Projector TSV."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.corpus.exports import as_lists, check_npz_size, write_npz
from embedder.corpus.kept import MADE_BY
from embedder.corpus.parquet_format import FINGERPRINT_KEY, MODEL_KEY
from embedder.types import ModelInfo

CHUNK_ROWS = 500
MAX_UNICODE_BYTES = 256 * 2**20
_OWN = ("text", "x", "y", "z", "cluster", "model", "fingerprint", "embedding")


@dataclass(frozen=True, slots=True, eq=False)
class MapTable:
    """Row i of everything is text i: `vectors` `(n, d)`, `points` `(n, 2 or 3)`, a cluster or nothing."""

    texts: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    vectors: NDArray[np.float32]
    points: NDArray[np.float32]
    clusters: Sequence[str]
    model: ModelInfo

    @property
    def axes(self) -> str:
        """The letters of the layout's dimensions."""
        return "xyz"[: self.points.shape[1]]

    @property
    def names(self) -> dict[str, str]:
        """Each column's own name, and the one it has in a file beside ours."""
        return {name: f"{name}_column" if name in _OWN else name for name in self.columns}


def csv_chunks(table: MapTable) -> Iterator[bytes]:
    """CSV with a header (RFC 4180, UTF-8); `embedding` is a JSON list.

    `model` and `fingerprint` stand in every row: rows stay what they are when files are joined or cut.
    """
    import orjson

    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(["text", *table.names.values(), *table.axes, "cluster", *MADE_BY, "embedding"])
    for row, text in enumerate(table.texts):
        beside = [column[row] for column in table.columns.values()]
        numbers = orjson.dumps(table.vectors[row], option=orjson.OPT_SERIALIZE_NUMPY).decode()
        place = [f"{value:.6g}" for value in table.points[row]]
        made_by = table.model.id, table.model.fingerprint
        writer.writerow([text, *beside, *place, table.clusters[row], *made_by, numbers])
        if row % CHUNK_ROWS == CHUNK_ROWS - 1:
            yield _taken(sink)
    yield _taken(sink)


def jsonl_chunks(table: MapTable) -> Iterator[bytes]:
    """One object a line: `text`, `embedding`, `x`, `y`, perhaps `z`, `cluster`, `columns`, and `MADE_BY`."""
    import orjson

    option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    for start in range(0, len(table.texts), CHUNK_ROWS):
        lines = [
            orjson.dumps(
                {
                    "text": table.texts[row],
                    "embedding": table.vectors[row],
                    **dict(zip(table.axes, table.points[row], strict=True)),
                    "cluster": table.clusters[row],
                    "model": table.model.id,
                    "fingerprint": table.model.fingerprint,
                    "columns": {name: column[row] for name, column in table.columns.items()},
                },
                option=option,
            )
            for row in range(start, min(start + CHUNK_ROWS, len(table.texts)))
        ]
        yield b"".join(lines)


def parquet(table: MapTable) -> bytes:
    """Parquet: `text`, the columns, `x`, `y` and perhaps `z`, `cluster`, `embedding` as lists of float32.

    The file's metadata hold `model` and `fingerprint`, by which a reader knows the vectors' space.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    strings = {"text": table.texts} | {own: table.columns[name] for name, own in table.names.items()}
    arrays = {name: pa.array(cells, pa.string()) for name, cells in strings.items()}
    arrays |= {
        axis: pa.array(np.ascontiguousarray(places))
        for axis, places in zip(table.axes, table.points.T, strict=True)
    }
    arrays |= {
        "cluster": pa.array(table.clusters, pa.string()),
        "embedding": as_lists(table.vectors),
    }
    told = {MODEL_KEY: table.model.id, FINGERPRINT_KEY: table.model.fingerprint}
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays).replace_schema_metadata(told), sink, compression="zstd")
    return sink.getvalue()


def npz(table: MapTable) -> bytes:
    """As `exports.write_npz`, with `points` float32 `(n, 2 or 3)` and `clusters` unicode `(n,)`.

    Raises:
        TooLarge: a text so long that unicode arrays would take too much room.
    """
    check_npz_size(table.texts, table.columns, MAX_UNICODE_BYTES)
    sink = io.BytesIO()
    clusters = np.array(table.clusters, dtype=np.str_)
    write_npz(
        sink, table.texts, table.columns, table.vectors, table.model, points=table.points, clusters=clusters
    )
    return sink.getvalue()


def projector(table: MapTable) -> bytes:
    """A zip of `tensors.tsv` and `metadata.tsv` as TensorFlow's Embedding Projector loads them."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("tensors.tsv", "w", force_zip64=True) as tensors:
            np.savetxt(tensors, table.vectors, fmt="%.6g", delimiter="\t")
        header = ["text", "cluster", *table.names.values()]
        rows = zip(table.texts, table.clusters, *table.columns.values(), strict=True)
        lines = ("\t".join(map(_one_line, row)) for row in (header, *rows))
        archive.writestr("metadata.tsv", "\n".join(lines) + "\n")
    return sink.getvalue()


def _taken(sink: io.StringIO) -> bytes:
    """What has been written, which is then forgotten."""
    written = sink.getvalue().encode()
    sink.seek(0)
    sink.truncate()
    return written


def _one_line(cell: str) -> str:
    """The Projector knows no quotes: tabs and line ends become blanks."""
    return " ".join(cell.split())
