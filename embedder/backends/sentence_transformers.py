"""The reference runtime: any model that sentence-transformers loads, static ones included."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.backends.fingerprint import fingerprint, in_precision
from embedder.backends.inputs import Inputs, choose_inputs
from embedder.backends.placement import Placement
from embedder.backends.threads import use_threads
from embedder.backends.token_table import is_token_table, static_model
from embedder.errors import ModelUnavailable
from embedder.types import ModelInfo, Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer


class SentenceTransformersBackend:
    """One model, one worker thread with all the cores; vectors as the model's own pipeline has them."""

    workers = 1
    express_workers = 0

    def __init__(self, model_id: str, folder: Path, placement: Placement) -> None:
        """Load the model in `folder`.

        Raises:
            ModelUnavailable: sentence-transformers cannot load it.
        """
        self._threads = placement.threads
        self.model = _load(folder, placement.device)
        self.inputs = choose_inputs(self.model)
        self.pads = self.inputs.pads
        self.info = _describe(model_id, self.model, self.inputs)
        if placement.precision == "float16":
            self.model.half()
            self.info = in_precision(self.info, "float16")
        self.batch_tokens = placement.batch_tokens(self.info.dimensions)
        self.encode(self.inputs.tokenize(["warm"], Prompt()))

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Tokenise with `prompt` before each text, cut at `info.max_tokens`.

        Raises:
            InvalidInput: the model takes no token ids.
        """
        return self.inputs.tokenize(texts, prompt)

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """The same tokens, to be looked at.

        Raises:
            InvalidInput: the model has no tokenizer that shows places.
        """
        return self.inputs.spans(texts, prompt)

    def encode(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Float32 `(n, info.dimensions)`, row i for `batch[i]`."""
        use_threads(self._threads)
        vectors: NDArray[np.float32] = self.inputs.embed(batch).float().cpu().numpy()
        return vectors

    def close(self) -> None:
        """Memory goes with the last reference."""


def _load(folder: Path, device: str) -> SentenceTransformer:
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.utils.logging.disable_progress_bar()
    try:
        if is_token_table(folder):
            return static_model(folder, device).eval()
        model = SentenceTransformer(
            str(folder),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"sentence-transformers could not load {str(folder)!r} ({type(error).__name__}: {error})."
        ) from error
    return model.eval()


def _describe(model_id: str, model: SentenceTransformer, inputs: Inputs) -> ModelInfo:
    return ModelInfo(
        id=model_id,
        dimensions=int(model.get_embedding_dimension()),
        max_tokens=inputs.max_tokens,
        fingerprint=fingerprint(model.state_dict(), _space(model, inputs.max_tokens)),
        runtime="sentence-transformers",
        normalized=type(model[-1]).__name__ == "Normalize",
        vocabulary_size=_vocabulary_size(model) if inputs.takes_ids else None,
        prompts=dict(model.prompts),
        default_prompt_name=model.default_prompt_name,
        routed=any(type(module).__name__ == "Router" for module in model),
    )


def _space(model: SentenceTransformer, max_tokens: int | None) -> dict[str, Any]:
    """What besides the weights makes the vectors: modules, limit, tokenizer, precision class."""
    return {
        "modules": [_module_config(module) for module in model],
        "max_tokens": max_tokens,
        "tokenizer": _tokenizer_json(model),
        "precision": str(next((p.dtype for p in model.parameters()), "none")),
    }


def _module_config(module: Any) -> list[Any]:
    config = module.get_config_dict() if hasattr(module, "get_config_dict") else {}
    return [type(module).__name__, json.loads(json.dumps(config, default=str))]


def _tokenizer_json(model: SentenceTransformer) -> Any:
    tokenizer = getattr(model[0], "tokenizer", None)
    backend: Any = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "to_str"):
        return type(tokenizer).__name__
    described = json.loads(backend.to_str())
    # Both are set anew for every call, so they are no part of the space.
    return {name: part for name, part in described.items() if name not in ("padding", "truncation")}


def _vocabulary_size(model: SentenceTransformer) -> int | None:
    """Rows of the table that token ids look up."""
    tables = (m for m in model.modules() if type(m).__name__ in ("Embedding", "EmbeddingBag"))
    table = next(tables, None)
    return None if table is None else int(table.num_embeddings)
