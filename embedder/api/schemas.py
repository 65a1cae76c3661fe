"""The wire types: OpenAI's, and our additions to them.

Requests are validated by them. Answers are documented by them only: vectors are written from
arrays in `serialise`, never through pydantic.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from embedder.errors import InvalidInput
from embedder.types import Precision

EncodingFormat = Literal["float", "base64"]
TokenEncoding = Literal["cl100k_base", "model"]
InputType = Literal["query", "document"]

_TEXT = {"type": "string", "minLength": 1}
_TOKEN_IDS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}


def _lists(*items: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "array", "items": item, "minItems": 1} for item in items]


EmbeddingsInput = Annotated[Any, WithJsonSchema({"anyOf": [_TEXT, _TOKEN_IDS, *_lists(_TEXT, _TOKEN_IDS)]})]
"""A text, texts, token ids or lists of them; read by `inputs`, whose sentences name the item at fault."""

TextInput = Annotated[Any, WithJsonSchema({"anyOf": [_TEXT, *_lists(_TEXT)]})]


class Request(BaseModel):
    """What every request has: a model, texts, and which of the model's prompts goes before them."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    model: str | None = Field(
        None, description="A model of this server. May be left out under the model's own path."
    )
    input_type: InputType | None = Field(
        None, description="Put the model's prompt for queries or for documents before each text."
    )
    prompt_name: str | None = Field(
        None, description="Put this one of the model's prompts before each text; instead of input_type."
    )


class EmbeddingsRequest(Request):
    """OpenAI's request for embeddings; unknown fields are ignored, null means absent."""

    input: EmbeddingsInput = Field(
        description="One text or a list of texts, or token ids: one list of them or a list of lists."
    )
    encoding_format: EncodingFormat = Field(
        "float", description="float: numbers; base64: the bytes of little-endian float32."
    )
    dimensions: int | None = Field(
        None, ge=1, description="Cut vectors to so many dimensions and normalise them again."
    )
    user: Annotated[Any, WithJsonSchema({"type": "string"})] = Field(None, description="Ignored.")
    truncate: bool | None = Field(
        None, description="false refuses a text longer than the model reads; true cuts it and says so."
    )
    token_encoding: TokenEncoding | None = Field(
        None, description="What token ids mean: OpenAI's cl100k_base, or the model's own."
    )


class TokenizeRequest(Request):
    """Texts to be split as the model splits them."""

    input: TextInput = Field(description="One text or a list of texts.")


class Usage(BaseModel):
    """Tokens as the model saw them: after truncation, special tokens and prompt included."""

    prompt_tokens: int
    total_tokens: int


class Embedding(BaseModel):
    """The vector of one text."""

    object: Literal["embedding"]
    index: int = Field(description="The text's place in the request.")
    embedding: list[float] | str


class EmbeddingsResponse(BaseModel):
    """Vectors in the order of the texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage
    truncated: list[int] | None = Field(
        None, description="Indices of the texts that were cut; absent if none was."
    )


class Model(BaseModel):
    """OpenAI's model object, and what there is to know of the model; null while it is loading."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    state: Literal["loading", "ready", "failed"]
    task: Literal["embed", "rerank"] | None = Field(
        description="What it is for; a reranker makes no vectors."
    )
    max_tokens: int | None = Field(description="Longest text in tokens; null where there is no limit.")
    dimensions: int | None
    dimensions_note: str | None = Field(description="What cutting to fewer dimensions costs.")
    normalized: bool | None = Field(description="Whether full vectors have norm 1.")
    runtime: str | None
    precision: Precision | None = Field(description="Numbers the model computes in.")
    neighbours_kept: float | None = Field(
        description="Share of the ten nearest neighbours that a precision other than float32 leaves as they "
        "were, measured when the model was first loaded so; null where vectors are exact."
    )
    fingerprint: str | None = Field(description="Names the vector space: equal ones can be compared.")
    prompts: list[str] | None = Field(description="Names for prompt_name.")


class ModelList(BaseModel):
    """The models of this server, the default first."""

    object: Literal["list"]
    data: list[Model]


class Tokens(BaseModel):
    """One text as its model sees it."""

    object: Literal["tokens"]
    index: int
    tokens: list[str]
    ids: list[int]
    offsets: list[tuple[int, int]] = Field(
        description="Start and end of each token in characters of prompt and text; (0, 0) if special."
    )
    count: int
    truncated: bool


class TokenizeResponse(BaseModel):
    """Tokens in the order of the texts."""

    object: Literal["list"]
    data: list[Tokens]
    model: str


class ErrorDetail(BaseModel):
    """OpenAI's error: all four fields are always there."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(BaseModel):
    """What every error looks like."""

    error: ErrorDetail


RequestT = TypeVar("RequestT", bound=BaseModel)


def validate(schema: type[RequestT], fields: dict[str, Any]) -> RequestT:
    """`fields` as `schema`.

    Raises:
        InvalidInput: a field is missing or wrong; `param` names it, its value is not repeated.
    """
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = str(first["loc"][0]) if first["loc"] else None
    if first["type"] == "missing":
        raise InvalidInput(f"The field '{param}' is required.", param=param)
    message = first["msg"].removeprefix("Input ")
    raise InvalidInput(f"The field '{param}' {message}.", param=param)
