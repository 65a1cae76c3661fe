from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedder.analysis.clusters import class_keywords
from embedder.analysis.contrast import WordCounts
from embedder.analysis.terms import term_counter

CHINESE = ["今天天气很好", "天气预报说明天下雨", "天气太热了", "股票市场上涨", "股票价格下跌", "买股票有风险"]
JAPANESE = ["東京タワーは高い", "東京の天気は晴れ", "コンピューターを買う", "新しいコンピューター"]


THAI = ["วันนี้อากาศดีมาก", "อากาศหนาวมาก", "อากาศร้อนในวันนี้", "ตลาดหุ้นขึ้น", "ราคาหุ้นลง", "ซื้อหุ้นเมื่อวาน"]


def terms_of(texts: list[str]) -> set[str]:
    counter = term_counter(texts)
    try:
        counter.fit(texts)
    except ValueError:  # no word in any
        return set()
    return set(counter.get_feature_names_out())


def test_texts_without_blanks_are_named_by_pairs_of_characters_not_by_whole_clauses() -> None:
    names = class_keywords(np.array([0, 0, 0, 1, 1, 1], dtype=np.int32), CHINESE, 1)
    assert names == {0: ("天气",), 1: ("股票",)}
    special = WordCounts(CHINESE * 5).special(np.flatnonzero(np.arange(30) % 6 < 3))
    assert special[0].name == "天气"


def test_thai_is_named_by_words_not_by_whole_clauses() -> None:
    names = class_keywords(np.array([0, 0, 0, 1, 1, 1], dtype=np.int32), THAI, 1)
    assert names == {0: ("อากาศ",), 1: ("หุ้น",)}
    assert terms_of(["GPUอากาศ weather"]) == {"gpu", "อากาศ", "weather"}


def test_katakana_goes_by_its_runs_and_hiragana_is_left_out() -> None:
    assert terms_of(JAPANESE) == {"東京", "タワー", "高", "天気", "晴", "コンピューター", "買", "新"}


def test_words_between_blanks_are_the_same_beside_other_scripts() -> None:
    texts = ["Don't stop the state-of-the-art GPU2 train- 42 x", "naïve Straße Поезд قطار"]
    assert terms_of(texts) == terms_of([*texts, "東京"]) - {"東京"}
    assert terms_of(["GPU搭載のPCを買う"]) == {"gpu", "搭載", "pc", "買"}


@given(st.lists(st.text(alphabet="ab'- 東京タはé1_อากาศนี้"), min_size=1, max_size=5))
def test_terms_are_parts_of_their_texts(texts: list[str]) -> None:
    counter = term_counter(texts)
    try:
        counter.fit(texts)
    except ValueError:  # no word in any
        return
    whole = "\n".join(texts).lower()
    assert all(term in whole for term in counter.get_feature_names_out())


@given(st.lists(st.text(alphabet="abz'- 東京タはé1_"), min_size=1, max_size=5))
def test_terms_of_many_texts_are_those_of_each(texts: list[str]) -> None:
    alone: set[str] = set()
    for text in texts:
        alone |= terms_of([text])
    assert terms_of(texts) == alone
