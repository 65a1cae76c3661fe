"""What the engine refuses before any work is done."""

from __future__ import annotations

from collections.abc import Sequence

from embedder.errors import InvalidInput
from embedder.types import Asked, ModelInfo, Text


def check_texts(texts: Sequence[Text]) -> None:
    """Refuse what no model could embed, before waiting for one.

    Raises:
        InvalidInput
    """
    if isinstance(texts, str) or not len(texts):
        raise InvalidInput("There is no text to embed: the list is empty.", param="input")
    for index, text in enumerate(texts):
        if not len(text):
            raise InvalidInput(f"Text {index} is empty. Leave it out or give it words.", param="input")
        if isinstance(text, str) and not is_unicode(text):
            raise InvalidInput(
                f"Text {index} is not valid Unicode: it holds half of a surrogate pair.", param="input"
            )


def check_prompt(prompt: str | None) -> None:
    """Refuse words that no tokenizer could take.

    Raises:
        InvalidInput
    """
    if prompt is not None and not is_unicode(prompt):
        raise InvalidInput("The prompt is not valid Unicode: it holds half of a surrogate pair.")


def check_request(info: ModelInfo, asked: Asked) -> None:
    """Refuse what this model can't do.

    Raises:
        InvalidInput
    """
    if info.task != asked.task:
        way = "is a reranker: send it to /v1/rerank" if info.task == "rerank" else "is no reranker"
        raise InvalidInput(f"The model {info.id} {way}.", param="model")
    dimensions = asked.dimensions
    if dimensions is not None and not 1 <= dimensions <= info.dimensions:
        raise InvalidInput(
            f"This model's vectors have {info.dimensions} dimensions; ask for 1 to {info.dimensions}.",
            param="dimensions",
        )
    for index, text in enumerate(asked.texts):
        if isinstance(text, tuple) and not _are_known(text, info.vocabulary_size):
            raise InvalidInput(f"Text {index} holds a token id that this model does not know.", param="input")


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold `text`: it has no half of a surrogate pair."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _are_known(token_ids: tuple[int, ...], vocabulary_size: int | None) -> bool:
    if vocabulary_size is None:
        raise InvalidInput("This model does not take token ids. Send text.", param="input")
    return all(0 <= token_id < vocabulary_size for token_id in token_ids)
