"""What every runtime must hold; a new one is a new row in `BACKENDS`."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder.backends import load_backend
from embedder.backends.form import Forms, form_key
from embedder.backends.packed import PackedBackend
from embedder.backends.placement import Placement
from embedder.backends.sources import model_folder
from embedder.config import DEFAULT_MODEL, Settings
from embedder.errors import InvalidInput
from embedder.protocols import Backend
from embedder.replica import resolve_prompt
from embedder.types import EmbedOptions, Prompt
from tests.contract.conftest import BACKENDS, EXTRAS, OTHERS, PACKED

pytestmark = pytest.mark.model

BackendOf = Callable[[str], Backend]
every_backend = pytest.mark.parametrize("name", BACKENDS)
every_peer = pytest.mark.parametrize("name", [name for name in BACKENDS if name != "hashing"])

WORDS = (
    *("the", "weather", "is", "lovely", "today", "so", "we", "drove", "to", "a", "stadium"),
    "東京",
    "naïve",
    "🙂",
    "RUN",
    "3.14",
)
HARD = [
    "a",
    " ",
    "   spaces   around\t",
    "\u200b",
    "é" * 300,
    "UPPER lower",
    "🙂🙂",
    "مرحبا بالعالم",
    "x" * 2000,
    "a\x00b",
    "typed [PAD] in the middle, [unused0] [unused0] and again",  # the padding of one or the other model
]


def mixed_texts(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.choice([1, 2, 5, 12, 40, 120, 400]))) for _ in range(count)]


def prompt_of(backend: Backend, kind: Any = None) -> Prompt:
    return resolve_prompt(backend.info, kind, EmbedOptions())


@every_backend
def test_description_is_whole(name: str, backend_of: BackendOf) -> None:
    info = backend_of(name).info
    assert info.dimensions > 0
    assert info.fingerprint
    assert info.max_tokens is None or info.max_tokens > 2
    assert backend_of(name).workers >= 1


@every_backend
def test_vectors_do_not_depend_on_batch_order_or_company(name: str, backend_of: BackendOf) -> None:
    backend = backend_of(name)
    prompt = prompt_of(backend)
    tokenized = backend.tokenize(mixed_texts(30, seed=1) + HARD, prompt)
    alone = np.vstack([backend.encode([text]) for text in tokenized])
    order = np.random.default_rng(0).permutation(len(tokenized))
    together = backend.encode([tokenized[index] for index in order])
    assert together.shape == (len(tokenized), backend.info.dimensions)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone[order], atol=1e-5)


@every_backend
def test_different_texts_have_different_vectors(name: str, backend_of: BackendOf) -> None:
    backend = backend_of(name)
    vectors = backend.encode(
        backend.tokenize(["lovely weather", "a stadium", "we drove"], prompt_of(backend))
    )
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(vectors[one] - vectors[other]).max() > 1e-3


@every_backend
def test_truncation_is_seen_exactly_where_it_happens(name: str, backend_of: BackendOf) -> None:
    backend = backend_of(name)
    limit = backend.info.max_tokens
    if limit is None:
        (endless,) = backend.tokenize([" ".join(["word"] * 5000)], Prompt())
        assert (endless.prompt_tokens, endless.truncated) == (5000, False)
        return
    if name == "routed":
        pytest.skip(
            "its tokens are counted by sentence-transformers, which does not tell a full text from a cut one"
        )
    at_limit, past_limit = backend.tokenize(["word " * (limit - 2), "word " * (limit - 1)], Prompt())
    assert (at_limit.prompt_tokens, at_limit.truncated) == (limit, False)
    assert (past_limit.prompt_tokens, past_limit.truncated) == (limit, True)


@every_peer
def test_long_texts_are_cut_as_if_all_of_them_had_been_read(name: str, backend_of: BackendOf) -> None:
    """Only the beginning of a very long text is looked at: the tokens must be the same."""
    backend = backend_of(name)
    if backend.info.max_tokens is None or backend.info.vocabulary_size is None or name in EXTRAS:
        return  # an extra's own tokenizer: tests/backends/test_universal.py
    from embedder.backends.tokenizer import FastTokenizer

    tokenizer = getattr(backend, "inputs", backend)._tokenizer
    assert isinstance(tokenizer, FastTokenizer)
    seven = np.random.default_rng(7)
    texts = [
        "".join(seven.choice(list("ab東 \t.é🙂"), size=60_000)),
        "x" * 50_000 + " and then words " * 2_000,
        " " * 30_000 + "words after much nothing " * 500,
        "東京" * 30_000,
        "a" * 40_000,
    ]
    raw = tokenizer._tokenizer
    for text in texts:
        (ours,) = backend.tokenize([text], Prompt())
        assert list(ours.token_ids or ()) == raw.encode(text).ids
        assert ours.truncated == bool(raw.encode(text).overflowing)


def test_a_text_of_millions_of_characters_costs_about_as_much_as_one_of_thousands(
    backend_of: BackendOf,
) -> None:
    """In characters looked at, not in seconds."""
    tokenizer = backend_of("reference/minilm").inputs._tokenizer  # type: ignore[attr-defined]
    seen: list[int] = []

    class Counting:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def encode_batch(self, words: list[str], **options: Any) -> Any:
            seen.extend(map(len, words))
            return self.inner.encode_batch(words, **options)

        def encode(self, word: str, **options: Any) -> Any:
            seen.append(len(word))
            return self.inner.encode(word, **options)

    inner, tokenizer._tokenizer = tokenizer._tokenizer, Counting(tokenizer._tokenizer)
    try:
        (tokenized,) = tokenizer.tokenize(["some plain words " * 300_000], Prompt())
    finally:
        tokenizer._tokenizer = inner
    assert (tokenized.prompt_tokens, tokenized.truncated) == (256, True)
    assert sum(seen) < 20_000


@every_backend
def test_tokens_are_those_that_are_counted(name: str, backend_of: BackendOf) -> None:
    backend = backend_of(name)
    texts = ["Héllo wörld, 東京!", "word " * 1000]
    if backend.info.vocabulary_size is None:
        with pytest.raises(InvalidInput):
            backend.spans(texts, Prompt())
        return
    for prompt in (Prompt(), Prompt("Find: ")):
        spans = backend.spans(texts, prompt)
        tokenized = backend.tokenize(texts, prompt)
        for text, span, counted in zip(texts, spans, tokenized, strict=True):
            assert len(span.tokens) == len(span.token_ids) == len(span.offsets) == counted.prompt_tokens
            assert span.truncated == counted.truncated
            assert span.token_ids == counted.token_ids
            whole = prompt.text + text
            assert all(0 <= start <= end <= len(whole) for start, end in span.offsets)


@every_backend
def test_token_ids_are_taken_as_they_are(name: str, backend_of: BackendOf) -> None:
    backend = backend_of(name)
    if backend.info.vocabulary_size is None:
        with pytest.raises(InvalidInput):
            backend.tokenize([(1, 2, 3)], Prompt())
        return
    (spelled,) = backend.tokenize(["some words here"], Prompt())
    assert spelled.token_ids is not None
    (given,) = backend.tokenize([spelled.token_ids], Prompt())
    np.testing.assert_allclose(backend.encode([given]), backend.encode([spelled]), atol=1e-6)


@every_backend
def test_tokenises_in_threads_while_others_compute(name: str, backend_of: BackendOf) -> None:
    backend = backend_of(name)
    prompt = prompt_of(backend)
    texts = mixed_texts(40, seed=2)
    expected = backend.tokenize(texts, prompt)
    batch = backend.tokenize(["compute this"], prompt)
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(backend.tokenize, texts, prompt) for _ in range(12)]
        for _ in range(5):
            backend.encode(batch)
        assert all(task.result() == expected for task in tasks)


@every_peer
@pytest.mark.parametrize("kind", [None, "query", "document"])
def test_equals_sentence_transformers(
    name: str, kind: Any, backend_of: BackendOf, peer_of: Callable[[str], Any]
) -> None:
    backend, peer = backend_of(name), peer_of(name)
    texts = mixed_texts(20 if name.endswith("minilm") else 60, seed=3) + HARD  # a real model takes its time
    encode = {None: peer.encode, "query": peer.encode_query, "document": peer.encode_document}[kind]
    theirs = encode(texts, show_progress_bar=False)
    tokenized = backend.tokenize(texts, prompt_of(backend, kind))
    for size in (1, 7, len(texts)):
        ours = np.vstack(
            [backend.encode(tokenized[start : start + size]) for start in range(0, len(texts), size)]
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@every_peer
def test_says_truly_whether_vectors_are_normalised(name: str, backend_of: BackendOf) -> None:
    backend = backend_of(name)
    vectors = backend.encode(backend.tokenize(mixed_texts(10, seed=4), prompt_of(backend)))
    off = np.abs(np.linalg.norm(vectors, axis=1) - 1).max()
    assert (off < 1e-5) == backend.info.normalized


def test_models_take_the_fastest_road_they_can(backend_of: BackendOf) -> None:
    for name in PACKED:
        assert backend_of(name).info.runtime == "packed"
    for name in (*OTHERS, "reference/minilm"):
        assert backend_of(name).info.runtime == "sentence-transformers"
    kinds = {name: type(backend_of(name).inputs).__name__ for name in OTHERS}  # type: ignore[attr-defined]
    assert kinds == {"static": "StaticInputs", "routed": "TextInputs", "left-padded": "PaddedInputs"}


def test_runtimes_that_agree_share_a_fingerprint(backend_of: BackendOf) -> None:
    for name in ("minilm", "plain-with-prompts"):
        assert backend_of(name).info.fingerprint == backend_of(f"reference/{name}").info.fingerprint


def test_fingerprint_names_the_space(backend_of: BackendOf, tmp_path: Any) -> None:
    """Equal for a copy elsewhere, different once a weight, the limit or the pooling changes."""
    import json
    import shutil

    from safetensors.numpy import load_file, save_file

    from embedder.backends import load_backend
    from embedder.config import Settings

    def variant(label: str, change: Callable[[Any], None]) -> str:
        folder = tmp_path / label
        shutil.copytree(model_folder(DEFAULT_MODEL), folder)
        change(folder)
        settings = Settings.load(
            {"runtime": "sentence-transformers"}
        )  # sooner loaded, and of one fingerprint
        return load_backend("elsewhere", str(folder), settings).info.fingerprint

    def other_weight(folder: Any) -> None:
        weights = load_file(folder / "model.safetensors")
        name = "embeddings.LayerNorm.bias"
        weights[name] = weights[name] + np.float32(1e-3)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    def other_limit(folder: Any) -> None:
        (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 128, "do_lower_case": false}')

    def other_pooling(folder: Any) -> None:
        path = folder / "1_Pooling" / "config.json"
        config = json.loads(path.read_text())
        path.write_text(
            json.dumps(config | {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True})
        )

    def no_normalising(folder: Any) -> None:
        modules = json.loads((folder / "modules.json").read_text())
        (folder / "modules.json").write_text(json.dumps(modules[:2]))

    original = backend_of("minilm").info.fingerprint
    changes = [other_weight, other_limit, other_pooling, no_normalising]
    changed = [variant(change.__name__, change) for change in changes]
    assert variant("copy", lambda folder: None) == original
    assert len({original, *changed}) == 5


@pytest.mark.parametrize("name", ["roberta", "mpnet", "distilbert"])
def test_every_architecture_has_a_graph_that_says_the_same(
    name: str, model_folders: Callable[[str], str], peer_of: Callable[[str], Any], tmp_path: Path
) -> None:
    """Whether a trial would take it here or not."""
    settings = Settings(cache_dir=tmp_path)
    folder = model_folder(model_folders(name))
    load_backend("org/it", str(folder), settings)
    form = Forms(tmp_path).recall(form_key(folder), "org/it")
    assert form is not None
    backend = PackedBackend(folder, replace(form, graph_tokens=1 << 20), Placement())
    backend.wait_for_graph()
    assert backend._graph is not None
    texts = mixed_texts(40, seed=5) + HARD
    tokenized = backend.tokenize(texts, Prompt())
    expected = peer_of(name).encode(texts, show_progress_bar=False)
    for size in (1, len(texts)):
        ours = [backend.encode(tokenized[start : start + size]) for start in range(0, len(texts), size)]
        np.testing.assert_allclose(np.vstack(ours), expected, atol=1e-5)
    assert backend._graph is not None, "it did not fail on the way"


def test_a_model_without_a_packed_form_says_why_it_runs_in_the_reference(
    model_folders: Callable[[str], str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="embedder"):
        backend = load_backend("org/left", model_folders("left-padded"), Settings(cache_dir=tmp_path))
    assert backend.info.runtime == "sentence-transformers"
    assert "no packed form for architecture llama" in caplog.text
