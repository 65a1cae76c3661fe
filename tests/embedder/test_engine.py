from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embedder import EmbedOptions, Engine, Settings
from embedder.backends.hashing import HashingBackend
from embedder.call import cut
from embedder.errors import (
    ContextLengthExceeded,
    InvalidInput,
    ModelUnavailable,
    ShuttingDown,
    TooLarge,
    UnknownModel,
)
from embedder.types import Prompt, Text, TokenizedText
from tests.embedder.conftest import EngineMaker, WatchedBackend, direct

LONG = " ".join(f"word{number}" for number in range(200))


def test_importing_the_engine_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'umap', 'numba', 'gradio', 'transformers', 'fastapi', 'sklearn'}"
    code = f"import sys, embedder; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_full_width_is_what_the_model_gives_and_a_cut_is_normalised(engine_of: EngineMaker) -> None:
    class Scaled(HashingBackend):
        def encode(self, batch):  # type: ignore[no-untyped-def]
            return super().encode(batch) * np.float32(3)

    async with engine_of(Scaled("scaled")) as engine:
        full = await engine.embed(["one text", "another"])
        cut_to_8 = await engine.embed(["one text", "another"], dimensions=8)
        cut_to_all = await engine.embed(["one text"], dimensions=32)
    np.testing.assert_allclose(np.linalg.norm(full.vectors, axis=1), 3, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(cut_to_8.vectors, axis=1), 1, atol=1e-6)
    kept = full.vectors[:, :8]
    np.testing.assert_allclose(
        cut_to_8.vectors, kept / np.linalg.norm(kept, axis=1, keepdims=True), atol=1e-6
    )
    np.testing.assert_array_equal(cut_to_all.vectors[0], full.vectors[0])


@given(hnp.arrays(np.float32, (3, 8), elements=st.floats(-100, 100, width=32)), st.integers(1, 7))
def test_cut_rows_have_norm_one_or_are_zero(vectors: np.ndarray, dimensions: int) -> None:
    norms = np.linalg.norm(cut(vectors, dimensions).astype(np.float64), axis=1)
    zero = ~vectors[:, :dimensions].any(axis=1)
    tiny = np.linalg.norm(vectors[:, :dimensions], axis=1) < 1e-18
    np.testing.assert_allclose(norms[~(zero | tiny)], 1, atol=1e-5)
    assert np.isfinite(norms).all()


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ([], "empty"),
        (["fine", ""], "Text 1"),
        (["\ud800"], "surrogate"),
        ([()], "Text 0"),
        ([(1, 1 << 40)], "id"),
    ],
)
async def test_wrong_texts_are_refused_with_their_place(
    engine_of: EngineMaker, texts: list[str], part: str
) -> None:
    async with engine_of(HashingBackend("m")) as engine:
        with pytest.raises(InvalidInput, match=part) as caught:
            await engine.embed(texts)
    assert caught.value.param == "input"


@pytest.mark.parametrize("dimensions", [0, -1, 33])
async def test_dimensions_must_be_within_the_model(engine_of: EngineMaker, dimensions: int) -> None:
    async with engine_of(HashingBackend("m")) as engine:
        with pytest.raises(InvalidInput, match="1 to 32") as caught:
            await engine.embed(["text"], dimensions=dimensions)
    assert caught.value.param == "dimensions"


async def test_truncation_is_said_counted_and_remembered(engine_of: EngineMaker) -> None:
    async with engine_of(HashingBackend("m", max_tokens=16)) as engine:
        for cached in (0, 3):
            answer = await engine.embed(["short one", LONG, "short two"])
            assert answer.truncated == (1,)
            assert answer.prompt_tokens.tolist() == [4, 16, 4]
            assert answer.cached == cached


@pytest.mark.parametrize("warm", [False, True])
async def test_truncation_can_be_refused_by_caller_or_owner(engine_of: EngineMaker, warm: bool) -> None:
    async with engine_of(HashingBackend("m", max_tokens=16)) as engine:
        if warm:
            await engine.embed([LONG])
        with pytest.raises(ContextLengthExceeded, match="Text 1 is longer than the 16 tokens"):
            await engine.embed(["short", LONG], options=EmbedOptions(truncate=False))
    async with engine_of(HashingBackend("m", max_tokens=16), truncate=False) as engine:
        with pytest.raises(ContextLengthExceeded):
            await engine.embed([LONG])
        assert (await engine.embed([LONG], options=EmbedOptions(truncate=True))).truncated == (0,)


