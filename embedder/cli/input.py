"""What commands over a file of texts share: reading it, telling of it, progress, and being stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedder.config import Settings
from embedder.corpus.jobs import FailedText
from embedder.corpus.reading import MAX_FILE_BYTES, TextTable, parse_texts, read_texts
from embedder.corpus.rows import counted
from embedder.errors import ConfigError, FileUnreadable

LISTED_ROWS = 20
TERMINATED = 143
"""128 and the number of SIGTERM, as shells have it."""


def cancel_when_terminated() -> None:
    """Make SIGTERM what Ctrl-C is already: a cancel, so that nothing half is left behind."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError):  # Windows has no such signal
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def settings_of(model: str | None) -> Settings:
    """The settings of a command that needs one model, the default one if None: no other is loaded.

    Raises:
        ConfigError
    """
    return Settings.load({"model": model, "models": ()}).model_copy(update={"reranker": None})


def progress_bar(total: int, wanted: bool | None, *, done: int = 0) -> Any:
    """Rate and time left on standard error; `wanted=None` is where that is a terminal."""
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit=" texts", **bar_options(wanted))


def bar_options(wanted: bool | None) -> dict[str, Any]:
    """What every progress bar has in common."""
    disable = None if wanted is None else not wanted
    return {"disable": disable, "dynamic_ncols": True, "file": sys.stderr}


def refuse_same_file(source: str, target: str) -> None:
    """Refuse to write over what is to be read.

    Raises:
        ConfigError
    """
    if "-" in (source, target) or not (Path(source).exists() and Path(target).exists()):
        return
    if Path(source).samefile(target):
        raise ConfigError(f"{target} is the file to be read. Name another with -o.")


def read_table(file: str, column: str | None, *, take_vectors: bool = False) -> TextTable:
    """The texts of a file, or lines of standard input for `-`; with `take_vectors` a file's own are read.

    Raises:
        FileUnreadable
    """
    if file != "-":
        return read_texts(Path(file), column=column, take_vectors=take_vectors)
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise FileUnreadable(f"Standard input is larger than {MAX_FILE_BYTES // 2**20} MB. Split it.")
    return parse_texts(data, suffix=".txt", column=column)


def report_reading(table: TextTable, file: str) -> None:
    """Tell what was found in a file, and what was left out of it."""
    if table.encoding and not table.encoding.startswith("utf"):
        say(f"{file} is not UTF-8; it was read as {table.encoding}.")
    if table.text_column is not None:
        say(f"The texts are column {table.text_column!r}.")
    for note in table.notes:
        say(f"Read: {note}.")
    if table.given.vectors and table.vectors is None:
        named = ", ".join(map(repr, table.given.vectors))
        say(f"Left out, for these are vectors already: column {named}.")
    if table.skipped:
        say(f"Skipped {counted(len(table.skipped), 'row')} that gave no text:")
        for row in table.skipped[:LISTED_ROWS]:
            say(f"  {table.unit} {row.line}: {row.why}")
        if len(table.skipped) > LISTED_ROWS:
            say(f"  and {len(table.skipped) - LISTED_ROWS:,} more")


def report_failed(failed: Sequence[FailedText]) -> None:
    """Tell which texts have no vector, and why."""
    if not failed:
        return
    say(f"Left out, for they could not be embedded: {counted(len(failed), 'text')}.")
    for failure in failed[:LISTED_ROWS]:
        say(f"  text {failure.index + 1}: {failure.message}")
    if len(failed) > LISTED_ROWS:
        say(f"  and {len(failed) - LISTED_ROWS:,} more")


def say(message: str) -> None:
    """A line on standard error."""
    print(message, file=sys.stderr)
