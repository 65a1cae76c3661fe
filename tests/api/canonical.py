"""What every answer and every error of the API must look like."""

from __future__ import annotations

from typing import Any

import httpx

FIELDS = {"message", "type", "param", "code"}


def assert_canonical_error(
    response: httpx.Response, status: int, *, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """OpenAI's four fields, our headers, and nothing of the inside; returns the error object."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"
    body = response.json()
    assert "detail" not in body
    error = body["error"]
    assert set(error) == FIELDS
    assert isinstance(error["message"], str)
    assert len(error["message"]) > 10
    assert isinstance(error["type"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    assert error["code"] is None or isinstance(error["code"], str)
    assert "Traceback" not in response.text
    if code is not None:
        assert error["code"] == code
    if param is not None:
        assert error["param"] == param
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
    if status == 405:
        assert response.headers["allow"]
    if status == 429:
        assert int(response.headers["retry-after"]) >= 1
        assert int(response.headers["retry-after-ms"]) >= 1
    return error
