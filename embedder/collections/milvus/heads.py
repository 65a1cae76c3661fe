"""What every collection is, one row each in a collection of Milvus' own: written whole or not at all.

Beside these heads it holds what owners remember of their collections, in parts as long as Milvus
takes, and who is writing at the moment.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from embedder.collections.milvus.server import CALL_S, STRONG, Server, create
from embedder.collections.store import Info
from embedder.errors import StoreFailed, UnknownCollection

CATALOGUE = "tessera_collections"
MAX_VARCHAR_BYTES = 65_535
MAX_QUERY_ROWS = 16_384
_FORMAT = 1
_HEAD, _INFO = "head", "info"


@dataclass(frozen=True, slots=True)
class Recall:
    """The share of the true ten nearest that Milvus finds, over `sample` rows, when there were `rows`."""

    rows: int
    recall: float
    sample: int


@dataclass(frozen=True, slots=True)
class Head:
    """`rows` names the collection of Milvus that holds the rows; `told` and `parts` where the info is.

    `exchanged` is the mark of the last exchange; `zeros` whether a row without direction was ever written.
    `heir` is the name that its rows are about to get: once the head of that name has them, this one is
    gone, whether it could still be taken away or not.
    """

    rows: str
    dimensions: int
    told: str
    parts: int
    mark: int = 1
    exchanged: int = 0
    zeros: bool = False
    heir: str = ""
    recall: Recall | None = None
    format: int = _FORMAT


class Heads:
    """Reads and writes them; only the one who holds a collection's lease writes its head."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._writing = threading.Lock()
        self._ready = False

    def every(self) -> dict[str, Head]:
        """All collections by name, in this order."""
        heads = self._written()
        return {name: head for name, head in heads.items() if not _inherited(head, heads.get(head.heir))}

    def get(self, name: str) -> Head:
        """The collection as it is now.

        Raises:
            UnknownCollection
            StoreFailed: another version wrote it.
        """
        head = self._one(name)
        if head is None or (head.heir and _inherited(head, self._one(head.heir))):
            raise UnknownCollection(name)
        return head

    def hand_over(self, name: str, head: Head, new: str, changed: Head) -> None:
        """Give the rows of `name`, whose head is `head`, to `new`, whose head is `changed` from then on.

        That it is to be so is written first, then it is done by one write. Killed before that, it was
        not done; killed after, it was, and the next who asks sees no `name`.
        """
        self.put(name, replace(head, heir=new))
        self.put(new, replace(changed, heir=""))
        self.remove(name)

    def left_by(self, *names: str) -> list[str]:
        """Heads whose rows one of `names` has: of one who was killed while handing over."""
        heads = self._written()
        return [
            name
            for name, head in heads.items()
            if head.heir in names and _inherited(head, heads.get(head.heir))
        ]

    def put(self, name: str, head: Head) -> None:
        """Write a head in place of what was there."""
        self.write(_HEAD, name, json.dumps(asdict(head)))

    def remove(self, name: str) -> None:
        """Take a head away, which is the end of the collection under that name."""
        self.forget(_HEAD, name)

    def info(self, head: Head) -> Info:
        """What the owner remembers."""
        keys = [f"{_INFO}:{head.told}:{part}" for part in range(head.parts)]
        rows = self._query(f"key in {json.dumps(keys)}", ["key", "told"])
        parts = {row["key"]: row["told"] for row in rows}
        told: Info = json.loads("".join(parts[key] for key in keys if key in parts) or "{}")
        return told

    def put_info(self, head: Head, info: Info) -> Head:
        """A head with `info`, which is written; the head is not yet."""
        told = json.dumps(dict(info))
        parts = [told[start : start + MAX_VARCHAR_BYTES] for start in range(0, len(told), MAX_VARCHAR_BYTES)]
        key = uuid.uuid4().hex
        self._upsert([_row(_INFO, f"{key}:{place}", part) for place, part in enumerate(parts)])
        return replace(head, told=key, parts=len(parts))

    def forget_info(self, head: Head) -> None:
        """Delete what the owner remembered in a head that is no more."""
        self._delete([f"{_INFO}:{head.told}:{part}" for part in range(head.parts)])

    def read(self, kind: str, name: str) -> str | None:
        """What is kept under a kind and a name.

        Raises:
            UnknownCollection: nothing was ever kept here.
        """
        rows = self._query(f'key == "{kind}:{name}"', ["told"], name=name)
        return rows[0]["told"] if rows else None

    def write(self, kind: str, name: str, told: str, timeout_s: float = CALL_S) -> None:
        """Keep `told` under a kind and a name."""
        self._upsert([_row(kind, name, told)], timeout_s)

    def forget(self, kind: str, name: str) -> None:
        """Keep nothing under a kind and a name."""
        self._delete([f"{kind}:{name}"])

    def prepare(self) -> None:
        """Make the catalogue, unless it is there."""
        from pymilvus import DataType, MilvusClient, MilvusException

        if self._ready:
            return
        with self._server.client() as client:
            if not client.has_collection(CATALOGUE, timeout=CALL_S):
                schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
                schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=256)
                schema.add_field("kind", DataType.VARCHAR, max_length=16)
                schema.add_field("name", DataType.VARCHAR, max_length=256)
                schema.add_field("told", DataType.VARCHAR, max_length=MAX_VARCHAR_BYTES)
                schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)  # Milvus wants one
                index = client.prepare_index_params()
                index.add_index(field_name="vector", index_type="FLAT", metric_type="L2")
                try:
                    create(client, CATALOGUE, schema, index)
                except MilvusException:
                    if not client.has_collection(CATALOGUE, timeout=CALL_S):
                        raise  # another did not make it at the same time
        self._ready = True

    def _written(self) -> dict[str, Head]:
        try:
            rows = self._query(f'kind == "{_HEAD}"', ["name", "told"], limit=MAX_QUERY_ROWS)
        except UnknownCollection:  # nothing was ever made here
            return {}
        return {row["name"]: _head_of(row["name"], row["told"]) for row in sorted(rows, key=_name_of)}

    def _one(self, name: str) -> Head | None:
        told = self.read(_HEAD, name)
        return None if told is None else _head_of(name, told)

    def _query(self, where: str, columns: list[str], *, name: str = "", **options: Any) -> Any:
        with self._server.client(name) as client:
            self._server.load(client, CATALOGUE)
            return client.query(
                CATALOGUE,
                filter=where,
                output_fields=columns,
                consistency_level=STRONG,
                timeout=CALL_S,
                **options,
            )

    def _upsert(self, rows: list[dict[str, Any]], timeout_s: float = CALL_S) -> None:
        with self._writing, self._server.client() as client:
            client.upsert(CATALOGUE, rows, timeout=timeout_s)

    def _delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        if wanted:
            with self._writing, self._server.client() as client:
                client.delete(CATALOGUE, ids=wanted, timeout=CALL_S)


def _row(kind: str, name: str, told: str) -> dict[str, Any]:
    return {"key": f"{kind}:{name}", "kind": kind, "name": name, "told": told, "vector": [0.0, 1.0]}


def _head_of(name: str, told: str) -> Head:
    head: dict[str, Any] = json.loads(told)
    if head.get("format") != _FORMAT:
        raise StoreFailed(f"The collection {name!r} was written by another version of this program.")
    found = head.pop("recall", None)
    return Head(**head, recall=Recall(**found) if found else None)


def _inherited(head: Head, heir: Head | None) -> bool:
    return heir is not None and heir.rows == head.rows


def _name_of(row: dict[str, Any]) -> str:
    return str(row["name"])
