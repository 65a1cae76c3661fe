"""A collection as one file and back: Parquet, which the page and other programs read too.

Columns: `id`, `text`, `document`, `columns` (a JSON object), `embedding` (float32 list), and those of the
map that is kept with it, if one is (`carrying`). What the collection is stands in the schema's metadata,
its model under the names that our other files use.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.collections.carrying import HEAD_KEY, MapColumns, MapRows, keep_carried, map_of_now
from embedder.collections.catalogue import Collections
from embedder.collections.collection import Collection
from embedder.collections.rows import Rows, check_columns, check_id, check_text
from embedder.collections.store import Table
from embedder.corpus.parquet_format import FINGERPRINT_KEY, MODEL_KEY
from embedder.errors import ConfigError, FileUnreadable, InvalidInput, StoreFailed

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 5000
_FORMAT_KEY, _METADATA_KEY, _FORMAT = b"tessera:collection", b"tessera:metadata", b"1"

OnProgress = Callable[[int, int], None]


async def export_collection(
    collections: Collections, name: str, path: Path, *, progress: OnProgress | None = None
) -> int:
    """Write every row into a Parquet file, which appears when it is whole; returns how many.

    The map that is kept with the collection comes along if it is of the texts that are there now.

    Raises:
        ConfigError: the file cannot be written.
        UnknownCollection, StoreFailed
    """
    opened = await collections.open(name)
    kept = await asyncio.to_thread(map_of_now, collections, opened)
    places = await asyncio.to_thread(MapColumns, kept) if kept else None
    return await asyncio.to_thread(_write, opened, path, places, progress)


async def import_collection(
    collections: Collections, name: str, path: Path, *, progress: OnProgress | None = None
) -> Collection:
    """A new collection `name` from what `export_collection` wrote; nothing of it stays if that fails.

    Raises:
        FileUnreadable: it is no such file, or broken.
        InvalidInput, CollectionExists, StoreFailed
    """
    file = await asyncio.to_thread(_opened, path)
    about = file.schema_arrow.metadata
    carried = MapRows.of(file.schema_arrow)
    dimensions = file.schema_arrow.field("embedding").type.list_size
    made = await collections.create_for_vectors(
        name,
        dimensions,
        model=about.get(MODEL_KEY, b"").decode()[:200],
        fingerprint=about.get(FINGERPRINT_KEY, b"").decode()[:200],
    )
    try:
        metadata = json.loads(about.get(_METADATA_KEY, b"{}"))
        await asyncio.to_thread(made.table.write_info, {**made.table.info, "metadata": metadata})
        await asyncio.to_thread(_read, file, made.table, carried, progress)
    except BaseException:
        await asyncio.shield(collections.delete(name))
        raise
    if carried is not None:
        with suppress(StoreFailed):  # a map can be made again
            await keep_carried(collections, made, carried)
    return made


def _write(collection: Collection, path: Path, places: MapColumns | None, progress: OnProgress | None) -> int:
    import pyarrow.parquet as pq

    about, total, done = collection.about, collection.table.count(), 0
    schema = _schema(about.dimensions, places).with_metadata(
        {
            _FORMAT_KEY: _FORMAT,
            MODEL_KEY: about.model.encode(),
            FINGERPRINT_KEY: about.fingerprint.encode(),
            _METADATA_KEY: json.dumps(dict(about.metadata)).encode(),
            **({HEAD_KEY: places.head} if places else {}),
        }
    )
    part = path.with_name(f".{path.name}.part")
    try:
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            for rows in collection.table.scan(_BATCH_ROWS):
                writer.write_batch(_batch(rows, schema, places))
                done += len(rows)
                if progress:
                    progress(done, max(done, total))
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        part.unlink(missing_ok=True)
    return done


def _schema(dimensions: int, places: MapColumns | None) -> pa.Schema:
    import pyarrow as pa

    strings = [(name, pa.string()) for name in ("id", "text", "document", "columns")]
    embedding = ("embedding", pa.list_(pa.float32(), dimensions))
    return pa.schema([*strings, embedding, *(places.fields if places else [])])


def _batch(rows: Rows, schema: pa.Schema, places: MapColumns | None) -> pa.RecordBatch:
    import orjson
    import pyarrow as pa

    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.vectors.ravel()), rows.vectors.shape[1])
    cells = [orjson.dumps(dict(columns)).decode() for columns in rows.columns]
    strings = [pa.array(part, pa.string()) for part in (rows.ids, rows.texts, rows.documents, cells)]
    return pa.record_batch([*strings, vectors, *(places.arrays(rows.ids) if places else [])], schema=schema)


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, memory_map=False)
        schema = file.schema_arrow
    except OSError as error:
        raise FileUnreadable(f"{path.name} cannot be read: {error.strerror or 'it is broken'}.") from None
    except (pa.ArrowException, ValueError) as error:
        raise FileUnreadable(f"{path.name} is no Parquet file, or broken: {str(error)[:120]}.") from None
    if (schema.metadata or {}).get(_FORMAT_KEY) != _FORMAT or not _is_ours(schema):
        raise FileUnreadable(
            f"{path.name} is no collection that was exported here. To add its texts: tessera collection add."
        )
    return file


def _is_ours(schema: pa.Schema) -> bool:
    import pyarrow as pa

    names = ("id", "text", "document", "columns", "embedding")
    if tuple(schema.names[: len(names)]) != names:
        return False
    kind = schema.field("embedding").type
    return bool(pa.types.is_fixed_size_list(kind) and kind.value_type == pa.float32()) and all(
        schema.field(name).type == pa.string() for name in names[:-1]
    )


def _read(file: Any, table: Table, carried: MapRows | None, progress: OnProgress | None) -> None:
    done = 0
    for rows in _rows_of(file, carried):
        table.upsert(rows)
        done += len(rows)
        if progress:
            progress(done, file.metadata.num_rows)


def _rows_of(file: Any, carried: MapRows | None) -> Iterator[Rows]:
    import numpy as np
    import orjson
    import pyarrow as pa

    try:
        for batch in file.iter_batches(_BATCH_ROWS):
            ids, texts, documents, cells = (batch.column(place).to_pylist() for place in range(4))
            flat = batch.column(4).flatten().to_numpy(zero_copy_only=False)
            vectors = np.asarray(flat, dtype=np.float32).reshape(len(ids), -1)
            if not np.isfinite(vectors).all():
                raise InvalidInput("A vector is not finite.")
            rows = Rows(
                [check_id(one) for one in ids],
                [check_text(one) for one in texts],
                [one and check_id(one, "document") for one in documents],
                [check_columns(orjson.loads(one)) for one in cells],
                vectors,
            )
            if carried is not None:
                carried.take(batch, rows)
            yield rows
    except (pa.ArrowException, OSError, ValueError, TypeError, InvalidInput) as error:
        raise FileUnreadable(f"The file is broken: {str(error)[:120]} Export it again.") from None
