from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embedder.queues import TurnQueue
from embedder.tickets import Entry
from embedder.types import Priority, Prompt, TokenizedText


def entry(caller: int, number: int) -> Entry:
    text = TokenizedText(f"{caller}-{number}", Prompt(), 1, False, ())
    return Entry(f"{caller}-{number}".encode(), text, Priority.BULK, caller=caller)


def test_each_batch_begins_with_the_next_caller() -> None:
    queue = TurnQueue()
    for caller in (1, 2, 3):
        for number in range(3):
            queue.add(entry(caller, number))
    begun = []
    while len(queue):
        first = queue.window(1)[0]
        begun.append(first.caller)
        queue.discard(first)
        queue.pass_turn(first.caller)
    assert begun == [1, 2, 3] * 3


def test_newcomers_with_one_text_each_do_not_push_anybody_back() -> None:
    queue = TurnQueue()
    queue.add(entry(0, 0))
    queue.add(entry(99, 0))
    begun = []
    for newcomer in range(1, 10):
        queue.add(entry(newcomer, 0))
        first = queue.window(1)[0]
        begun.append(first.caller)
        queue.discard(first)
        queue.pass_turn(first.caller)
    assert begun[:3] == [0, 99, 1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), unique=True), st.data())
def test_holds_what_was_added_and_not_taken_in_each_callers_order(
    added: list[tuple[int, int]], data: st.DataObject
) -> None:
    queue = TurnQueue()
    entries = [entry(*pair) for pair in added]
    for item in entries:
        queue.add(item)
    taken = data.draw(st.lists(st.sampled_from(entries), unique_by=id)) if entries else []
    for item in taken:
        queue.discard(item)
        queue.discard(item)
    left = [item for item in entries if item not in taken]
    window = queue.window(1000)
    assert len(queue) == len(window) == len(left)
    for caller in range(4):
        assert [e for e in window if e.caller == caller] == [e for e in left if e.caller == caller]


def test_the_window_reaches_over_callers() -> None:
    queue = TurnQueue()
    for caller in range(32):
        queue.add(entry(caller, 0))
    assert len(queue.window(256)) == 32
    assert len(queue.window(5)) == 5
