"""The flags of `tessera key`."""

from __future__ import annotations

import argparse


def add_key_commands(parser: argparse.ArgumentParser) -> None:
    """One parser for each thing that can be done with keys."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    added = commands.add_parser("add", help="make a key, and print it this once")
    added.add_argument("name", metavar="NAME", help="whose it is, for you to know it by")
    added.add_argument(
        "--tokens-per-minute", metavar="N", type=int, help="most tokens embedded for it in a minute"
    )
    commands.add_parser("list", help="list the keys, by what is kept of them")
    revoked = commands.add_parser("revoke", help="take a key away; servers refuse it within two seconds")
    revoked.add_argument("id", metavar="ID", help="as `list` shows it")
    gone = commands.add_parser(
        "forget", help="take all keys away: servers are open or closed as their settings say"
    )
    gone.add_argument("--yes", action="store_true", help="say that this is meant")
