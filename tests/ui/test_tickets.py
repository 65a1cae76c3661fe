"""Files that were looked at, found again by a ticket: never by a path, not for ever, not without bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from ui import upload
from ui.preview import OUTPUTS
from ui.tickets import Looked, Tickets
from ui.view import Desk, uploads_folder


def uploaded(desk: Desk, name: str, content: str) -> Path:
    file = uploads_folder(desk.settings) / "x" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def test_a_ticket_is_for_a_file_as_it_was_looked_at_last() -> None:
    tickets = Tickets(60)
    first = tickets.give(Looked("one"))
    second = tickets.give(Looked("one", "title", take=False), first)
    other = tickets.give(Looked("other", "x" * 5000))
    assert len({first, second, other}) == 3
    assert tickets.get(first) is None
    assert tickets.get(second) == Looked("one", "title", take=False)
    assert tickets.get(other) == Looked("other"), "no name of a column is so long"
    assert tickets.get(tickets.give(Looked("one"), "no ticket")) == Looked("one")
    assert tickets.get(second) is not None, "another page's ticket for the same file stays"
    for guess in ("", "one", None, 7, ["one"], second[:-1]):
        assert tickets.get(guess) is None


def test_tickets_expire_and_the_oldest_make_room() -> None:
    now_s = 0.0
    tickets = Tickets(60, most=2, clock=lambda: now_s)
    given = [tickets.give(Looked(f"file {number}")) for number in range(3)]
    assert [tickets.get(one) is not None for one in given] == [False, True, True]
    assert len(tickets) == 2
    now_s = 50
    assert tickets.get(given[1]) is not None
    now_s = 70
    assert [tickets.get(one) is not None for one in given] == [False, True, False], "who comes back keeps it"
    now_s = 131
    assert [tickets.get(one) for one in given] == [None] * 3


def test_a_ticket_is_nothing_to_another_login() -> None:
    tickets = Tickets(60)
    given = tickets.give(Looked("one", owner="ada"))
    for other in ("", "ben", "Ada"):
        assert tickets.get(given, other) is None
    assert tickets.give(Looked("one", owner="ben"), given) != given
    assert tickets.get(given, "ada") == Looked("one", owner="ada"), "nobody else's file takes its place"
    new = tickets.give(Looked("one", "title", owner="ada"), given)
    assert tickets.get(given, "ada") is None
    assert tickets.get(new, "ada") == Looked("one", "title", owner="ada")


async def test_a_file_is_found_again_only_by_who_looked_at_it(desk: Desk) -> None:
    file = uploaded(desk, "one.txt", "an apple\na pear")
    ticket = await upload.ticket_for(desk, desk.sessions.of("a", "ada"), str(file), None, True)
    for other in (desk.sessions.of("a", "ben"), desk.sessions.of("a")):
        told = await upload.again(desk, other, ticket)
        assert len(told) == 1 + OUTPUTS
        assert all("value" not in update for update in told)
    assert (await upload.again(desk, desk.sessions.of("b", "ada"), ticket))[0] == str(file)


async def test_a_file_is_found_again_with_what_was_chosen_for_it(desk: Desk) -> None:
    file = uploaded(desk, "two.jsonl", '{"text": "a", "title": "b", "embedding": [1, 2]}\n' * 2)
    ticket = await upload.ticket_for(desk, desk.sessions.of("before"), str(file), "title", False)
    chosen, note, column, preview, embed, take, *_ = await upload.again(
        desk, desk.sessions.of("after"), ticket
    )
    assert chosen == str(file)
    assert "2 texts · texts from the column “title”" in note
    assert (column["value"], column["choices"]) == ("title", ["title", "text"])
    assert preview["value"]["data"][0][0] == "b"
    assert embed["visible"]
    assert (take["value"], take["visible"]) == (False, True)


@pytest.mark.parametrize("wanted", ["/etc/hostname", "../../../etc/hostname", "", None, 7, ["x"]])
async def test_a_path_is_no_ticket_and_has_none_outside_the_upload_folder(desk: Desk, wanted: object) -> None:
    session = desk.sessions.of("a")
    assert await upload.ticket_for(desk, session, wanted, None, True) == ""
    file = uploaded(desk, "kept.txt", "an apple")
    for asked in (wanted, str(file)):
        told = await upload.again(desk, session, asked)
        assert len(told) == 1 + OUTPUTS
        assert all("value" not in update for update in told)


async def test_a_file_that_was_embedded_is_not_found_again(desk: Desk) -> None:
    session = desk.sessions.of("a")
    file = uploaded(desk, "one.txt", "an apple\na pear")
    ticket = await upload.ticket_for(desk, session, str(file), None, True)
    async for _ in upload.from_file(desk, session, str(file), None, True, None):
        pass
    assert not file.exists()
    assert all("value" not in update for update in await upload.again(desk, session, ticket))