async def test_prompts_make_the_vector_and_the_count_and_never_mix_in_the_cache(
    engine_of: EngineMaker,
) -> None:
    async with engine_of(HashingBackend("m")) as engine:
        for _ in range(2):
            plain = await engine.embed(["text"])
            query = await engine.embed(["text"], kind="query")
            named = await engine.embed(["text"], options=EmbedOptions(prompt_name="document"))
            np.testing.assert_allclose(plain.vectors, direct(["text"]), atol=1e-6)
            np.testing.assert_allclose(query.vectors, direct(["text"], "query: "), atol=1e-6)
            np.testing.assert_allclose(named.vectors, direct(["text"], "document: "), atol=1e-6)
            assert (plain.prompt_tokens[0], query.prompt_tokens[0]) == (3, 4)
        spelled = await engine.embed(["query: text"])
    assert spelled.cached == 0
    with pytest.raises(InvalidInput, match="document, query"):
        async with engine_of(HashingBackend("m")) as engine:
            await engine.embed(["text"], options=EmbedOptions(prompt_name="nonsense"))


async def test_a_callers_own_prompt_takes_the_place_of_the_models(engine_of: EngineMaker) -> None:
    async with engine_of(HashingBackend("m")) as engine:
        for kind in (None, "query"):
            own = await engine.embed(["text"], kind=kind, options=EmbedOptions(prompt="Find: "))
            none = await engine.embed(["text"], kind=kind, options=EmbedOptions(prompt=""))
            np.testing.assert_allclose(own.vectors, direct(["text"], "Find: "), atol=1e-6)
            np.testing.assert_allclose(none.vectors, direct(["text"]), atol=1e-6)
        with pytest.raises(InvalidInput, match="prompt is not valid Unicode"):
            await engine.embed(["text"], options=EmbedOptions(prompt="\ud800"))


async def test_kind_and_prompt_name_exclude_each_other(engine_of: EngineMaker) -> None:
    async with engine_of(HashingBackend("m")) as engine:
        with pytest.raises(InvalidInput, match="not both"):
            await engine.embed(["text"], kind="query", options=EmbedOptions(prompt_name="query"))


async def test_known_texts_cost_no_compute_and_count_the_same(engine_of: EngineMaker) -> None:
    backend = WatchedBackend()
    async with engine_of(backend) as engine:
        first = await engine.embed(["a b c", "d", "a b c"])
        second = await engine.embed(["d", "a b c", "new"])
        hits = engine.metrics.registry.get_sample_value(
            "tessera_cache_hits_total", {"model": backend.info.id}
        )
    assert sorted(backend.computed) == ["a b c", "d", "new"]
    np.testing.assert_array_equal(second.vectors[:2], first.vectors[[1, 0]])
    assert second.prompt_tokens.tolist() == [3, 5, 3]
    assert (first.cached, second.cached, hits) == (0, 2, 2)


async def test_callers_cannot_change_what_the_cache_holds(engine_of: EngineMaker) -> None:
    async with engine_of(HashingBackend("m")) as engine:
        first = await engine.embed(["text"])
        first.vectors[:] = 0
        np.testing.assert_allclose((await engine.embed(["text"])).vectors, direct(["text"]), atol=1e-6)


async def test_models_are_served_side_by_side_and_never_share_a_vector() -> None:
    widths = {"org/small": 8, "org/large": 16}
    settings = Settings.load({"model": "org/small", "models": "org/large"})
    loader = lambda model_id, *_: HashingBackend(model_id, dimensions=widths[model_id])  # noqa: E731
    async with Engine(settings, loader=loader) as engine:
        for _ in range(2):
            small, large = await asyncio.gather(
                engine.embed(["same text"]), engine.embed(["same text"], model="org/large")
            )
            assert (small.vectors.shape, large.vectors.shape) == ((1, 8), (1, 16))
        np.testing.assert_allclose(large.vectors, direct(["same text"], dimensions=16), atol=1e-6)
        assert [status.id for status in engine.models()] == ["org/small", "org/large"]


async def test_a_model_outside_the_list_is_unknown_and_nothing_is_loaded_for_it() -> None:
    asked: list[str] = []

    def loader(model_id: str, source: str, settings: Settings) -> HashingBackend:
        asked.append(model_id)
        return HashingBackend(model_id)

    settings = Settings.load({"model": "org/a", "models": "org/b=/some/folder"})
    async with Engine(settings, loader=loader) as engine:
        await engine.model_info("org/b")
        for name in ("org/c", "ORG/A", "", "/some/folder", "../org/a", "org/a\x00", "x" * 10_000):
            with pytest.raises(UnknownModel, match="org/a, org/b") as caught:
                await engine.embed(["text"], model=name)
            assert len(str(caught.value)) < 300
    assert asked == ["org/a", "org/b"]


