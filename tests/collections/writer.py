"""A process that writes batch after batch and says so: `… -m tests.collections.writer FOLDER FIRST [LAST]`.

Each batch appends `ROWS` rows, writes the one row "counter" anew and deletes what the batch before
marked for it, and prints its number once all of it has returned.
"""

from __future__ import annotations

import sys
from pathlib import Path

from embedder.collections.lance.store import LanceStore
from tests.collections.conftest import DIMENSIONS, rows_of

ROWS = 20


def batch_ids(batch: int) -> list[str]:
    """Ids that batch `batch` appends and keeps."""
    return [f"{batch}-{n}" for n in range(ROWS)]


def text_of(row_id: str) -> str:
    """A text with a word that no other has."""
    return f"words of batch{row_id.replace('-', 'row')}"


def main() -> None:
    folder, first = Path(sys.argv[1]), int(sys.argv[2])
    last = int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize
    store = LanceStore(folder, exact_rows=200)
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
