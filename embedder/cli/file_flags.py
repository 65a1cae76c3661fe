"""Flags of the commands that read a file of texts and write another file."""

from __future__ import annotations

import argparse


def add_embed_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of `tessera embed`."""
    _add_common(parser)
    parser.add_argument(
        "-o", "--output", metavar="OUT", default="-", help="where to write; - (default) is standard output"
    )
    parser.add_argument(
        "--format",
        choices=["jsonl", "npz", "parquet", "lance"],
        help="jsonl (text, embedding, columns), npz (arrays) or parquet; by default as OUT ends, else jsonl. "
        "With --on ray parquet by default, jsonl, or one lance table",
    )
    parser.add_argument("--kind", choices=["query", "document"], help="use the model's prompt for these")
    parser.add_argument(
        "--dimensions", metavar="N", type=int, help="cut vectors to N dimensions, then normalise"
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="begin anew, where the same command was stopped before and would go on from there",
    )
    on_ray = parser.add_argument_group(
        "on many machines",
        "FILE may then be a folder too, and OUT is a folder: paths that all nodes share, or s3://…",
    )
    on_ray.add_argument(
        "--on", choices=["ray"], help="embed on the Ray cluster that RAY_ADDRESS names, or on all cores here"
    )
    on_ray.add_argument(
        "--actors", metavar="N", type=_count, help="at most N actors; as many as fit by default"
    )
    on_ray.add_argument(
        "--actor-cpus", metavar="N", type=_count, help="cores of each; by default a node's, up to 8"
    )
    on_ray.add_argument(
        "--actor-gpus", metavar="N", type=float, default=0.0, help="GPUs of each; none by default"
    )


def add_map_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of `tessera map`."""
    _add_common(parser)
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="where to write; by default FILE's name with .html"
    )
    parser.add_argument(
        "--format",
        choices=["html", "csv", "jsonl", "parquet", "npz", "projector"],
        help="by default as OUT ends; projector (.zip) is for TensorFlow's Embedding Projector",
    )
    parser.add_argument("--method", choices=["umap", "tsne", "pca"], help="umap by default, pca to 15 texts")
    parser.add_argument("--space", action="store_true", help="three dimensions in place of two")
    parser.add_argument("--neighbors", metavar="N", type=int, help="UMAP: how many texts are near one (15)")
    parser.add_argument("--min-dist", metavar="D", type=float, help="UMAP: how close points may lie (0.1)")
    parser.add_argument("--seed", metavar="N", type=int, help="another seed, another map of the same texts")
    parser.add_argument(
        "--embed", action="store_true", help="embed the texts anew where the file has vectors already"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="what to read; - reads lines from standard input")
    parser.add_argument("--column", metavar="NAME", help="the column of the texts; found out by default")
    parser.add_argument("--model", metavar="MODEL", help="a name, or id=folder [EMBED_MODEL]")
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show rate and time left on standard error; by default where that is a terminal",
    )


def _count(told: str) -> int:
    """A whole number of one or more, for argparse."""
    number = int(told)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
