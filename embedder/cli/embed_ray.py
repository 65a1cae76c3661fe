"""`tessera embed --on ray`: files of any number through workers on every node, into a folder of parts."""

from __future__ import annotations

import argparse
import json
import signal
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from embedder.checks import check_request
from embedder.cli.input import LISTED_ROWS, TERMINATED, bar_options, say, settings_of
from embedder.cli.output import STDOUT
from embedder.config import Settings
from embedder.corpus.bulk.job import Job, PartFormat, Report, judge_source, part_name
from embedder.corpus.bulk.ledger import Ledger, clear
from embedder.corpus.bulk.on_ray import Pool, embed_shards, joined, model_on, pool_of, settings_for
from embedder.corpus.bulk.parts import LanceTarget
from embedder.corpus.bulk.places import Place, place_of
from embedder.corpus.bulk.shards import Shard
from embedder.corpus.bulk.sources import Source, open_source
from embedder.corpus.rows import counted
from embedder.errors import ConfigError
from embedder.types import Asked

_FORMATS = ("parquet", "jsonl", "lance")


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a job as Ctrl-C does."""


@dataclass(frozen=True, slots=True)
class _Target:
    """What is to be written: a folder of parts, or a Lance table and the folder of its parts meanwhile."""

    place: Place
    parts: Place
    part_format: PartFormat
    lance: LanceTarget | None


@dataclass(slots=True)
class _Tally:
    """What has come of the shards so far; `before` of them were done in an earlier run."""

    shards: Sequence[Shard]
    reports: dict[int, Report] = field(default_factory=dict)
    ledger: Ledger | None = None
    before: int = 0
    texts_before: int = 0
    started_s: float = field(default_factory=time.monotonic)

    @property
    def texts(self) -> int:
        """Texts with vectors."""
        return sum(report.texts for report in self.reports.values())

    @property
    def told(self) -> str:
        """How far it is, and how fast."""
        rate_texts_s = (self.texts - self.texts_before) / max(time.monotonic() - self.started_s, 1e-9)
        return f"{len(self.reports):,}/{len(self.shards):,} shards, {rate_texts_s:,.0f} texts/s"


def embed_on_ray(args: argparse.Namespace) -> int:
    """Embed what is at `args.file` into the folder `args.output`; 0, or 1 where texts could not be embedded.

    Stopped, the same command goes on from the shards that are done.

    Raises:
        TesseraError: it cannot be begun, or a shard could not be done; what was done is kept.
    """
    settings = settings_of(args.model)
    target = _target(args)
    source = open_source(_source_place(args, target))
    column, given = judge_source(source, args.column)
    if column is not None:
        say(f"The texts are column {column!r}.")
    shards = source.shards(column)
    tally = _Tally(shards)
    try:
        with joined(), _terminated_as_interrupted():
            pool = pool_of(args.actors, args.actor_cpus, args.actor_gpus)
            settings = settings_for(pool, settings)
            model = model_on(pool, settings)
            check_request(model, Asked((), args.kind, args.dimensions))
            job = Job(
                source, target.parts, target.part_format, column, given, model, args.kind, args.dimensions
            )
            about = job.about(shards)
            if _is_there(target, about, restart=args.restart):
                return 0
            ledger = tally.ledger = _ledger(target, about, restart=args.restart)
            _go_on(tally, ledger.done())
            waiting = [shard for shard in shards if shard.number not in tally.reports]
            with _bar(tally, args.progress) as bar, closing(_some(job, waiting, settings, pool)) as reports:
                for report in reports:
                    tally.reports[report.number] = report
                    bar.set_description_str(tally.told, refresh=False)
                    bar.update(shards[report.number].size)
        ledger.finish()
        _make_table(target, tally, job, about)
    except KeyboardInterrupt as stop:
        _report_stop(tally, args.output)
        if isinstance(stop, _Terminated):
            return TERMINATED
        raise
    _report_result(tally, source, job, args.output)
    return 1 if any(report.failed for report in tally.reports.values()) else 0


def _some(job: Job, shards: Sequence[Shard], settings: Settings, pool: Pool) -> Generator[Report]:
    """What comes of these shards; none need no actor."""
    if shards:
        yield from embed_shards(job, shards, settings, pool)


def _target(args: argparse.Namespace) -> _Target:
    if STDOUT in (args.file, args.output):
        raise ConfigError("--on ray reads a file or a folder and writes a folder. Name one with -o.")
    named = PurePosixPath(args.output.rstrip("/")).suffix.removeprefix(".")
    file_format = args.format or (named if named in _FORMATS else "parquet")
    if file_format not in _FORMATS:
        raise ConfigError(
            "--on ray writes Parquet, JSONL or a Lance table: --format parquet, jsonl or lance."
        )
    place = place_of(args.output)
    if file_format != "lance":
        if place.kind == "file":
            raise ConfigError(
                f"{place.address} is a file, and --on ray writes a folder. Name another with -o."
            )
        return _Target(place, place, "jsonl" if file_format == "jsonl" else "parquet", None)
    if named != "lance":
        raise ConfigError("The folder of a Lance table has a name that ends in .lance. Name it so with -o.")
    return _Target(place, place.parent / f".{place.name}.tessera", "parquet", LanceTarget(place))


def _source_place(args: argparse.Namespace, target: _Target) -> Place:
    place = place_of(args.file)
    same_kind = place.filesystem.type_name == target.place.filesystem.type_name
    if same_kind and f"{target.place.path}/".startswith(f"{place.path}/"):
        raise ConfigError(f"{target.place.address} lies in what is to be read. Name another with -o.")
    return place


def _is_there(target: _Target, about: Mapping[str, str], *, restart: bool) -> bool:
    """Whether the Lance table was made of this already.

    Raises:
        ConfigError: one is there that was made otherwise.
    """
    known = None if restart or target.lance is None else target.lance.about()
    if known is None:
        return False
    if known != json.dumps(dict(about)):
        raise ConfigError(
            f"The Lance table {target.place.address} is there, and was made of other input, by another "
            "model or in another way. Name another with -o, or begin anew with --restart."
        )
    say(f"{target.place.address} was made of this before; there is nothing to do.")
    return True


def _ledger(target: _Target, about: Mapping[str, str], *, restart: bool) -> Ledger:
    if restart:
        clear(target.parts)
    return Ledger(target.parts, target.part_format, about)


def _go_on(tally: _Tally, done: Mapping[int, Report]) -> None:
    """Begin where an earlier run came to."""
    tally.reports = dict(done)
    tally.before, tally.texts_before, tally.started_s = len(done), tally.texts, time.monotonic()
    if done:
        say(f"Going on after {len(done):,} of {counted(len(tally.shards), 'shard')}.")


@contextmanager
def _bar(tally: _Tally, wanted: bool | None) -> Iterator[Any]:
    """Shards, rate and time left on standard error, by how much of the input is done."""
    from tqdm import tqdm

    done = sum(tally.shards[number].size for number in tally.reports)
    total = sum(shard.size for shard in tally.shards)
    form = "{percentage:3.0f}%|{bar}| {desc}, {remaining} left"
    with tqdm(total=total, initial=done, bar_format=form, **bar_options(wanted)) as bar:
        bar.set_description_str(tally.told)
        yield bar


def _make_table(target: _Target, tally: _Tally, job: Job, about: Mapping[str, str]) -> None:
    if target.lance is None:
        return
    numbers = sorted(number for number, report in tally.reports.items() if report.texts)
    parts = [target.parts / part_name(number, "parquet") for number in numbers]
    target.lance.write(parts, job.dimensions or job.model.dimensions, json.dumps(dict(about)), job.model)
    target.parts.remove()


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does; Ray's own handler would leave at once."""

    def stop(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report_stop(tally: _Tally, output: str) -> None:
    known = len(tally.ledger.done()) if tally.ledger else 0  # some are done that were not told of yet
    done = f"{known:,} of {counted(len(tally.shards), 'shard')}"
    say(f"tessera: Stopped after {done}. The same command goes on from there, into {output}.")


def _report_result(tally: _Tally, source: Source, job: Job, output: str) -> None:
    reports = [tally.reports[shard.number] for shard in tally.shards]
    truncated = sum(report.truncated for report in reports)
    if truncated:
        say(f"Cut to the {job.model.max_tokens} tokens this model reads: {counted(truncated, 'text')}.")
    skipped = [
        f"{source.told(tally.shards[report.number], line)}: {why}"
        for report in reports
        for line, why in report.skipped_rows
    ]
    _list("Skipped, for they gave no text", "row", sum(report.skipped for report in reports), skipped)
    failed = [
        f"text {row:,} of {part_name(report.number, job.part_format)}: {why}"
        for report in reports
        for row, why in report.failed_rows
    ]
    _list(
        "Left out, for they could not be embedded", "text", sum(report.failed for report in reports), failed
    )
    done = counted(len(reports) - tally.before, "shard")
    seconds = time.monotonic() - tally.started_s
    say(f"{counted(tally.texts, 'text')}, {done} in {seconds:.1f} s by {job.model.id}, written to {output}.")


def _list(title: str, noun: str, number: int, told: Sequence[str]) -> None:
    if not number:
        return
    say(f"{title}: {counted(number, noun)}.")
    for line in told[:LISTED_ROWS]:
        say(f"  {line}")
    if number > LISTED_ROWS:
        say(f"  and {number - min(len(told), LISTED_ROWS):,} more")
