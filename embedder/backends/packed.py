"""The fast runtime: a transformer's vectors without padding, several batches at a time.

The same numbers as the reference runtime, from the same files. Whether they are the same is
checked when a model is first loaded, before the reference is let go.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedder.backends.architectures import Unsupported, make_encoder
from embedder.backends.crossover import Encode, graph_up_to, shared_from
from embedder.backends.encoder import Encoder, Group, number_places
from embedder.backends.fingerprint import in_precision
from embedder.backends.form import Form, read_weights
from embedder.backends.graph import GraphEncoder
from embedder.backends.head import TokenShares, make_step, pool
from embedder.backends.inputs import KNOWN_PROMPTS
from embedder.backends.linear import PlainLinear, Product
from embedder.backends.placement import Placement
from embedder.backends.threads import use_threads
from embedder.backends.tokenizer import FastTokenizer
from embedder.types import Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from embedder.backends.sentence_transformers import SentenceTransformersBackend

_LOG = logging.getLogger(__name__)

AnyEncoder = Encoder | GraphEncoder

_TOLERANCE = 1e-5
_PROBES = (
    "a",
    "Hello world",
    "  Ünïcode, 東京, emoji 🙂 and\ta tab ",
    "a text of a dozen words or so, with punctuation. And MORE?",
    "typed [PAD] or <pad> and [MASK] </s> in a text",
    "long " * 300,
)
NEVER = 2**31
"""More tokens than any batch has: it is left to one core where no trial was won by several."""


class PackedBackend:
    """One copy of the weights; as many batches at a time as cores, or one over all of them."""

    pads = False

    def __init__(self, folder: Path, form: Form, placement: Placement) -> None:
        """Load a model's weights, to where `placement` says.

        Raises:
            Unsupported: the model has no packed form.
        """
        self._form = form
        (name, _, config), *tail = form.modules
        if name != "Pooling":
            raise Unsupported(f"module {name}")
        self._shares = TokenShares(config)
        steps = [make_step(name, config, folder / path, placement.device) for name, path, config in tail]
        self._steps = [step for step in steps if step is not None]
        self._tokenizer = FastTokenizer(form.tokenizer, form.info.max_tokens, special_tokens=True)
        self._encoder = make_encoder(form.config, read_weights(folder / form.transformer_path), placement)
        self._placement = placement
        self._weights_folder = folder / form.transformer_path
        self._graph: GraphEncoder | None = None
        self._graph_tokens = 0
        self._shared_tokens = form.shared_tokens.get(str(placement.threads), NEVER)
        self._graph_made: threading.Thread | None = None
        self._closing = threading.Event()
        self._running = 0
        self._lock = threading.Lock()
        self._prompt_tokens: dict[str, int] = {"": 0}
        # A GPU takes one batch after the other anyway.
        self.workers = placement.threads if placement.on_cpu else 1
        self.express_workers = 1 if placement.on_cpu else 0
        self.batch_tokens = placement.batch_tokens(self._encoder.words.shape[1])
        self.info = replace(form.info, runtime="packed")
        if placement.precision != "float32":
            kept = form.neighbours_kept.get(placement.name)
            self.info = in_precision(self.info, placement.precision, kept)
        self.encode(self.tokenize(["warm"], Prompt()))
        if form.graph_tokens and placement.is_exact:
            # Nobody waits for it: until it is there, the packed encoder does its part.
            self._graph_made = threading.Thread(target=self._make_graph, args=(form.graph_tokens,))
            self._graph_made.start()

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Tokenise with `prompt` before each text, cut at `info.max_tokens`."""
        return self._tokenizer.tokenize(texts, prompt)

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """The same tokens, to be looked at."""
        return self._tokenizer.spans(texts, prompt)

    def encode(self, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        """Float32 `(n, info.dimensions)`, row i for `batch[i]`."""
        lengths = [text.prompt_tokens for text in batch]
        tokens = sum(lengths)
        # Attention in the graph is padded: a long text among short ones costs it all their places.
        places = len(lengths) * max(lengths)
        with self._lock:
            self._running += 1
            alone = self._running == 1
        try:
            shared = alone and tokens >= self._shared_tokens and self._placement.threads > 1
            use_threads(self._placement.threads if shared else 1)
            graph = self._graph
            if graph is not None and places <= self._graph_tokens and not shared:
                try:
                    return self._encode_by(graph, batch)
                except Exception as error:  # ONNX Runtime has exceptions of its own
                    self._graph = None
                    _LOG.warning(
                        "The graph of %s failed with %s; from now on it runs without.",
                        *(self.info.id, type(error).__name__),
                    )
            return self._encode_by(self._encoder, batch)
        finally:
            with self._lock:
                self._running -= 1

    def close(self) -> None:
        """Memory goes with the last reference; a graph that is still being made is given up."""
        self._closing.set()
        self.wait_for_graph()

    def wait_for_graph(self) -> None:
        """Return once it is there, or known not to come."""
        if self._graph_made is not None:
            self._graph_made.join()

    def find_graph(self) -> int:
        """Up to how many tokens this encoder's graph is the faster one here; batches go by it from then on.

        Trials of about a second.
        """
        self._make_graph()
        if self._graph is not None:
            self._graph_tokens = graph_up_to(self._encoder.encode, self._graph.encode)
        if not self._graph_tokens:
            self._graph = None
        return self._graph_tokens

    def find_shared(self) -> int | None:
        """From how many tokens on a text alone is faster on all cores, None where no trial is won.

        Trials of about a second; batches go by them from then on.
        """
        self.wait_for_graph()
        most_tokens, threads = self.info.max_tokens or 0, self._placement.threads
        found = shared_from(self._alone, self._on(threads, self._encoder), most_tokens)
        self._shared_tokens = NEVER if found is None else found
        return found

    def _alone(self, tokens: int) -> Encode:
        """How so many tokens are computed on one core."""
        graph = self._graph if tokens <= self._graph_tokens else None
        return self._on(1, graph or self._encoder)

    @staticmethod
    def _on(threads: int, encoder: AnyEncoder) -> Encode:
        def encode(token_ids: Tensor, places: Tensor, groups: Sequence[Group]) -> Tensor:
            use_threads(threads)
            return encoder.encode(token_ids, places, groups)

        return encode

    def _make_graph(self, tokens: int = 0) -> None:
        """Have the encoder as a graph too, for up to `tokens`, if it can be had and says the same."""
        use_threads(1)  # the first texts may be computed beside this
        try:
            weights = read_weights(self._weights_folder)
            plain = make_encoder(self._form.config, weights, self._placement, Product(PlainLinear))
            if self._closing.is_set():  # a command on a few texts is done by now
                return
            graph = GraphEncoder(plain, beside=self._encoder)
            for batch in _probes(self.tokenize(_PROBES, Prompt())):
                if self._closing.is_set():
                    return
                encoders: tuple[AnyEncoder, ...] = (graph, self._encoder)
                one, other = (self._encode_by(encoder, batch) for encoder in encoders)
                _check_equal(one, other)
        except Exception as error:  # ONNX Runtime has exceptions of its own; without a graph all is served
            reason = str(error) if isinstance(error, Unsupported) else type(error).__name__
            _LOG.info("The model %s runs without a graph for few tokens: %s.", self.info.id, reason)
            return
        self._graph, self._graph_tokens = graph, tokens

    def _encode_by(self, encoder: AnyEncoder, batch: Sequence[TokenizedText]) -> NDArray[np.float32]:
        import torch

        device = self._placement.device
        order = sorted(range(len(batch)), key=lambda row: batch[row].prompt_tokens)
        lengths = [batch[row].prompt_tokens for row in order]
        shares = self._shares.of(lengths, self._count_prompt(batch[0].prompt.text))
        ids = np.fromiter((token_id for row in order for token_id in batch[row].token_ids or ()), np.int64)
        text_tokens = np.array(lengths)
        places = number_places(ids, text_tokens, self._encoder.padding_id)
        groups = [(len(list(texts)), length) for length, texts in groupby(lengths)]

        def there(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(array).to(device)

        with torch.inference_mode():
            hidden = encoder.encode(there(ids), there(places), groups)
            vectors = pool(hidden, there(shares), there(text_tokens))
            for step in self._steps:
                vectors = step(vectors)
        in_place = np.empty(vectors.shape, dtype=np.float32)
        in_place[order] = vectors.cpu().numpy()
        return in_place

    def compare(self, reference: SentenceTransformersBackend) -> None:
        """Refuse to stand for `reference` where tokens or vectors differ.

        Raises:
            Unsupported
        """
        for prompt in {Prompt(), *(Prompt(text) for text in self.info.prompts.values())}:
            batch = self.tokenize(_PROBES, prompt)
            if batch != reference.tokenize(_PROBES, prompt):
                raise Unsupported("tokens that differ")
            for some in _probes(batch):
                _check_equal(self.encode(some), reference.encode(some))

    def _count_prompt(self, prompt: str) -> int:
        """Tokens of `prompt` as sentence-transformers counts them: without a special one at the end."""
        if self._shares.includes_prompt:
            return 0
        known = self._prompt_tokens.get(prompt)
        if known is None:
            ids = self.tokenize([prompt], Prompt())[0].token_ids or ()
            known = len(ids) - (bool(ids) and ids[-1] in self._form.special_ids)
            if len(self._prompt_tokens) >= KNOWN_PROMPTS:
                self._prompt_tokens.clear()
            self._prompt_tokens[prompt] = known
        return known


def _probes(tokenized: list[TokenizedText]) -> list[list[TokenizedText]]:
    """Each by itself, which needs no padding, and all in one batch."""
    return [*([text] for text in tokenized), tokenized]


def _check_equal(one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    difference = float(np.abs(one - other).max())
    if not difference <= _TOLERANCE:
        raise Unsupported(f"vectors that differ by {difference:.1e}")
