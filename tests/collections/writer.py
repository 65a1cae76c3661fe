"""A process that writes batch after batch: `… -m tests.collections.writer KIND PLACE FIRST [LAST]`.

With `exchange` for LAST each batch is a new table that takes the place of the one before. Else each
batch appends `ROWS` rows, writes the one row "counter" anew and deletes what the batch before
marked for it, and prints its number once all of it has returned.
"""

from __future__ import annotations

import sys

from embedder.collections.store import Store, Table
from tests.collections.conftest import DIMENSIONS, rows_of
from tests.collections.stores import opened

ROWS = 20


def batch_ids(batch: int) -> list[str]:
    """Ids that batch `batch` appends and keeps."""
    return [f"{batch}-{n}" for n in range(ROWS)]


def text_of(row_id: str) -> str:
    """A text with a word that no other has."""
    return f"words of batch{row_id.replace('-', 'row')}"


def spare(batch: int) -> str:
    """Where batch `batch` is until it takes its place."""
    return f"..spare-{batch}"


def exchange(store: Store, table: Table, first: int) -> None:
    """Put batch after batch in the place of all that is there."""
    for batch in range(first, sys.maxsize):
        new = store.create(spare(batch), DIMENSIONS, {"batch": batch})
        new.upsert(rows_of(batch_ids(batch)))
        assert store.replace("things", spare(batch), table.mark)
        print(batch, flush=True)


def main() -> None:
    kind, place, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
    last = sys.argv[4] if len(sys.argv) > 4 else str(sys.maxsize)
    store = opened(kind, place)
    table = store.open("things") if "things" in store.names() else store.create("things", DIMENSIONS, {})
    print("open", flush=True)
    if last == "exchange":
        exchange(store, table, first)
    for batch in range(first, int(last)):
        texts = {row_id: text_of(row_id) for row_id in batch_ids(batch)}
        table.upsert(rows_of(texts, columns=[{"kept": True}] * ROWS))
        table.upsert(rows_of({"counter": f"counted {batch}"}, columns=[{"batch": batch}]))
        table.upsert(rows_of({f"doomed-{batch}": "soon to be deleted"}))
        table.delete([f"doomed-{batch - 1}", f"doomed-{batch}"])
        print(batch, flush=True)
    store.close()


if __name__ == "__main__":
    main()
