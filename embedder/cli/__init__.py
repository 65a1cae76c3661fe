"""The command line: `tessera serve`, `embed`, `map`, `collection`, `key`, `models`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from embedder import __version__
from embedder.cli.collection_flags import add_collection_commands
from embedder.cli.file_flags import add_embed_flags, add_map_flags
from embedder.cli.flags import add_setting_flags
from embedder.cli.key_flags import add_key_commands
from embedder.errors import TesseraError
from embedder.libraries import settle_environment

__all__ = ["main"]

_INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 done in part, 2 refused, 130 interrupted."""
    args = _parser().parse_args(argv)
    settle_environment()
    try:
        return _run(args)
    except TesseraError as error:
        print(f"tessera: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output left. The interpreter's last flush must not complain of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(args: argparse.Namespace) -> int:
    if args.command == "serve":
        from embedder.cli.serve import serve

        return serve(args)
    # What a person needs to know of these commands they say themselves.
    logging.getLogger("embedder").addHandler(logging.NullHandler())
    logging.getLogger("embedder").propagate = False
    if args.command == "embed":
        from embedder.cli.embed import embed

        return embed(args)
    if args.command == "map":
        from embedder.cli.map import draw_map

        return draw_map(args)
    if args.command == "collection":
        from embedder.cli.collection import collection

        return collection(args)
    if args.command == "key":
        from embedder.cli.key import key

        return key(args)
    from embedder.cli.models import models

    return models()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tessera", description="See text embeddings and serve them: a page and an OpenAI-compatible API."
    )
    parser.add_argument("--version", action="version", version=f"tessera {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="serve the page and the API",
        description="Serve the page and the API. Each flag is also an environment variable, named in "
        "brackets. Keys and logins are taken from the environment only, where other users of this "
        "machine cannot see them: EMBED_KEY (or TESSERA_KEYS) and TESSERA_PAGE_AUTH.",
    )
    add_setting_flags(serve)
    add_embed_flags(
        commands.add_parser(
            "embed",
            help="embed the texts of a file",
            description="Embed the texts of a file: TXT (one a line), CSV, TSV, JSON, JSONL, Parquet, XLSX, "
            "XLS, ODS, PDF (one a page) or NPZ. Stopped, the same command goes on where it was.",
        )
    )
    add_map_flags(
        commands.add_parser(
            "map",
            help="draw a map of the texts of a file, into a file",
            description="Draw a map of the texts of a file: by default one HTML page that opens anywhere, "
            "offline. Vectors that the file has are taken as they are.",
        )
    )
    add_collection_commands(
        commands.add_parser(
            "collection",
            help="texts that last: add, search, get, list, export, import, reembed, map, move, delete",
            description="Texts that last, in TESSERA_DATA_DIR or at TESSERA_DATA_URL, with all they have.",
        )
    )
    add_key_commands(
        commands.add_parser(
            "key",
            help="keys that every server on one store takes: add, list, revoke, forget",
            description="Keys kept in the store of the collections, in TESSERA_DATA_DIR or at "
            "TESSERA_DATA_URL. Servers on it take a new one, and refuse one that is revoked, within two "
            "seconds. Those in EMBED_KEY are taken too.",
        )
    )
    commands.add_parser(
        "models",
        help="list the models served here",
        description="List the models that `serve` would serve, and whether their files are on this machine.",
    )
    return parser
