"""The graph for few tokens is the packed encoder, whatever the texts; and is used only where it is faster."""

from __future__ import annotations

import gc
import logging
import sys
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedder import Settings
from embedder.backends import load_backend
from embedder.backends.architectures import Unsupported, make_encoder
from embedder.backends.crossover import SHARED_TOKENS, graph_up_to, shared_from
from embedder.backends.encoder import Encoder
from embedder.backends.form import Form, read_weights
from embedder.backends.graph import GraphEncoder
from embedder.backends.linear import PlainLinear, Product, onednn_linear
from embedder.backends.packed import NEVER, PackedBackend
from embedder.backends.placement import Placement
from embedder.types import Prompt, TokenizedText

pytestmark = pytest.mark.model
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def plain(folder: Path, form: Form) -> Encoder:
    return make_encoder(
        form.config, read_weights(folder / form.transformer_path), Placement(), Product(PlainLinear)
    )


@pytest.fixture(scope="module")
def graph(plain: Encoder) -> GraphEncoder:
    return GraphEncoder(plain)


@pytest.fixture
def backend(folder: Path, form: Form) -> PackedBackend:
    """Uses its graph for 128 tokens and fewer, whatever a trial would say here."""
    made = PackedBackend(folder, replace(form, graph_tokens=128), Placement())
    made.wait_for_graph()
    return made


def inputs(lengths: list[int], seed: int) -> tuple[Any, Any, list[tuple[int, int]]]:
    import torch

    ids = torch.from_numpy(np.random.default_rng(seed).integers(1000, 20_000, sum(lengths)))
    places = torch.cat([torch.arange(length) for length in lengths])
    return ids, places, [(1, length) for length in lengths]


@given(lengths=LENGTHS, seed=st.integers(0, 99))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hidden_states_are_the_packed_encoders(
    plain: Encoder, graph: GraphEncoder, lengths: list[int], seed: int
) -> None:
    import torch

    given_inputs = inputs(lengths, seed)
    with torch.inference_mode():
        torch.testing.assert_close(
            graph.encode(*given_inputs), plain.encode(*given_inputs), rtol=1e-4, atol=2e-5
        )


def test_several_threads_may_ask_at_once(graph: GraphEncoder) -> None:
    import torch

    asked = [inputs([5 + number, 9], number) for number in range(12)]
    with torch.inference_mode():
        alone = [graph.encode(*one) for one in asked]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda one: graph.encode(*one), asked))
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


def texts_of(backend: PackedBackend, *texts: str) -> list[TokenizedText]:
    return backend.tokenize(texts, Prompt())


