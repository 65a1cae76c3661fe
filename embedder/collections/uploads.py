"""Files that were sent to be put into collections, kept as they came."""

from __future__ import annotations

import json
import re
import shutil
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from embedder.errors import StoreFailed, TooLarge, UnknownFile

MAX_FILES, MAX_BYTES = 10_000, 50 * 2**30
"""As many of both as are kept at once."""
_ID = re.compile(r"file-[0-9a-f]{24}")
_LEFT, _GONE = "~", "-gone"
"""A folder that is being written begins so; one that is being deleted ends so too."""
_LEFT_S = 3600
"""What is being written for so long is not: its process was killed."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file: `created` in Unix seconds, `filename` as its sender named it."""

    id: str
    filename: str
    purpose: str
    bytes: int
    created: int


class Uploads:
    """A folder of uploads, each in a folder of its own that appears whole. Everything here blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, filename: str, purpose: str, data: bytes) -> Upload:
        """Keep a file.

        Raises:
            TooLarge: there are `MAX_FILES` already, or they have `MAX_BYTES` with this one.
            StoreFailed: the disk is full, say.
        """
        if len(self._ids()) >= MAX_FILES:
            raise TooLarge(f"There are {MAX_FILES:,} files already, the most there can be. Delete some.")
        if len(data) + self._held_bytes() > MAX_BYTES:
            raise TooLarge(f"All files together have at most {MAX_BYTES // 2**30} GB. Delete some.")
        made = Upload(f"file-{uuid.uuid4().hex[:24]}", filename[-255:], purpose, len(data), int(time.time()))
        self.sweep()
        part = self._folder / f"{_LEFT}{made.id}"
        try:
            part.mkdir(mode=0o700, parents=True)
            (part / "content").write_bytes(data)
            (part / "file.json").write_text(json.dumps(asdict(made)), "utf-8")
            part.rename(self._folder / made.id)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise StoreFailed(
                f"The file could not be kept: {error.strerror or type(error).__name__}."
            ) from None
        return made

    def _held_bytes(self) -> int:
        held = 0
        for file_id in self._ids():
            with suppress(OSError):  # deleted meanwhile
                held += (self._folder / file_id / "content").stat().st_size
        return held

    def get(self, file_id: str) -> Upload:
        """What is known of a file.

        Raises:
            UnknownFile
        """
        try:
            return Upload(**json.loads((self._of(file_id) / "file.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            raise UnknownFile(file_id) from None

    def content(self, file_id: str) -> bytes:
        """A file's bytes.

        Raises:
            UnknownFile
        """
        try:
            return (self._of(file_id) / "content").read_bytes()
        except OSError:
            raise UnknownFile(file_id) from None

    def delete(self, file_id: str) -> None:
        """Let go of a file; what was made of it in collections stays.

        Raises:
            UnknownFile
        """
        folder = self._of(file_id)
        try:
            folder.rename(gone := self._folder / f"{_LEFT}{file_id}{_GONE}")
        except OSError:
            raise UnknownFile(file_id) from None
        shutil.rmtree(gone, ignore_errors=True)

    def all(self) -> list[Upload]:
        """Every file, the newest first."""
        found = []
        for file_id in self._ids():
            try:
                found.append(self.get(file_id))
            except UnknownFile:  # deleted meanwhile
                continue
        return sorted(found, key=lambda one: (-one.created, one.id))

    def sweep(self) -> None:
        """Delete what was being written or deleted by those who were killed."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.name.startswith(_LEFT) and (path.name.endswith(_GONE) or _age_s(path) > _LEFT_S):
                    shutil.rmtree(path, ignore_errors=True)

    def _ids(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return [path.name for path in self._folder.iterdir() if _ID.fullmatch(path.name)]

    def _of(self, file_id: str) -> Path:
        if not _ID.fullmatch(file_id):
            raise UnknownFile(file_id)
        return self._folder / file_id


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
