from __future__ import annotations

from dataclasses import replace

from embedder.backends.hashing import HashingBackend
from ui.theme import badge

INFO = HashingBackend("org/tiny").info


def test_the_badge_tells_the_model_in_three_figures() -> None:
    shown = badge("org/tiny", INFO)
    assert "32 dimensions · 64 tokens a text<" in shown
    assert "texts of any length" in badge("org/tiny", replace(INFO, max_tokens=None))


def test_the_badge_says_what_a_precision_costs() -> None:
    quick = replace(INFO, precision="int8", neighbours_kept=0.953)
    assert "int8: 95% of neighbours kept" in badge("org/tiny", quick)
    assert "· float16<" in badge("org/tiny", replace(INFO, precision="float16"))
    assert "float32" not in badge("org/tiny", INFO)


def test_the_badge_shows_names_and_problems_as_text() -> None:
    assert "<b>" not in badge("org/<b>", None, "no <b> here")
    assert "loading" in badge("org/tiny", None)
