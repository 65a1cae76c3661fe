"""`Engine.embed`: the one way to a vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from embedder.config import Settings
from embedder.metrics import Metrics
from embedder.protocols import Backend
from embedder.types import Embeddings, EmbedOptions, Kind, ModelInfo, ModelStatus, Text, TokenSpans

BackendLoader = Callable[[str, str, Settings], Backend]
"""(model id, its source, settings) to a loaded backend; runs in a thread."""


class Engine:
    """Allowed models, loaded at start and never by a client's wish, behind one `embed`.

    Settings are stored; nothing is loaded before `start`.
    """

    def __init__(self, settings: Settings, *, loader: BackendLoader | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()

    async def start(self) -> None:
        """Begin loading every allowed model, the default first, and return at once."""
        raise NotImplementedError

    async def close(self) -> None:
        """Take no new work, finish what is begun within `settings.drain_s`, then leave."""
        raise NotImplementedError

    async def __aenter__(self) -> Engine:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def ready(self) -> bool:
        """Whether the default model is loaded."""
        raise NotImplementedError

    def models(self) -> list[ModelStatus]:
        """Every allowed model and its state, the default first."""
        raise NotImplementedError

    async def model_info(self, model: str | None = None) -> ModelInfo:
        """The model's description, once it is loaded (waits); None is the default model.

        Raises:
            UnknownModel, ModelUnavailable
        """
        raise NotImplementedError

    async def embed(
        self,
        texts: Sequence[Text],
        *,
        model: str | None = None,
        kind: Kind | None = None,
        dimensions: int | None = None,
        options: EmbedOptions = EmbedOptions(),
    ) -> Embeddings:
        """Vectors of `texts`: float32 `(n, d)`, row i for text i."""
        raise NotImplementedError

    async def tokenize(
        self,
        texts: Sequence[str],
        *,
        model: str | None = None,
        kind: Kind | None = None,
        prompt_name: str | None = None,
    ) -> list[TokenSpans]:
        """How the model splits `texts`."""
        raise NotImplementedError
