"""A process that writes batch after batch: `… -m tests.collections.writer KIND PLACE FIRST [LAST]`.

Each batch appends `ROWS` rows, writes the one row "counter" anew and deletes what the batch before
marked for it, and prints its number once all of it has returned.
"""

from __future__ import annotations

import sys

from tests.collections.conftest import DIMENSIONS, rows_of
from tests.collections.stores import opened

ROWS = 20


def batch_ids(batch: int) -> list[str]:
    """Ids that batch `batch` appends and keeps."""
    return [f"{batch}-{n}" for n in range(ROWS)]


def text_of(row_id: str) -> str:
    """A text with a word that no other has."""
    return f"words of batch{row_id.replace('-', 'row')}"


def main() -> None:
    kind, place, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
    last = int(sys.argv[4]) if len(sys.argv) > 4 else sys.maxsize
    store = opened(kind, place)
    table = store.open("things") if "things" in store.names() else store.create("things", DIMENSIONS, {})
    print("open", flush=True)
    for batch in range(first, last):
        table.upsert(rows_of({row_id: text_of(row_id) for row_id in batch_ids(batch)}))
        table.upsert(rows_of({"counter": f"counted {batch}"}, columns=[{"batch": batch}]))
        table.upsert(rows_of({f"doomed-{batch}": "soon to be deleted"}))
        table.delete([f"doomed-{batch - 1}", f"doomed-{batch}"])
        print(batch, flush=True)
    store.close()


if __name__ == "__main__":
    main()
