"""The flags of `tessera collection`."""

from __future__ import annotations

import argparse
from typing import Any

_NAME = "of the collection"


def add_collection_commands(parser: argparse.ArgumentParser) -> None:
    """One parser for each thing that can be done with a collection."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add(commands.add_parser("add", help="add the texts of a file, making the collection if need be"))
    _search(commands.add_parser("search", help="find texts by meaning, words or both"))
    read = commands.add_parser("get", help="print texts by their ids, one JSON object a line")
    read.add_argument("name", metavar="NAME", help=_NAME)
    read.add_argument("id", metavar="ID", nargs="+", help="of a text")
    read.add_argument("--vectors", action="store_true", help="with their vectors")
    commands.add_parser("list", help="list the collections with their sizes and models")
    export = commands.add_parser("export", help="write a collection into one Parquet file")
    export.add_argument("name", metavar="NAME", help=_NAME)
    export.add_argument("file", metavar="FILE", help="where to write")
    _progress(export)
    taken = commands.add_parser("import", help="make a collection from what `export` wrote")
    taken.add_argument("name", metavar="NAME", help=_NAME)
    taken.add_argument("file", metavar="FILE", help="what to read")
    _progress(taken)
    moved = commands.add_parser("reembed", help="have a collection embedded anew by another model")
    moved.add_argument("name", metavar="NAME", help=_NAME)
    moved.add_argument("model", metavar="MODEL", help="a name, or id=folder")
    _progress(moved)
    _map(commands.add_parser("map", help="lay a collection out, and keep its map and its neighbours"))
    _move(commands.add_parser("move", help="take a collection from one store to another"))
    gone = commands.add_parser("delete", help="delete a collection, or some of its texts")
    gone.add_argument("name", metavar="NAME", help=_NAME)
    gone.add_argument(
        "--id", metavar="ID", action="append", default=[], help="only this text; may be repeated"
    )
    gone.add_argument(
        "--document",
        metavar="NAME",
        action="append",
        default=[],
        help="only the texts of this document; may be repeated",
    )
    gone.add_argument("--yes", action="store_true", help="delete a whole collection without being asked")


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help=_NAME)
    parser.add_argument("file", metavar="FILE", help="what to read, as `tessera embed` does; - reads lines")
    parser.add_argument("--column", metavar="NAME", help="the column of the texts; found out by default")
    parser.add_argument(
        "--id-column", metavar="NAME", help="the column of the ids; by default an id is made of the content"
    )
    parser.add_argument(
        "--document", metavar="NAME", help="the document of the texts; by default the file's name"
    )
    parser.add_argument(
        "--replace", action="store_true", help="delete what the document had and the file no longer has"
    )
    parser.add_argument(
        "--chunk-tokens", metavar="N", type=int, help="cut longer texts into chunks of N tokens"
    )
    parser.add_argument(
        "--chunk-overlap",
        metavar="N",
        type=int,
        default=0,
        help="begin each chunk with the last N of the one before",
    )
    parser.add_argument(
        "--model", metavar="MODEL", help="of a new collection: a name, or id=folder [EMBED_MODEL]"
    )
    _progress(parser)


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help=_NAME)
    parser.add_argument("query", metavar="QUERY", nargs="?", default="", help="what to look for")
    for name in ("like", "unlike"):
        parser.add_argument(
            f"--{name}",
            metavar="ID",
            action="append",
            default=[],
            help=f"find what is {name} this text of the collection; may be repeated",
        )
    parser.add_argument(
        "--mode",
        choices=["semantic", "keyword", "hybrid"],
        default="semantic",
        help="by meaning, words or both",
    )
    parser.add_argument(
        "--weights",
        metavar=("MEANING", "WORDS"),
        type=float,
        nargs=2,
        help="how much each counts in hybrid search (1 1)",
    )
    parser.add_argument("-k", "--top-k", metavar="N", type=int, default=10, help="how many to find (10)")
    parser.add_argument(
        "--filter", metavar="JSON", help='such as {"type": "gte", "key": "year", "value": 2024}'
    )
    parser.add_argument("--min-score", metavar="X", type=float, help="leave out what scores less")
    parser.add_argument(
        "--diversity",
        metavar="X",
        type=float,
        default=0.0,
        help="0 to 1: prefer hits that differ from each other",
    )
    parser.add_argument(
        "--rerank", action="store_true", help="have the cross-encoder of TESSERA_RERANKER order what is found"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line, with all there is to know"
    )


def _map(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help=_NAME)
    parser.add_argument(
        "--neighbors", metavar="N", type=int, help="UMAP's: how many make a neighbourhood (15)"
    )
    parser.add_argument("--min-dist", metavar="X", type=float, help="UMAP's: how near points may come (0.1)")
    parser.add_argument("--seed", metavar="N", type=int, help="the same seed, the same map (42)")
    parser.add_argument(
        "--sample", metavar="N", type=int, help="lay out so many, if there are more, and place the others"
    )
    parser.add_argument("--anew", action="store_true", help="make another map also where one is kept")
    _progress(parser)


def _move(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help=_NAME)
    address = (
        "a folder, postgresql://… or milvus://…; env:NAME takes it from that variable, where other users of "
        "this machine cannot read its password; by default where your collections are"
    )
    parser.add_argument("--to", metavar="URL", help=f"the store it goes to: {address}")
    parser.add_argument("--from", dest="source", metavar="URL", help="the store it is in, likewise")
    parser.add_argument("--as", dest="new_name", metavar="NAME", default="", help="its name there")
    parser.add_argument(
        "--delete", action="store_true", help="delete the old one once the new one is whole and compared"
    )
    _progress(parser)


def _progress(parser: argparse.ArgumentParser) -> None:
    keywords: dict[str, Any] = {
        "action": argparse.BooleanOptionalAction,
        "help": "show rate and time left on standard error; by default where that is a terminal",
    }
    parser.add_argument("--progress", **keywords)