async def test_calls_wait_for_a_model_that_is_still_loading() -> None:
    release = threading.Event()

    def loader(model_id: str, *_: object) -> HashingBackend:
        assert release.wait(10)
        return HashingBackend(model_id)

    async with Engine(Settings.load({"model": "m"}), loader=loader) as engine:
        task = asyncio.create_task(engine.embed(["text"]))
        await asyncio.sleep(0.05)
        assert not engine.ready
        assert engine.models()[0].state == "loading"
        release.set()
        assert (await asyncio.wait_for(task, 5)).vectors.shape == (1, 32)
        assert engine.ready


async def test_a_server_that_leaves_while_a_model_loads_tells_those_who_wait() -> None:
    release = threading.Event()
    closed = threading.Event()

    class Late(HashingBackend):
        def close(self) -> None:
            closed.set()

    def loader(model_id: str, *_: object) -> HashingBackend:
        assert release.wait(10)
        return Late(model_id)

    engine = Engine(Settings.load({"model": "late/model"}), loader=loader)
    await engine.start()
    task = asyncio.create_task(engine.embed(["text"]))
    await asyncio.sleep(0.02)
    await asyncio.wait_for(engine.close(), 5)
    with pytest.raises(ShuttingDown):
        await asyncio.wait_for(task, 1)
    release.set()
    assert await asyncio.to_thread(closed.wait, 5)
    await asyncio.sleep(0.05)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("late/model")]


async def test_a_model_that_cannot_be_loaded_says_so_and_the_others_serve(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def loader(model_id: str, *_: object) -> HashingBackend:
        if model_id == "broken":
            raise ModelUnavailable("Its folder /home/owner is empty.")
        return HashingBackend(model_id)

    async with Engine(Settings.load({"model": "broken", "models": "fine"}), loader=loader) as engine:
        with pytest.raises(ModelUnavailable, match="log says why") as caught:
            await engine.embed(["text"])
        assert "/home/owner" not in str(caught.value)
        assert "Its folder /home/owner is empty." in caplog.text
        assert (await engine.embed(["text"], model="fine")).vectors.shape == (1, 32)
        assert [status.state for status in engine.models()] == ["failed", "ready"]


async def test_a_request_over_the_token_limit_is_too_large_cached_or_not(engine_of: EngineMaker) -> None:
    async with engine_of(HashingBackend("m"), max_request_tokens=12) as engine:
        with pytest.raises(TooLarge, match="most in one request is 12"):
            await engine.embed(["a b c d", "e f g h i"])
        await engine.embed(["a b c d"])
        await engine.embed(["e f g h i"])
        with pytest.raises(TooLarge):
            await engine.embed(["a b c d", "e f g h i"])


async def test_token_ids_of_the_model_are_the_text_they_spell(engine_of: EngineMaker) -> None:
    async with engine_of(HashingBackend("m")) as engine:
        (spans,) = await engine.tokenize(["some words here"])
        answer = await engine.embed([spans.token_ids, "some words here"])
    np.testing.assert_allclose(answer.vectors[0], answer.vectors[1], atol=1e-6)
    assert answer.prompt_tokens.tolist() == [5, 5]


async def test_timings_add_up(engine_of: EngineMaker) -> None:
    async with engine_of(HashingBackend("m", delay_s=0.05)) as engine:
        timings = (await engine.embed(["text"])).timings
    assert 0.05 <= timings.compute_s <= timings.total_s < 5
    assert timings.tokenize_s + timings.wait_s + timings.compute_s <= timings.total_s * 1.01


async def test_texts_are_tokenised_in_other_threads_while_earlier_ones_are_computed(
    engine_of: EngineMaker,
) -> None:
    class Noting(WatchedBackend):
        def __init__(self) -> None:
            super().__init__()
            self.tokenised: dict[str, str] = {}

        def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
            if "text 999 of a job" in texts:
                assert self.entered.wait(10), "nothing is computed before all is tokenised"
            self.tokenised |= dict.fromkeys(map(str, texts), threading.current_thread().name)
            return super().tokenize(texts, prompt)

    backend = Noting()
    backend.gate.clear()  # nothing is ever done computing
    texts = [f"text {number} of a job" for number in range(1000)]
    async with engine_of(backend, batch_tokens=64) as engine:
        job = asyncio.create_task(engine.embed(texts, options=EmbedOptions(wait_for_room=True)))
        async with asyncio.timeout(10):
            while len(backend.tokenised) < len(texts):  # noqa: ASYNC110 - it happens in threads
                await asyncio.sleep(0.01)
        assert len(backend.computed) < len(texts)
        assert {name.rpartition("_")[0] for name in backend.tokenised.values()} == {"tokenize"}
        backend.gate.set()
        np.testing.assert_array_equal((await job).vectors, direct(texts))
