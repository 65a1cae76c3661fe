"""The one settings object: read once from the environment, changed by flags, then frozen.

Every field below is a setting: its environment variable is `TESSERA_` and its name in capitals
(or the names listed as aliases), its flag is its name with dashes. `docs/settings.md` is held
to this table by a test.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from embedder.errors import ConfigError

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def _split(value: object) -> object:
    """A comma-separated string as a tuple of its non-empty parts."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]


def _user_cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tessera"


def _user_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "tessera"


def _default_host() -> str:
    """Loopback, except in a Hugging Face Space, whose proxy comes from outside."""
    return "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"


class Settings(BaseSettings):
    """Everything an owner can decide. Frozen; sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="TESSERA_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_file=None,
        hide_input_in_errors=True,
    )

    host: str = Field(
        default_factory=_default_host,
        description="Address to listen on; 127.0.0.1, or 0.0.0.0 in a Hugging Face Space.",
    )
    port: int = Field(7860, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that serve as one on this machine. Threads and cache are divided among them, "
        "other limits are those of all together; the page is in one of them.",
    )
    ui: bool = Field(
        True, description="Serve the page at /; off for a server of the API alone (flag: --no-ui)."
    )

    model: str = Field(
        DEFAULT_MODEL,
        min_length=1,
        validation_alias=AliasChoices("TESSERA_MODEL", "EMBED_MODEL"),
        description="The default model: a name, `id=folder` for one on this disk, or `id=https://host/v1` "
        "for another server's, several with spaces between, `#name` where it is called otherwise there.",
    )
    models: Words = Field(
        (),
        description="Further models to serve, separated by commas, each as above. No other is ever loaded.",
    )
    upstream_keys: Secrets = Field(
        (), description="Keys for other servers, separated by commas, each `host=key`."
    )
    reranker: str | None = Field(
        None,
        min_length=1,
        description="A cross-encoder for /v1/rerank and the reranking of searches: a name, or `id=folder`. "
        "None: the embedding model's cosine.",
    )
    runtime: Literal["auto", "sentence-transformers"] = Field(
        "auto",
        description="What computes: auto takes the fastest runtime that gives the model's own vectors, "
        "sentence-transformers always the reference.",
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="Where models run: cpu, cuda, cuda:1, mps; auto takes a GPU where torch has one.",
    )
    precision: Literal["auto", "float32", "float16", "int8"] = Field(
        "auto",
        description="Numbers that models compute in. auto: float32 on a CPU, where vectors are exact, and "
        "float16 on a GPU. int8, on a CPU, is faster on most and moves some neighbours; "
        "/v1/models says how many.",
    )
    threads: int = Field(
        0,
        ge=0,
        description="Batches computed side by side, a CPU thread each; one alone may take them all. "
        "0: every core this process may use.",
    )
    truncate: bool = Field(
        True, description="Cut texts longer than the model reads, and say so; off refuses them."
    )
    token_ids: Literal["cl100k_base", "model"] = Field(
        "cl100k_base",
        description="What token ids sent as input mean: OpenAI's cl100k_base, decoded to text, "
        "or the model's own ids.",
    )

    keys: Secrets = Field(
        (),
        validation_alias=AliasChoices("TESSERA_KEYS", "EMBED_KEY"),
        description="Keys that open the API, separated by commas. None: open on this machine, "
        "closed to others.",
    )
    open: bool = Field(False, description="Let anybody use the API without a key, from other machines too.")
    cors_origins: Words = Field(
        (),
        description="Origins whose pages may call the API from a browser, separated by commas; `*` for all.",
    )
    page_auth: Secrets = Field(
        (), description="Logins of the page as `user:password`, separated by commas. None: no login."
    )

    batch_tokens: int = Field(
        0,
        ge=0,
        description="Largest batch in tokens, padding counted. Smaller answers single texts sooner. "
        "A request that fits four batches goes ahead of larger ones. 0: 512 on a CPU, on a GPU as its "
        "free memory allows.",
    )
    queue_tokens: int = Field(
        600_000,
        ge=1,
        description="Most tokens waiting or running at once; past it requests are refused with 429.",
    )
    max_request_tokens: int = Field(
        300_000, ge=1, description="Most tokens in one request; more is refused with 413."
    )
    max_request_texts: int = Field(
        2048, ge=1, description="Most texts in one request; more is refused with 400."
    )
    max_body_bytes: int = Field(
        32 * 2**20,
        ge=1,
        description="Largest request body; more is refused with 413 before it is read whole.",
    )
    request_timeout_s: float = Field(600.0, gt=0, description="Longest a request may wait for its vectors.")
    drain_s: float = Field(20.0, ge=0, description="How long a stopping server finishes what it has begun.")
    notice_s: float = Field(
        0.0,
        ge=0,
        description="How long a stopping server still takes requests while /ready already answers 503, for a "
        "balancer to notice.",
    )
    cache_bytes: int = Field(
        256 * 2**20, ge=0, description="Memory for vectors already computed; 0 keeps none."
    )
    disk_cache_bytes: int = Field(
        0,
        ge=0,
        description="Room on disk, in cache_dir, for vectors that outlive the process; 0 keeps none there. "
        "Texts are not written, but a vector tells much of its text.",
    )
    cache_dir: Path = Field(
        default_factory=_user_cache_dir,
        description="Where uploads, compiled layout code and what was learned of models go; nothing is "
        "written elsewhere, save collections, and models that are fetched, which Hugging Face keeps in its "
        "own cache.",
    )
    data_dir: Path = Field(
        default_factory=_user_data_dir,
        description="Where collections are kept, in its folder `collections`: texts that last; and in `maps` "
        "their neighbours and layouts, wherever they are. Made when the "
        "first one is.",
    )
    data_url: SecretStr | None = Field(
        None,
        description="Where collections are kept instead: another folder, PostgreSQL with pgvector as "
        "`postgresql://user:password@host/database`, or Milvus as `milvus://user:password@host:19530` "
        "(`https://…` by TLS). It is never shown with its password.",
    )

    page_max_texts: int = Field(
        50_000, ge=1, description="Most texts one visitor of the page can have on screen."
    )
    page_max_chars: int = Field(
        20_000_000, ge=1, description="Most characters one visitor of the page can have on screen."
    )
    page_max_upload_bytes: int = Field(50 * 2**20, ge=1, description="Largest file the page takes.")
    page_max_jobs: int = Field(
        8, ge=1, description="Most visitors of the page embedding at once; others wait their turn."
    )
    page_session_s: float = Field(
        3600.0, gt=0, description="How long the page remembers a visitor who went quiet."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much is logged. Texts and keys never are."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, and no file."""
        return init_settings, env_settings

    @classmethod
    def load(cls, flags: Mapping[str, Any] | None = None) -> Settings:
        """Read the environment, with `flags` (field name to value, None for absent) before it.

        Raises:
            ConfigError: a value is wrong; the message names its variable and what it takes.
        """
        given = {name: value for name, value in (flags or {}).items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            raise ConfigError("; ".join(_explain(item) for item in error.errors())) from None

    @model_validator(mode="after")
    def _models_are_told_apart(self) -> Settings:
        entries = (self.model, *self.models, *([self.reranker] if self.reranker else []))
        ids = [entry.partition("=")[0].strip() for entry in entries]
        if not all(ids) or len(set(ids)) < len(ids):
            raise ValueError("each model needs a name of its own; one is empty or there twice")
        return self

    @field_validator("page_auth")
    @classmethod
    def _logins_are_pairs(cls, logins: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for login in logins:
            user, colon, password = login.get_secret_value().partition(":")
            if not (user and colon and password):
                raise ValueError("each login is a user and a password with a colon between them")
        return logins

    @property
    def allowed_models(self) -> dict[str, str]:
        """Model id to where it comes from, the default model first."""
        return dict(map(_named, (self.model, *self.models)))

    @property
    def allowed_reranker(self) -> tuple[str, str] | None:
        """Id of the reranker and where it comes from, if there is one."""
        return _named(self.reranker) if self.reranker else None

    @property
    def cpu_threads(self) -> int:
        """`threads`, or every core this process may use, which in a container can be fewer than there are."""
        if self.threads:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @property
    def default_model(self) -> str:
        """Id of the default model."""
        return next(iter(self.allowed_models))


def _named(entry: str) -> tuple[str, str]:
    """Id and source of a model as the owner wrote it."""
    model_id, _, source = entry.partition("=")
    return model_id.strip(), (source or model_id).strip()


def environment_names(field: str) -> tuple[str, ...]:
    """The environment variables that set `field`, the first one preferred."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (f"TESSERA_{field.upper()}",)


def _explain(item: Mapping[str, Any]) -> str:
    """One sentence for one failed field, without the value (it may be a key)."""
    field = str(item["loc"][0]) if item["loc"] else "models"
    if field in Settings.model_fields:
        field = environment_names(field)[0]
    message = re.sub(r"^Input should be", "should be", str(item["msg"]))
    return f"{field}: {message}"
