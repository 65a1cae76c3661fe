"""What must be known of a model to run it packed, learned once from sentence-transformers and kept.

Importing sentence-transformers takes seconds. What it knows of a model (its tokenizer, limits,
prompts, modules) is written down when the model is first loaded and its packed vectors were found
to be the same; from then on weights and this record are enough. The record is only believed for
the very files, libraries and code that it was made with.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.backends.architectures import Unsupported
from embedder.backends.inputs import PaddedInputs
from embedder.types import ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

    from embedder.backends.sentence_transformers import SentenceTransformersBackend

_LOG = logging.getLogger(__name__)

_LIBRARIES = ("torch", "sentence-transformers", "transformers", "tokenizers", "onnx", "onnxruntime")
_MOST_RECORDS = 64


@dataclass(frozen=True, slots=True)
class Form:
    """A model as its files and this record make it.

    `config` is the transformer's, `tokenizer` a `tokenizer.json`; `modules` are those after the
    transformer: class, path below the folder, configuration. `special_ids` are the tokens that
    are never part of a prompt's length. `neighbours_kept` has what other precisions than float32
    were found to cost, by `Placement.name`; `graph_tokens` up to how many tokens the graph of the
    encoder was the faster one, None where that is not known; `shared_tokens` from how many on all cores
    were faster than one, by the number of threads they were tried with.
    """

    info: ModelInfo
    transformer_path: str
    config: Mapping[str, Any]
    tokenizer: str
    special_ids: tuple[int, ...]
    modules: tuple[tuple[str, str, Mapping[str, Any]], ...]
    neighbours_kept: Mapping[str, float] = field(default_factory=dict)
    graph_tokens: int | None = None
    shared_tokens: Mapping[str, int] = field(default_factory=dict)


def describe(reference: SentenceTransformersBackend, folder: Path) -> Form:
    """The form of a model that sentence-transformers has loaded from `folder`.

    Raises:
        Unsupported: it is not one transformer with a Rust tokenizer and modules after it.
    """
    modules = list(reference.model)
    names = [type(module).__name__ for module in modules]
    paths = _module_paths(folder)
    if names[:2] != ["Transformer", "Pooling"] or len(paths) != len(names):
        raise Unsupported(f"modules {', '.join(names)}")
    if not isinstance(reference.inputs, PaddedInputs) or reference.info.max_tokens is None:
        raise Unsupported("tokens that only its own code can make")
    tokenizer = modules[0].tokenizer
    if next(modules[0].auto_model.parameters()).dtype.itemsize != 4:
        raise Unsupported("weights that are not float32")
    return Form(
        info=reference.info,
        transformer_path=paths[0],
        config=json.loads(modules[0].auto_model.config.to_json_string(use_diff=False)),
        tokenizer=tokenizer.backend_tokenizer.to_str(),
        special_ids=tuple(tokenizer.all_special_ids),
        modules=tuple(
            (name, path, json.loads(json.dumps(module.get_config_dict(), default=str)))
            for name, path, module in zip(names[1:], paths[1:], modules[1:], strict=True)
        ),
    )


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a transformer's safetensors files, mapped, not yet read.

    Raises:
        Unsupported: there are none where sentence-transformers would look first.
    """
    from safetensors.torch import load_file

    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        files = {"model.safetensors"}
    elif index.is_file():
        files = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    else:
        raise Unsupported("weights that are not in model.safetensors")
    return {name: tensor for file in sorted(files) for name, tensor in load_file(folder / file).items()}


class Forms:
    """The records kept under a cache folder; without a writable one everything is learned anew."""

    def __init__(self, cache_dir: Path) -> None:
        self._folder = cache_dir / "models"

    def recall(self, key: str, model_id: str) -> Form | None:
        """The form kept under `key`, for a model served as `model_id`; None if there is none."""
        try:
            kept = json.loads((self._folder / f"{key}.json").read_text("utf-8"))
            info = ModelInfo(**kept.pop("info") | {"id": model_id})
            kept["modules"] = tuple((name, path, config) for name, path, config in kept["modules"])
            return Form(info=info, **kept | {"special_ids": tuple(kept["special_ids"])})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def keep(self, key: str, form: Form) -> None:
        """Write `form` down under `key`, whole or not at all."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._forget_old()
            with tempfile.NamedTemporaryFile("w", dir=self._folder, delete=False, encoding="utf-8") as file:
                json.dump(asdict(form), file)
            os.replace(file.name, self._folder / f"{key}.json")
        except OSError as error:
            _LOG.info("What was learned of the model could not be kept (%s).", error.strerror)

    def _forget_old(self) -> None:
        records = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in records[: max(0, len(records) - _MOST_RECORDS + 1)]:
            path.unlink(missing_ok=True)


def form_key(folder: Path) -> str:
    """A name for these files, these libraries, this processor and this code."""
    import torch

    digest = hashlib.sha256()
    versions = [f"{name} {_version(name)}" for name in _LIBRARIES]
    digest.update(json.dumps([versions, torch.backends.cpu.get_cpu_capability(), _processor()]).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()};{path.stat().st_size};".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _processor() -> str:
    """Its maker's name for it, where the system tells: several machines may share a cache on a disk."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def _module_paths(folder: Path) -> list[str]:
    path = folder / "modules.json"
    if not path.is_file():
        return []
    return [str(module.get("path", "")) for module in json.loads(path.read_text("utf-8"))]
