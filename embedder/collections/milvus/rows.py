"""Rows as Milvus keeps them, and the collection of Milvus' own that they are in."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from embedder.analysis.ranking import words_of
from embedder.collections.milvus.expressions import TAG_CHARS, cells_of, key_of, tags_of
from embedder.collections.milvus.heads import MAX_VARCHAR_BYTES
from embedder.collections.milvus.server import create
from embedder.collections.rows import MAX_COLUMNS, MAX_ID_CHARS, Row, Rows, with_vectors
from embedder.errors import InvalidInput

REQUEST_BYTES = 32 * 2**20
"""A request of up to so many bytes is written whole or not at all; Milvus takes twice as much at most."""
_ROW_BYTES = 512
_READ = ["row_id", "text", "document", "columns"]
_NO_WORDS = "zq"
_PLAIN_WORD_CHARS = 32


def create_rows(client: Any, name: str, dimensions: int) -> None:
    """Make the collection of Milvus that a collection's rows are in."""
    from pymilvus import DataType, Function, FunctionType, MilvusClient

    id_bytes = 4 * MAX_ID_CHARS
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=TAG_CHARS)
    schema.add_field("row_id", DataType.VARCHAR, max_length=id_bytes)
    schema.add_field("text", DataType.VARCHAR, max_length=MAX_VARCHAR_BYTES)
    schema.add_field("document", DataType.VARCHAR, max_length=id_bytes)
    schema.add_field("document_key", DataType.VARCHAR, max_length=TAG_CHARS)
    schema.add_field("columns", DataType.VARCHAR, max_length=MAX_VARCHAR_BYTES)
    schema.add_field(
        "tags",
        DataType.ARRAY,
        element_type=DataType.VARCHAR,
        max_capacity=MAX_COLUMNS,
        max_length=TAG_CHARS,
    )
    schema.add_field("cells", DataType.JSON)
    schema.add_field("directed", DataType.BOOL)
    schema.add_field("revision", DataType.INT64)
    schema.add_field(
        "words",
        DataType.VARCHAR,
        max_length=MAX_VARCHAR_BYTES,
        enable_analyzer=True,
        analyzer_params={"tokenizer": "standard"},
    )
    schema.add_field("bm25", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimensions)
    schema.add_function(
        Function(
            name="bm25",
            function_type=FunctionType.BM25,
            input_field_names=["words"],
            output_field_names=["bm25"],
        )
    )
    indexes = client.prepare_index_params()
    indexes.add_index(field_name="vector", index_type="AUTOINDEX", metric_type="COSINE")
    indexes.add_index(
        field_name="bm25",
        index_type="SPARSE_INVERTED_INDEX",
        metric_type="BM25",
        params={"bm25_k1": 1.2, "bm25_b": 0.75},
    )
    create(client, name, schema, indexes, num_shards=1)


def requests(rows: Rows, revision: int) -> Iterator[list[dict[str, Any]]]:
    """`rows` as requests of a bounded size.

    Raises:
        InvalidInput: a text or a row's columns are longer than Milvus takes; before the first request.
    """
    import orjson

    columns = [orjson.dumps(dict(one)).decode() for one in rows.columns]
    sizes = [len(text.encode()) for text in rows.texts]
    _check(sizes, columns)
    vectors = np.ascontiguousarray(rows.vectors, dtype=np.float32)
    made: list[dict[str, Any]] = []
    size = 0
    for place, row_id in enumerate(rows.ids):
        more = 2 * sizes[place] + len(columns[place]) + 4 * vectors.shape[1] + _ROW_BYTES
        if made and size + more > REQUEST_BYTES:
            yield made
            made, size = [], 0
        made.append(
            {
                "key": key_of(row_id),
                "row_id": row_id,
                "text": rows.texts[place],
                "document": rows.documents[place],
                "document_key": key_of(rows.documents[place]) if rows.documents[place] else "",
                "columns": columns[place],
                "tags": tags_of(rows.columns[place]),
                "cells": cells_of(rows.columns[place]),
                "directed": bool(vectors[place].any()),
                "revision": revision,
                "words": words_told(rows.texts[place]) or _NO_WORDS,
                "vector": vectors[place],
            }
        )
        size += more
    if made:
        yield made


def words_told(text: str) -> str:
    """The words of a text so that every tokenizer of Milvus leaves each of them whole; as many as fit."""
    told: list[str] = []
    room = MAX_VARCHAR_BYTES
    for word in words_of(text):
        plain = word if word.isascii() and len(word) <= _PLAIN_WORD_CHARS else _digest(word)
        room -= len(plain) + 1
        if room < 0:
            break
        told.append(plain)
    return " ".join(told)


def columns_of(vectors: bool) -> list[str]:
    """What is read of a row."""
    return [*_READ, "vector"] if vectors else _READ


def row_of(told: Mapping[str, Any]) -> Row:
    """A row from `columns_of`."""
    import orjson

    vector = np.array(told["vector"], dtype=np.float32) if "vector" in told else None
    return Row(told["row_id"], told["text"], told["document"], orjson.loads(told["columns"]), vector)


def rows_of(told: Sequence[Mapping[str, Any]]) -> Rows:
    """Rows from `columns_of(vectors=True)`."""
    return with_vectors([row_of(one) for one in told])


def _check(sizes: Sequence[int], columns: Sequence[str]) -> None:
    if max(sizes) > MAX_VARCHAR_BYTES:
        raise InvalidInput(
            f"Milvus takes texts of at most {MAX_VARCHAR_BYTES:,} bytes; one has {max(sizes):,}. Cut it into "
            "chunks.",
            param="text",
        )
    if max(len(one.encode()) for one in columns) > MAX_VARCHAR_BYTES:
        raise InvalidInput(
            f"Milvus takes columns of at most {MAX_VARCHAR_BYTES:,} bytes a text, all together.",
            param="columns",
        )


@lru_cache(maxsize=200_000)
def _digest(word: str) -> str:
    return b32encode(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=5).digest()).decode().lower()
