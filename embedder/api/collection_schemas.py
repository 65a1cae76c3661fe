"""The wire types of collections, reranking and similarity."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

_STRICT = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)
_TEXT = {"type": "string", "minLength": 1}
_NEW_TEXT: dict[str, Any] = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": _TEXT,
        "id": {"type": "string"},
        "document": {"type": "string"},
        "columns": {"type": "object"},
        "embedding": {"type": "array", "items": {"type": "number"}},
    },
}
_CHANGED_TEXT = {
    "type": "object",
    "required": ["id"],
    "properties": {name: _NEW_TEXT["properties"][name] for name in ("id", "text", "document", "columns")},
}
_FILTER = {
    "type": "object",
    "properties": {"type": {"type": "string"}, "key": {"type": "string"}, "value": {}, "filters": {}},
}
NewTexts = Annotated[Any, WithJsonSchema({"type": "array", "items": {"anyOf": [_TEXT, _NEW_TEXT]}})]
Filters = Annotated[Any, WithJsonSchema(_FILTER)]


class CreateCollection(BaseModel):
    """A new collection."""

    model_config = _STRICT

    name: str = Field(description="1 to 64 letters, digits, dots, dashes or underscores.")
    model: str | None = Field(None, description="Whose vectors it holds; the server's default one if absent.")
    metadata: dict[str, str] | None = Field(None, description="Up to 16 words of yours about it.")


class AddTexts(BaseModel):
    """Texts to be added, each in place of the one with its id."""

    model_config = _STRICT

    texts: NewTexts = Field(
        description="Texts, or objects with `text` and, as wanted, `id`, `document`, `columns`, `embedding`. "
        "Either all have an `embedding` or none has."
    )
    fingerprint: str | None = Field(None, description="Of the model that made the embeddings, if they came.")


class GetTexts(BaseModel):
    """Texts to be read."""

    model_config = _STRICT

    ids: list[str] = Field(min_length=1, description="Ids of texts, up to 1,000.")
    embeddings: bool = Field(False, description="Have the vectors in the answer.")


class UpdateTexts(BaseModel):
    """Changes of texts that are there."""

    model_config = _STRICT

    texts: Annotated[Any, WithJsonSchema({"type": "array", "items": _CHANGED_TEXT})] = Field(
        description="Objects with `id` and what is to be different: `text`, `document`, or `columns`, which "
        "take the place of all that it had."
    )


class DeleteTexts(BaseModel):
    """Texts to be deleted."""

    model_config = _STRICT

    ids: list[str] = Field(default_factory=list, description="Ids of texts.")
    documents: list[str] = Field(default_factory=list, description="Documents whose texts go, all of them.")


class SearchCollection(BaseModel):
    """What is looked for in a collection."""

    model_config = _STRICT

    query: str | None = Field(None, description="Words to look for.")
    vector: list[float] | None = Field(
        None, description="A vector to be near to, in place of the words' own."
    )
    mode: Literal["semantic", "keyword", "hybrid"] = Field(
        "semantic", description="By meaning (cosine), by words (BM25) or both (reciprocal rank fusion)."
    )
    top_k: int = Field(10, description="How many to find, 1 to 1000.")
    filters: Filters = Field(None, description="A condition on columns, in OpenAI's shape.")
    min_score: float | None = Field(None, description="Leave out what scores less, in the mode's own score.")
    weights: list[float] | None = Field(
        None, min_length=2, max_length=2, description="Of meaning and of words in hybrid search; [1, 1]."
    )
    like: list[str] = Field(default_factory=list, description="Ids of texts that hits are to be like.")
    unlike: list[str] = Field(default_factory=list, description="Ids of texts that they are to be unlike.")
    diversity: float = Field(0.0, description="0 to 1: prefer hits that differ from each other.")
    rerank: bool = Field(False, description="Have the server's reranker order the best ones anew.")


class Collection(BaseModel):
    """A collection as it stands."""

    id: str
    object: Literal["collection"]
    created: int
    model: str = Field(description="Empty where vectors came without one.")
    fingerprint: str
    dimensions: int
    metadata: dict[str, Any]
    count: int = Field(description="Texts in it.")
    index: str = Field(description="How nearest vectors are found.")
    recall: float | None = Field(
        description="Share of the true ten nearest that are found, measured; null where it is exact."
    )


class CollectionList(BaseModel):
    """The collections of this server by name."""

    object: Literal["list"]
    data: list[Collection]


class FailedText(BaseModel):
    """A text that could not be embedded."""

    index: int
    message: str


class AddedTexts(BaseModel):
    """What has become of the texts: all of it is kept by now."""

    object: Literal["collection.added"]
    ids: list[str] = Field(description="Of the texts, in order.")
    new: int
    replaced: int
    unchanged: int = Field(description="Were there already as they are.")
    failed: list[FailedText]


class Text(BaseModel):
    """A text of a collection."""

    id: str
    text: str
    document: str
    columns: dict[str, Any]
    embedding: list[float] | None = Field(None, description="Where it was asked for.")


class Texts(BaseModel):
    """Texts in the order in which they were asked for."""

    object: Literal["list"]
    data: list[Text]
    missing: list[str] = Field(description="Ids that no text has.")


class UpdatedTexts(BaseModel):
    """What has become of the changes: all of it is kept by now."""

    object: Literal["collection.updated"]
    updated: int = Field(description="How many texts were there.")
    missing: list[str] = Field(description="Ids that no text has.")


class Deleted(BaseModel):
    """A deleted collection."""

    id: str
    object: Literal["collection.deleted"]
    deleted: bool


class DeletedTexts(BaseModel):
    """How many texts were deleted."""

    object: Literal["collection.texts.deleted"]
    deleted: int


class Hit(BaseModel):
    """A text that was found."""

    id: str
    score: float
    parts: dict[str, float] = Field(description="What the score is made of.")
    text: str
    document: str
    columns: dict[str, Any]


class Found(BaseModel):
    """Hits, best first."""

    object: Literal["list"]
    data: list[Hit]
    score: str = Field(description="What the scores are.")


class RerankRequest(BaseModel):
    """Documents to be put in the order of their nearness to a query, as Jina's and Cohere's clients ask."""

    model_config = _STRICT

    model: str | None = Field(
        None,
        description="A model of this server; if absent its reranker, or else the default embedding model.",
    )
    query: str = Field(description="What is looked for.")
    documents: Annotated[
        Any, WithJsonSchema({"type": "array", "items": {"anyOf": [_TEXT, {"type": "object"}]}})
    ] = Field(description="Texts, or objects with a `text`.")
    top_n: int | None = Field(None, ge=1, description="Only the best so many.")
    return_documents: bool = Field(False, description="Have the texts in the answer.")


class Reranked(BaseModel):
    """One document's place."""

    index: int
    relevance_score: float
    document: dict[str, str] | None = None


class RerankResponse(BaseModel):
    """Documents, best first."""

    id: str
    model: str
    method: str = Field(description="How they were scored: a cross-encoder, or the embedding model's cosine.")
    results: list[Reranked]
    usage: dict[str, int]
    meta: dict[str, dict[str, Any]] = Field(description="The tokens once more, where Cohere's clients look.")


class SimilarityRequest(BaseModel):
    """Texts to be compared."""

    model_config = _STRICT

    model: str | None = Field(None, description="A model of this server; the default one if absent.")
    input: Annotated[Any, WithJsonSchema({"type": "array", "items": _TEXT})] = Field(description="Texts.")
    other: Annotated[Any, WithJsonSchema({"type": "array", "items": _TEXT})] = Field(
        None, description="Texts to compare them with; each other if absent."
    )


class SimilarityResponse(BaseModel):
    """Cosines: row i is of input i, column j of other j."""

    object: Literal["similarity"]
    model: str
    scores: list[list[float]]
    usage: dict[str, int]
