"""Files and folders where all nodes reach them: a shared disk or object storage, by pyarrow."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from embedder.errors import ConfigError, FileUnreadable, TesseraError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_OBJECT_STORES = ("s3", "gcs", "abfs")
"""What is written there is to be seen when it is whole, and not before."""
_BUCKETS = ("s3", "gs", "gcs")
_PART = ".part"


@dataclass(frozen=True, slots=True)
class File:
    """A file below a folder: its name relative to that, its size, and when it was written last."""

    name: str
    size_bytes: int
    written_ns: int


@dataclass(frozen=True, slots=True)
class Place:
    """A file or a folder; `address` is how it is told to a person. It travels between nodes, without keys."""

    filesystem: FileSystem
    path: str
    address: str

    def __truediv__(self, name: str) -> Place:
        """What is called `name` in this folder; "" is the place itself."""
        if not name:
            return self
        return replace(self, path=f"{self.path}/{name}", address=f"{self.address}/{name}")

    @property
    def parent(self) -> Place:
        """The folder it is in."""
        return replace(self, path=_above(self.path), address=_above(self.address))

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def uri(self) -> str:
        """Where it is, for those who open it without pyarrow."""
        return self.path if self.filesystem.type_name == "local" else self.address

    @property
    def kind(self) -> Literal["file", "folder", "nothing"]:
        """What there is of that name.

        Raises:
            FileUnreadable: it cannot be reached.
        """
        from pyarrow.fs import FileType

        with _readable(self):
            found = self.filesystem.get_file_info(self.path).type
        if found == FileType.NotFound:
            return "nothing"
        return "folder" if found == FileType.Directory else "file"

    def files(self, *, deep: bool = True) -> list[File]:
        """The files in this folder, by name, hidden ones too; none where there is no folder.

        Raises:
            FileUnreadable: it cannot be reached.
        """
        from pyarrow.fs import FileSelector, FileType

        with _readable(self):
            selector = FileSelector(self.path, allow_not_found=True, recursive=deep)
            found = self.filesystem.get_file_info(selector)
        inside = len(self.path) + 1
        return sorted(
            (
                File(one.path[inside:], one.size, one.mtime_ns or 0)
                for one in found
                if one.type == FileType.File
            ),
            key=lambda file: file.name,
        )

    def about(self) -> File:
        """This file, with its own name.

        Raises:
            FileUnreadable
        """
        with _readable(self):
            found = self.filesystem.get_file_info(self.path)
        return File(self.name, found.size or 0, found.mtime_ns or 0)

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """The file, open for reading at any place.

        Raises:
            FileUnreadable: it is not there, or what is read of it in the block fails.
        """
        with _readable(self), self.filesystem.open_input_file(self.path) as source:
            yield source

    def read(self) -> bytes:
        """All of the file.

        Raises:
            FileUnreadable
        """
        with self.reading() as source:
            return bytes(source.read())

    def put(self, data: bytes) -> None:
        """Write the file, in place of what was there: whole or not at all, whenever this process stops.

        Raises:
            ConfigError: it cannot be written.
        """
        at_once = self.filesystem.type_name in _OBJECT_STORES
        part = self if at_once else self.parent / f".{self.name}.{uuid.uuid4().hex}{_PART}"
        with _writable(self):
            if not at_once:
                self.filesystem.create_dir(self.parent.path, recursive=True)
            try:
                # Not as a context: its end would make an object of what an error left half.
                sink = self.filesystem.open_output_stream(part.path)
                sink.write(data)
                sink.close()
                if not at_once:
                    _sync(part)
                    self.filesystem.move(part.path, self.path)
            except OSError:
                if not at_once:
                    part.remove()
                raise

    def remove(self) -> None:
        """Delete the file or folder, if it is there.

        Raises:
            ConfigError, FileUnreadable
        """
        kind = self.kind
        with _writable(self):
            if kind == "folder":
                self.filesystem.delete_dir(self.path)
            elif kind == "file":
                self.filesystem.delete_file(self.path)


def place_of(address: str) -> Place:
    """The place at `address`: a path, or what pyarrow opens: `s3://bucket/folder`, `gs://`, `hdfs://`.

    Keys are the environment's. `AWS_ENDPOINT_URL` names a store that speaks as S3 does.

    Raises:
        ConfigError: it is no such address; the message does not hold it.
    """
    import pyarrow as pa
    from pyarrow.fs import FileSystem, LocalFileSystem

    if "://" not in address:
        local = Path(address).expanduser().absolute()
        return Place(LocalFileSystem(), local.as_posix(), address.rstrip("/") or "/")
    try:
        parts = urlsplit(address)
        if parts.username or parts.password:
            raise ConfigError("Leave keys out of an address: AWS_ACCESS_KEY_ID and the like are for them.")
        if parts.scheme in _BUCKETS and not parts.netloc:
            raise ConfigError(f"After {parts.scheme}:// comes the name of a bucket.")
        if parts.scheme == "s3" and not parts.query and _endpoint():
            filesystem, path = _compatible(_endpoint()), f"{parts.netloc}{parts.path}"
        else:
            filesystem, path = FileSystem.from_uri(address)
    except (pa.ArrowException, OSError, ValueError) as error:
        said = str(error).splitlines()[0][:200]
        raise ConfigError(f"This is no address that pyarrow opens: {said}") from None
    told = address.partition("?")[0].rstrip("/")
    return Place(filesystem, str(path).rstrip("/"), told)


def lance_options(place: Place) -> dict[str, str]:
    """What Lance must be told to reach a place as pyarrow does."""
    endpoint = _endpoint() if place.filesystem.type_name == "s3" else ""
    if not endpoint:
        return {}
    return {"aws_endpoint": endpoint, "allow_http": str(endpoint.startswith("http://")).lower()}


def is_leftover(name: str) -> bool:
    """Whether a file of that name was being written when its process ended."""
    return name.startswith(".") and name.endswith(_PART)


def _endpoint() -> str:
    """Where S3 is, if not at Amazon's; pyarrow looks for neither variable."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _compatible(endpoint: str) -> FileSystem:
    from pyarrow.fs import S3FileSystem

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    # Named, or it would ask Amazon where the bucket is.
    return S3FileSystem(endpoint_override=endpoint, region=region)


def _above(path: str) -> str:
    return path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")


def _sync(part: Place) -> None:
    """Have a local disk keep what was written before the name says that it is there."""
    if part.filesystem.type_name == "local":
        with open(part.path, "rb") as written:
            os.fsync(written.fileno())


def _readable(place: Place) -> AbstractContextManager[None]:
    return _reaching(place, "read", FileUnreadable)


def _writable(place: Place) -> AbstractContextManager[None]:
    return _reaching(place, "written", ConfigError)


@contextmanager
def _reaching(place: Place, how: str, failed: type[TesseraError]) -> Iterator[None]:
    """What fails there as an error of ours."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise failed(f"{place.address} cannot be {how}: {_said(error)}.") from None


def _said(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0] or type(error).__name__
    return str(reason)[:200].rstrip(".")
