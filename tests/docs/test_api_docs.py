"""docs/api.md names every route, field and error that the API has, and none that it has not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from embedder import Engine, Settings
from embedder.api import schemas
from embedder.api.errors import ERROR_KINDS
from tests.docs.markdown import ROOT, table_rows

TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
OPENAI_FIELDS = {"input", "model", "encoding_format", "dimensions", "user"}


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """The schema of the app, as /openapi.json is made from it."""
    from starlette.testclient import TestClient

    from embedder.api.app import create_api

    settings = Settings(ui=False, open=True)
    with TestClient(create_api(Engine(settings), settings)) as client:
        schema: dict[str, Any] = client.get("/openapi.json").json()
    return schema


def test_routes_are_documented_and_exist(openapi: dict[str, Any]) -> None:
    exist = {f"{method.upper()} {path}" for path, methods in openapi["paths"].items() for method in methods}
    documented = set(re.findall(r"`((?:GET|POST|DELETE) /[^`]*)`", TEXT)) - {"GET /docs", "GET /openapi.json"}
    assert documented == {route.replace(":path", "") for route in exist}


def test_our_fields_are_documented() -> None:
    ours = set(schemas.EmbeddingsRequest.model_fields) - OPENAI_FIELDS
    rows = {row[0].strip("`") for row in table_rows(TEXT) if len(row) == 3}
    assert ours <= rows
    for model in (schemas.Model, schemas.Tokens, schemas.EmbeddingsRequest):
        for field in set(model.model_fields) - {"id", "object", "created", "owned_by", "index"}:
            assert f"`{field}`" in TEXT, f"{model.__name__}.{field}"


@pytest.mark.parametrize("error", list(ERROR_KINDS), ids=lambda error: str(error.__name__))
def test_every_error_has_its_status_in_the_table(error: type) -> None:
    kind = ERROR_KINDS[error]
    rows = [row for row in table_rows(TEXT) if row[0] == str(kind.status)]
    assert rows, f"status {kind.status} of {error.__name__}"
    if kind.code:
        assert any(f"`{kind.code}`" in row[1] for row in rows), kind.code


def test_codes_of_the_table_are_in_the_code() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "embedder").rglob("*.py"))
    codes = {code for row in table_rows(TEXT) if row[0].isdigit() for code in re.findall(r"`(\w+)`", row[1])}
    assert len(codes) > 8
    assert not {code for code in codes if f'"{code}"' not in source}


def test_limits_are_the_defaults() -> None:
    settings = Settings()
    limits = TEXT[TEXT.index("## Limits") :]
    assert f"{settings.max_request_texts:,} texts" in limits
    assert f"{settings.max_request_tokens:,} tokens" in limits
    assert f"{settings.max_body_bytes // 2**20} MiB" in limits
