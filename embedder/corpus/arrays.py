"""NPY and NPZ: vectors with or without their texts. Nothing in them is ever unpickled."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.corpus.given import VECTOR_NAMES
from embedder.corpus.rows import Record, Row, Source, check_columns, clean_name
from embedder.errors import FileUnreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ARRAYS = 1100
_TEXTS = ("texts", "text", "sentences", "documents", "contents")
_PICKLED = "holds Python objects, which are never unpacked here, for they can run code"
_COLUMN = "column:"
_HEADER_BYTES = 20_000


def read_npy(data: bytes) -> Source:
    """Vectors `(n, d)` without texts: they are numbered.

    Raises:
        FileUnreadable: broken, pickled, or not two-dimensional numbers.
    """
    vectors = _array(data, "The NPY file")
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.size:
        raise FileUnreadable(
            f"The NPY file holds {vectors.dtype} of shape {_shape(vectors)}; vectors are numbers of shape "
            "(texts, dimensions)."
        )
    return _source({"vectors": vectors}, "vectors")


def read_npz(data: bytes, max_bytes: int) -> Source:
    """Arrays by name: `vectors` or `embeddings`, `texts`, and whatever else has as many rows as columns.

    `column:NAME`, `points`, `clusters`, `model` and `fingerprint` are as our own exports have them.
    Arrays of more than `max_bytes` in all are not unpacked.

    Raises:
        FileUnreadable
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            unpacked_bytes = sum(entry.file_size for entry in entries)
            if unpacked_bytes > max_bytes or len(entries) > MAX_ARRAYS:
                raise FileUnreadable(
                    f"The NPZ file unpacks to {unpacked_bytes / 2**20:,.0f} MB in {len(entries):,} arrays, "
                    "which is more than is read. Split it."
                )
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                arrays[name] = _array(archive.read(entry), f"The array {name[:40]!r} of the NPZ file")
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        raise FileUnreadable(f"The NPZ file is broken: {str(error)[:120]}. Save it again.") from None
    except Exception as error:  # zlib.error and what else broken bytes lead to
        if isinstance(error, FileUnreadable | MemoryError):
            raise
        raise FileUnreadable(f"The NPZ file is broken ({type(error).__name__}). Save it again.") from None
    vectors = _vectors_of(arrays)
    if vectors is None and not any(name in arrays for name in _TEXTS):
        there = ", ".join(f"{name[:40]} {_shape(array)}" for name, array in list(arrays.items())[:8])
        raise FileUnreadable(
            "The NPZ file holds neither vectors (numbers of shape (texts, dimensions)) nor texts. "
            f"It has: {there or 'nothing'}."
        )
    return _source(arrays, vectors)


def is_npz(data: bytes) -> bool:
    """Whether a zip archive holds arrays."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _array(data: bytes, what: str) -> NDArray[Any]:
    """One NPY, whose header must agree with the bytes that are there before room is made for them.

    Raises:
        FileUnreadable
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f"version {version} is not known")
        shape, _, dtype = read_header(stream, max_header_size=_HEADER_BYTES)
        if dtype.hasobject:
            raise FileUnreadable(f"{what} {_PICKLED}. Save it as numbers or plain strings.")
        if math.prod(shape) * max(dtype.itemsize, 1) > len(data) - stream.tell():
            raise ValueError("it ends too early")
        stream.seek(0)
        array: NDArray[Any] = np.load(stream, allow_pickle=False)
    except FileUnreadable:
        raise
    except MemoryError:
        raise
    except Exception as error:  # numpy's own parser raises many kinds
        raise FileUnreadable(f"{what} is broken: {str(error)[:120]}. Save it again.") from None
    return array


def _vectors_of(arrays: Mapping[str, NDArray[Any]]) -> str | None:
    """The array of vectors: the one of such a name, else the widest."""

    def fits(array: NDArray[Any]) -> bool:
        return array.ndim == 2 and array.dtype.kind in "fiu" and array.size > 0

    named = [name for name in (*VECTOR_NAMES, "arr_0", "X") if name in arrays and fits(arrays[name])]
    other = [name for name, array in arrays.items() if fits(array) and array.shape[1] > 2]
    return next(iter(named or sorted(other, key=lambda name: -arrays[name].shape[1])), None)


def _source(arrays: Mapping[str, NDArray[Any]], vectors: str | None) -> Source:
    texts = next((name for name in _TEXTS if name in arrays and arrays[name].ndim == 1), None)
    lead = vectors if vectors is not None else texts
    if lead is None:
        raise FileUnreadable("The NPZ file's texts are not a list of strings.")
    n = len(arrays[lead])
    if texts is not None and len(arrays[texts]) != n:
        raise FileUnreadable(
            f"The NPZ file has {n:,} vectors and {len(arrays[texts]):,} texts; there must be one for each."
        )
    columns = _columns(arrays, n, {texts, vectors})
    check_columns(len(columns), 1)
    source = Source(iter(()), "row", model=_word(arrays, "model"), fingerprint=_word(arrays, "fingerprint"))
    source.rows = _rows(n, arrays[texts] if texts else None, columns, arrays[vectors] if vectors else None)
    return source


def _columns(arrays: Mapping[str, NDArray[Any]], n: int, taken: set[str | None]) -> dict[str, NDArray[Any]]:
    """What has a value for each row: columns by name, `points` as x and y, `clusters` as cluster."""
    columns: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if name in taken or not array.ndim or len(array) != n or array.dtype.kind not in "fiuUSb":
            continue
        if name == "points" and array.shape[1:] == (2,):
            columns |= {"x": array[:, 0], "y": array[:, 1]}
        elif array.ndim == 1:
            own = "cluster" if name == "clusters" else name.removeprefix(_COLUMN)
            columns.setdefault(clean_name(own) or "column", array)
    return columns


def _rows(
    n: int, texts: NDArray[Any] | None, columns: dict[str, NDArray[Any]], vectors: NDArray[Any] | None
) -> Iterator[Row]:
    with np.errstate(over="ignore"):
        numbers = None if vectors is None else vectors.astype(np.float32, copy=False)
    for row in range(n):
        cells = {name: _cell(column[row]) for name, column in columns.items()}
        if texts is not None:
            # A column of that name stays beside it.
            cells = {"text": _cell(texts[row])} | {
                ("text_column" if name == "text" else name): cell for name, cell in cells.items()
            }
        yield Record(row + 1, cells, lists={} if numbers is None else {"vectors": numbers[row]})


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


def _word(arrays: Mapping[str, NDArray[Any]], name: str) -> str:
    array = arrays.get(name)
    return str(array)[:200] if array is not None and array.ndim == 0 and array.dtype.kind == "U" else ""


def _shape(array: NDArray[Any]) -> str:
    return "×".join(map(str, array.shape)) or "one value"
