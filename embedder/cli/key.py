"""`tessera key`: keys that are kept in the store, so that every server on it takes them."""

from __future__ import annotations

import argparse
import time

from embedder.cli.input import say
from embedder.collections.keys import Key, Keys
from embedder.collections.opening import open_store, store_url
from embedder.config import Settings
from embedder.corpus.rows import counted
from embedder.errors import ConfigError, StoreFailed


def key(args: argparse.Namespace) -> int:
    """Do `args.action`; returns the exit code.

    Raises:
        TesseraError
    """
    store = open_store(store_url(Settings.load()))
    try:
        return _ACTIONS[args.action](Keys(store), args)
    finally:
        store.close()


def _add(keys: Keys, args: argparse.Namespace) -> int:
    sent, made = keys.add(args.name, args.tokens_per_minute)
    print(sent)
    say(f"The key of {made.name}, with the id {made.id}. Only its digest is kept: it is not shown again.")
    return 0


def _list(keys: Keys, _: argparse.Namespace) -> int:
    kept = keys.read()
    rows = [("ID", "MADE", "TOKENS/MINUTE", "NAME"), *map(_row, kept or [])]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    for row in rows:
        print(*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3], sep="  ")
    if kept == []:
        say("There is no key left, and who has none is refused. Add one, or `forget` that there were any.")
    return 0


def _row(kept: Key) -> tuple[str, str, str, str]:
    made = time.strftime("%Y-%m-%d", time.localtime(kept.created))
    limit = "none" if kept.tokens_per_minute is None else f"{kept.tokens_per_minute:,}"
    return kept.id, made, limit, kept.name


def _revoke(keys: Keys, args: argparse.Namespace) -> int:
    keys.revoke(args.id)
    say(f"The key {args.id} is revoked.")
    return 0


def _forget(keys: Keys, args: argparse.Namespace) -> int:
    try:
        what = counted(len(keys.read() or []), "key")
    except StoreFailed:  # to forget them is the way out
        what = "all keys"
    if not args.yes:
        raise ConfigError(f"This takes {what} away for good. Say --yes if that is meant.")
    keys.forget()
    say(f"Taken away: {what}.")
    return 0


_ACTIONS = {"add": _add, "list": _list, "revoke": _revoke, "forget": _forget}
