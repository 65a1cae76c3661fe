"""What a job has done so far, beside its parts, so that whoever begins it again goes on from there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from embedder.corpus.bulk.job import Job, PartFormat, Report, part_name
from embedder.corpus.bulk.places import Place, is_leftover
from embedder.corpus.bulk.shards import Shard
from embedder.errors import ConfigError, FileUnreadable

_FOLDER, _ABOUT = "_tessera", "job.json"
_MARK = re.compile(r"(\d{6,})\.json")
_PART = re.compile(r"part-\d{6,}\.(parquet|jsonl)")
_THREADS = 16


class Ledger:
    """The folder `parts` of one job, which `about` names.

    Raises:
        ConfigError: it was begun with another input or model, or holds other files; or is not to be written.
    """

    def __init__(self, parts: Place, part_format: PartFormat, about: Mapping[str, str]) -> None:
        self._parts = parts
        self._folder = parts / _FOLDER
        self._part_format = part_format
        known = self._known()
        if known is None:
            self._refuse_other_files()
            (self._folder / _ABOUT).put(json.dumps(dict(about)).encode())
        else:
            self._refuse_other_job(known, about)

    def done(self) -> dict[int, Report]:
        """The shards whose part is there and whole, by number."""
        there = {file.name for file in self._parts.files(deep=False)}
        marks = [self._folder / file.name for file in self._folder.files() if _MARK.fullmatch(file.name)]
        with ThreadPoolExecutor(_THREADS) as pool:
            reports = [report for report in pool.map(_report, marks) if report is not None]
        return {
            report.number: report
            for report in reports
            if not report.texts or part_name(report.number, self._part_format) in there
        }

    def finish(self) -> None:
        """Delete what was being written where a node was lost.

        Raises:
            ConfigError
        """
        for file in self._parts.files(deep=True):
            if is_leftover(file.name.rpartition("/")[2]):
                (self._parts / file.name).remove()

    def _known(self) -> dict[str, str] | None:
        if not any(file.name == _ABOUT for file in self._folder.files()):
            return None
        try:
            found = json.loads((self._folder / _ABOUT).read())
            return {str(name): str(value) for name, value in found.items()}
        except (ValueError, AttributeError):
            return {}

    def _refuse_other_job(self, known: Mapping[str, str], about: Mapping[str, str]) -> None:
        where = self._parts.address
        way_out = "Name another folder with -o, or begin anew with --restart."
        if known.get("fingerprint") != about["fingerprint"]:
            model = known.get("model", "another model")
            other = model if model != about["model"] else "another form of that model"
            raise ConfigError(f"{where} holds vectors of {other}. {way_out}")
        if known.get("input") != about["input"]:
            raise ConfigError(f"{where} was made from other input, or it was changed since. {way_out}")
        if known.get("options") != about["options"]:
            raise ConfigError(
                f"{where} was begun with another column, kind, format or number of dimensions. {way_out}"
            )

    def _refuse_other_files(self) -> None:
        for file in self._parts.files():
            if not is_leftover(file.name.rpartition("/")[2]):
                raise ConfigError(
                    f"{self._parts.address} holds files that no job of this kind left. Name an empty folder."
                )


def mark(parts: Place, report: Report) -> None:
    """Note that a shard is done, after its part was written.

    Raises:
        ConfigError
    """
    _mark(parts, report.number).put(report.to_json().encode())


def finished(job: Job, shard: Shard) -> Report | None:
    """What came of a shard that is done already, by a node whose word of it was lost, say."""
    place = _mark(job.parts, shard.number)
    if place.kind != "file":
        return None
    report = _report(place)
    whole = report is not None and (not report.texts or job.part(shard).kind == "file")
    return report if whole else None


def clear(parts: Place) -> None:
    """Delete what a job left in the folder `parts`, and nothing else; nothing where no job was at work.

    Raises:
        ConfigError
    """
    folder = parts / _FOLDER
    if not any(file.name == _ABOUT for file in folder.files()):
        return
    for file in parts.files(deep=False):
        if _PART.fullmatch(file.name):
            (parts / file.name).remove()
    folder.remove()


def _mark(parts: Place, number: int) -> Place:
    return parts / _FOLDER / f"{number:06d}.json"


def _report(place: Place) -> Report | None:
    try:
        return Report.from_json(place.read())
    except (FileUnreadable, ValueError, TypeError, KeyError):
        return None  # then it is done again