def spy(backend: PackedBackend, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each call of the graph had; the graph still runs."""
    calls: list[int] = []
    graph = backend._graph
    assert graph is not None
    encode = graph.encode

    def counted(token_ids: Any, places: Any, groups: Any) -> Any:
        calls.append(sum(texts for texts, _ in groups))
        return encode(token_ids, places, groups)

    monkeypatch.setattr(graph, "encode", counted)
    return calls


def test_few_tokens_go_by_the_graph_and_many_do_not(
    backend: PackedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = spy(backend, monkeypatch)
    few = texts_of(backend, "a short text", "and another one, a little longer than that")
    backend.encode(few)
    backend.encode(texts_of(backend, "long " * 200))
    assert calls == [2]


def test_vectors_do_not_tell_which_way_they_went(backend: PackedBackend) -> None:
    texts = ["zebra", "a short text", "a text of a dozen words or so, with punctuation. And MORE?", "東京 🙂"]
    batch = texts_of(backend, *texts)
    by_graph = backend.encode(batch)
    backend._graph_tokens = 0
    np.testing.assert_allclose(by_graph, backend.encode(batch), atol=1e-6)


def test_a_text_alone_that_is_long_enough_takes_all_cores_by_torch(
    folder: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    told = replace(form, graph_tokens=1000, shared_tokens={"2": 96})
    backend = PackedBackend(folder, told, Placement(threads=2))
    backend.wait_for_graph()
    calls, threads = spy(backend, monkeypatch), []
    encode = backend._encode_by

    def watched(encoder: Any, batch: Any) -> Any:
        threads.append(torch.get_num_threads())
        return encode(encoder, batch)

    monkeypatch.setattr(backend, "_encode_by", watched)
    backend.encode(texts_of(backend, "word " * 150))
    assert not calls
    backend.encode(texts_of(backend, "word " * 20))
    assert calls == [1]
    assert threads == [2, 1]


def taking(ms: Callable[[int], float]) -> Any:
    """An encoder that takes so long for so many tokens."""
    return lambda token_ids, places, groups: time.sleep(ms(len(token_ids)) / 1000)


def test_the_crossover_is_where_the_graph_stops_being_faster() -> None:
    assert graph_up_to(taking(lambda n: 6 + n / 16), taking(lambda n: n / 8)) == 64
    assert graph_up_to(taking(lambda n: 1), taking(lambda n: 8)) == 0
    assert graph_up_to(taking(lambda n: 8), taking(lambda n: 1)) == 256


def test_all_cores_are_taken_from_where_they_are_clearly_faster() -> None:
    def alone(tokens: int) -> Any:
        return taking(lambda n: n / 8)

    assert shared_from(alone, taking(lambda n: 4 + n / 16), 256) == 96
    assert shared_from(alone, taking(lambda n: n / 16), 256) == 16
    assert shared_from(alone, taking(lambda n: 1 + n / 8), 256) is None
    assert shared_from(alone, taking(lambda n: 4 + n / 16), 64) is None  # such texts there are none


def test_crossovers_are_measured_and_gone_by(folder: Path, form: Form) -> None:
    assert form.graph_tokens in {0, 16, 32, 64, 128, 256}
    assert set(form.shared_tokens) <= {str(Settings().cpu_threads)}
    made = PackedBackend(folder, form, Placement(threads=2))
    made.wait_for_graph()
    assert made.find_graph() in {0, 16, 32, 64, 128, 256}
    assert made.find_shared() in {None, *SHARED_TOKENS}
    again = PackedBackend(folder, replace(form, shared_tokens={"2": 48}), Placement(threads=2))
    again.wait_for_graph()
    assert again._shared_tokens == 48


def test_a_graph_that_nobody_waits_for_is_given_up(folder: Path, form: Form) -> None:
    made = PackedBackend(folder, replace(form, graph_tokens=128), Placement())
    made.close()
    assert made._graph is None
    assert made._graph_made is not None
    assert not made._graph_made.is_alive()


def test_what_was_tried_with_other_threads_says_nothing_of_these(folder: Path, form: Form) -> None:
    backend = PackedBackend(folder, replace(form, shared_tokens={"4": 32}), Placement(threads=2))
    backend.wait_for_graph()
    assert backend._shared_tokens == NEVER


def test_all_cores_are_tried_for_every_number_of_them_and_a_loss_is_not_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int | None] = []
    answers = iter([None, 64, 32])

    def trial(alone: object, shared: object, most_tokens: int) -> int | None:
        tried.append(next(answers))
        return tried[-1]

    monkeypatch.setattr("embedder.backends.packed.shared_from", trial)
    found = []
    for threads in (2, 2, 2, 3, 3):
        told = Settings.load({"threads": threads, "cache_dir": tmp_path})
        backend = load_backend("minilm", str(folder), told)
        assert isinstance(backend, PackedBackend)
        backend.wait_for_graph()
        found.append(backend._shared_tokens)
    assert tried == [None, 64, 32]
    assert found == [NEVER, 64, 64, 32, 32]


def test_without_onnx_runtime_all_is_served_and_it_is_said(
    folder: Path, form: Form, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with caplog.at_level(logging.INFO, logger="embedder"):
        backend = PackedBackend(folder, replace(form, graph_tokens=128), Placement())
        backend.wait_for_graph()
    assert "ONNX Runtime, which is not installed" in caplog.text
    vectors = backend.encode(texts_of(backend, "a short text"))
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-5)


def test_a_graph_that_fails_in_use_is_let_go_and_nobody_notices(
    backend: PackedBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    batch = texts_of(backend, "a short text", "another")
    expected = backend.encode(batch)
    monkeypatch.setattr(backend._graph, "_session", None)
    np.testing.assert_allclose(backend.encode(batch), expected, atol=1e-6)
    assert backend._graph is None
    assert "from now on it runs without" in caplog.text


def test_a_long_text_among_short_ones_does_not_pad_them_all(
    backend: PackedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = spy(backend, monkeypatch)
    backend.encode(texts_of(backend, "word " * 60, *("short", "shorter") * 8))
    assert not calls
    backend.encode(texts_of(backend, "word " * 60, "short"))
    assert calls == [2]


def test_a_graph_keeps_no_second_table_of_words(folder: Path, form: Form, plain: Encoder) -> None:
    weights = read_weights(folder / form.transformer_path)
    other = make_encoder(form.config, weights, Placement(), Product(PlainLinear))
    words = weakref.ref(other.words)
    graph = GraphEncoder(other, beside=plain)
    del other
    gc.collect()
    assert words() is None
    assert graph.encode(*inputs([5], 1)).shape[0] == 5


def test_layers_that_are_too_large_are_refused_before_anything_is_copied(
    plain: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedder.backends.graph._MOST_BYTES", 1000)
    with pytest.raises(Unsupported, match="too large"):
        GraphEncoder(plain)


def test_a_graph_wants_plain_weights(folder: Path, form: Form) -> None:
    weights = read_weights(folder / form.transformer_path)
    laid_out = make_encoder(form.config, weights, Placement(), Product(onednn_linear))
    with pytest.raises(Unsupported, match="laid out"):
        GraphEncoder(laid_out)


@pytest.mark.parametrize("precision", ["int8"])
def test_other_numbers_have_no_graph(folder: Path, form: Form, precision: Any) -> None:
    backend = PackedBackend(folder, replace(form, graph_tokens=128), Placement(precision=precision))
    assert backend._graph_made is None
