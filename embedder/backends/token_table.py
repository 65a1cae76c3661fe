"""A static model in a package of its own layout: a table of token vectors and a tokenizer.

Its package's code is not imported: sentence-transformers' `StaticEmbedding` over the same two
files gives the same vectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")
_TABLE = "embedding.weight"


def is_token_table(folder: Path) -> bool:
    """Whether `folder` holds wordllama's files."""
    return (folder / _WEIGHTS).is_file() and (folder / _TOKENIZER).is_file()


def static_model(folder: Path, device: str) -> SentenceTransformer:
    """The mean of each token's row; texts of any length.

    Raises:
        OSError, ValueError, KeyError: the files are not as they should be.
    """
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
    table = load_file(folder / _WEIGHTS)[_TABLE].float()
    return SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=table.numpy())], device=device
    )
