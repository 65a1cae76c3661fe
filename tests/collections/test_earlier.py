"""What was cut from a text that is added again goes, whichever version cut it, and nothing else does."""

from __future__ import annotations

from embedder.collections import Collections, NewText
from embedder.collections.earlier import chunk_id, delete_others_of_sources
from embedder.corpus.chunks import CHUNK, DOCUMENT


async def test_cuts_of_this_and_of_earlier_versions_go_and_ids_alike_stay(collections: Collections) -> None:
    opened = await collections.create("ch")
    now = [NewText(f"now {n}", chunk_id("a", n), "f.csv", {CHUNK: n, DOCUMENT: "a"}) for n in (1, 2, 3)]
    # The text's id was the document then, and the column held how the text begins.
    then = [NewText(f"then {n}", f"b#{n}", "b", {CHUNK: n, DOCUMENT: "2 · then"}) for n in (1, 2, 3)]
    alike = [NewText("like a chunk", "a#9", "f.csv"), NewText("of another", "c#1", "f.csv", {CHUNK: 1})]
    alike.append(NewText("of no cut", "a#None", "a"))
    await opened.add([*now, *then, *alike, NewText("whole", "b", "f.csv")])
    assert await delete_others_of_sources(opened, {"a", "b"}, ["a#1", "b#1"]) == 5
    left = [row_id for batch in opened.table.ids() for row_id in batch]
    assert sorted(left) == ["a#1", "a#9", "a#None", "b#1", "c#1"]
