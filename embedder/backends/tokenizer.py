"""A Rust tokenizer of our own: prompt, truncation and special tokens as the model has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embedder.types import Prompt, Text, TokenizedText, TokenSpans

if TYPE_CHECKING:
    from tokenizers import Encoding

_FIRST_LOOK_CHARS_A_TOKEN = 32
"""Eight times what a token of English has."""


class FastTokenizer:
    """A Rust tokenizer of our own, so that nothing else changes its truncation under a thread.

    Of a text far longer than the model reads only the beginning is looked at: a tokenizer goes
    over all of a text before it cuts, a second and hundreds of megabytes for a million characters.
    """

    def __init__(self, described: str, max_tokens: int | None, *, special_tokens: bool) -> None:
        """Make one from what a `tokenizer.json` holds; of its truncation only the direction counts."""
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(described)
        direction = (self._tokenizer.truncation or {}).get("direction", "right")
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._first_look_chars: int | None = None
        if max_tokens is not None:
            self._tokenizer.enable_truncation(max_tokens, direction=direction)
            if direction == "right":
                self._first_look_chars = _FIRST_LOOK_CHARS_A_TOKEN * max_tokens
        self.max_tokens = max_tokens
        self._special_tokens = special_tokens

    def tokenize(self, texts: Sequence[Text], prompt: Prompt) -> list[TokenizedText]:
        """Tokens of `prompt` and each text; token ids are taken as they are."""
        words = [prompt.text + text for text in texts if isinstance(text, str)]
        encodings = iter(self._encode(words))
        return [
            self._from_encoding(text, prompt, next(encodings))
            if isinstance(text, str)
            else self._from_ids(text, prompt)
            for text in texts
        ]

    def spans(self, texts: Sequence[str], prompt: Prompt) -> list[TokenSpans]:
        """The same tokens, to be looked at."""
        return [
            TokenSpans(
                tuple(encoding.tokens),
                tuple(encoding.ids),
                tuple(encoding.offsets),
                self._was_cut(encoding),
            )
            for encoding in self._encode([prompt.text + text for text in texts])
        ]

    def _encode(self, words: list[str]) -> list[Encoding]:
        looks = [word[: self._first_look_chars] for word in words]
        encodings = self._tokenizer.encode_batch(looks, add_special_tokens=self._special_tokens)
        return [
            encoding
            if len(look) == len(word) or self._is_settled(encoding, look)
            else self._look_further(word)
            for word, look, encoding in zip(words, looks, encodings, strict=True)
        ]

    def _look_further(self, word: str) -> Encoding:
        chars = self._first_look_chars or len(word)
        while True:
            chars *= 2
            look = word[:chars]
            encoding = self._tokenizer.encode(look, add_special_tokens=self._special_tokens)
            if len(look) == len(word) or self._is_settled(encoding, look):
                return encoding

    def _is_settled(self, encoding: Encoding, look: str) -> bool:
        """Whether the tokens that are kept lie so far before the end of the look that it can't matter."""
        end = max((end for _, end in encoding.offsets), default=0)
        return self._was_cut(encoding) and 2 * end <= len(look)

    def _from_encoding(self, text: str, prompt: Prompt, encoding: Encoding) -> TokenizedText:
        token_ids = tuple(encoding.ids)
        return TokenizedText(text, prompt, len(token_ids), self._was_cut(encoding), token_ids)

    def _from_ids(self, token_ids: tuple[int, ...], prompt: Prompt) -> TokenizedText:
        kept = token_ids if self.max_tokens is None else token_ids[: self.max_tokens]
        return TokenizedText(token_ids, prompt, len(kept), len(kept) < len(token_ids), kept)

    def _was_cut(self, encoding: Encoding) -> bool:
        # `overflowing` copies every piece, so it is asked only where a cut is possible.
        return len(encoding.ids) == self.max_tokens and bool(encoding.overflowing)
