"""How texts become a sentence-transformers model's features, by the kind of its first module.

A model is tokenised once, for counting, batching and computing alike. Whether our features are
the model's own is checked when it is loaded, on texts that are hard to get right; where they
differ, the model's own `encode` is given the texts (`TextInputs`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from embedder.backends.tokenizer import FastTokenizer
from embedder.errors import InvalidInput
from embedder.types import Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

KNOWN_PROMPTS = 256
"""The lengths of so many prompts are remembered: a model has a few, but callers may bring their own."""
_PROBES = ["Hello world", "  Ünïcode, 東京, emoji 🙂 and\ta tab ", "lorem ipsum " * 3000, "MiXeD case 1234.5"]


class Inputs(Protocol):
    """From texts to what the model computes on."""

    pads: bool
    takes_ids: bool
    max_tokens: int | None

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Tokens after prompt and truncation."""

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """The same, to be looked at."""

    def embed(self, batch: Sequence[TokenizedText]) -> torch.Tensor:
        """One forward pass; `(n, d)`. All of a batch share one prompt."""


def choose_inputs(model: SentenceTransformer) -> Inputs:
    """The fastest inputs that give this model exactly the features it gives itself."""
    for make in (PaddedInputs, StaticInputs):
        try:
            inputs = make(model)
            if all(_same_features(model, inputs, [probe]) for probe in _PROBES) and _same_features(
                model, inputs, _PROBES
            ):
                return inputs
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return TextInputs(model)


def _same_features(model: SentenceTransformer, inputs: PaddedInputs | StaticInputs, texts: list[str]) -> bool:
    import torch

    own = inputs.features(inputs.tokenize(texts, Prompt()))
    theirs = model.preprocess(texts)
    return own.keys() == theirs.keys() and all(
        torch.equal(value, theirs[name]) if isinstance(value, torch.Tensor) else value == theirs[name]
        for name, value in own.items()
    )


class PaddedInputs:
    """A transformer with a Rust tokenizer: ids padded to the longest of the batch, and a mask."""

    pads = True
    takes_ids = True

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model
        self._outer = model.tokenizer
        self.max_tokens = _limit(model.max_seq_length)
        self._tokenizer = FastTokenizer(
            self._outer.backend_tokenizer.to_str(), self.max_tokens, special_tokens=True
        )
        self._pad_id = int(self._outer.pad_token_id)
        self._left = self._outer.padding_side == "left"
        self._names = frozenset(self._outer.model_input_names)
        self.tokenize = self._tokenizer.tokenize
        self.spans = self._tokenizer.spans

    def features(self, batch: Sequence[TokenizedText]) -> dict[str, Any]:
        """What the model's own `preprocess` gives for these texts."""
        import numpy as np
        import torch

        longest = max(text.prompt_tokens for text in batch)
        input_ids = np.full((len(batch), longest), self._pad_id, dtype=np.int64)
        mask = np.zeros_like(input_ids)
        for row, text in enumerate(batch):
            place = slice(longest - text.prompt_tokens, None) if self._left else slice(text.prompt_tokens)
            input_ids[row, place] = text.token_ids or ()
            mask[row, place] = 1
        features: dict[str, Any] = {"input_ids": torch.from_numpy(input_ids), "modality": "text"}
        if "token_type_ids" in self._names:
            features["token_type_ids"] = torch.zeros_like(features["input_ids"])
        features["attention_mask"] = torch.from_numpy(mask)
        if prompt := batch[0].prompt.text:
            features["prompt_length"] = self._model[0]._get_prompt_length(prompt)
            _bound_known_prompts(self._model)
        return features

    def embed(self, batch: Sequence[TokenizedText]) -> torch.Tensor:
        """One forward pass over our own features; `(n, d)`."""
        return _forward(self._model, self.features(batch))


class StaticInputs:
    """A static model: the rows of a table, averaged; ids one after the other, no padding."""

    pads = False
    takes_ids = True

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model
        self.max_tokens = _limit(model.max_seq_length)
        self._tokenizer = FastTokenizer(model[0].tokenizer.to_str(), self.max_tokens, special_tokens=False)
        self.tokenize = self._tokenizer.tokenize
        self.spans = self._tokenizer.spans

    def features(self, batch: Sequence[TokenizedText]) -> dict[str, Any]:
        """What the model's own `preprocess` gives for these texts."""
        import numpy as np
        import torch

        starts = np.cumsum([0] + [text.prompt_tokens for text in batch[:-1]])
        token_ids = [token_id for text in batch for token_id in text.token_ids or ()]
        return {
            "input_ids": torch.tensor(token_ids, dtype=torch.long),
            "offsets": torch.from_numpy(starts),
        }

    def embed(self, batch: Sequence[TokenizedText]) -> torch.Tensor:
        """One forward pass over our own features; `(n, d)`."""
        return _forward(self._model, self.features(batch))


class TextInputs:
    """Any other model: its own `encode` gets the texts; tokens are counted by its own `preprocess`."""

    pads = True
    takes_ids = False

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model
        self._lock = threading.Lock()
        self.max_tokens = _limit(model.max_seq_length)

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Count the tokens of each text; the ids stay with the model."""
        return [self._tokenize(text, prompt) for text in texts]

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """Not to be had without a Rust tokenizer.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput("This model does not show its tokens.", param="model")

    def embed(self, batch: Sequence[TokenizedText]) -> torch.Tensor:
        """The model's own `encode`; `(n, d)`."""
        prompt = batch[0].prompt
        task = {"task": prompt.task} if prompt.task else {}
        vectors: torch.Tensor = self._model.encode(
            [str(text.text) for text in batch],
            prompt=prompt.text,
            batch_size=len(batch),
            show_progress_bar=False,
            convert_to_tensor=True,
            **task,
        )
        _bound_known_prompts(self._model)
        return vectors

    def _tokenize(self, text: Text, prompt: Prompt) -> TokenizedText:
        if not isinstance(text, str):
            raise InvalidInput("This model does not take token ids. Send text.", param="input")
        task = {"task": prompt.task} if prompt.task else {}
        with self._lock:
            features = self._model.preprocess([text], prompt=prompt.text, **task)
        ids = features.get("input_ids")
        tokens = int(ids.numel()) if ids is not None else max(1, len(text) // 4)
        cut = self.max_tokens is not None and tokens >= self.max_tokens
        return TokenizedText(text, prompt, tokens, cut)


def _bound_known_prompts(model: SentenceTransformer) -> None:
    """sentence-transformers itself never forgets one."""
    known = getattr(model[0], "_prompt_length_mapping", {})
    if len(known) > KNOWN_PROMPTS:
        known.clear()


def _forward(model: SentenceTransformer, features: dict[str, Any]) -> torch.Tensor:
    import torch
    from sentence_transformers.util import batch_to_device

    with torch.inference_mode():
        vectors: torch.Tensor = model(batch_to_device(features, model.device))["sentence_embedding"]
    return vectors


def _limit(max_tokens: float | None) -> int | None:
    """Static models say infinity, some tokenizers 1e30; neither is a limit."""
    if max_tokens is None or math.isinf(max_tokens) or max_tokens > 1_000_000:
        return None
    return int(max_tokens)
