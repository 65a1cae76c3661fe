"""/v1/files as OpenAI's clients use it for vector stores: sent as a form, kept as they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from embedder.api.bodies import FORM
from embedder.api.context import context_of
from embedder.api.paging import MAX_LIMIT, page
from embedder.api.serialise import json_response
from embedder.collections.uploads import Upload
from embedder.errors import InvalidInput

router = APIRouter(tags=["files"], include_in_schema=False)


@router.post("/v1/files")
async def upload_file(request: Request) -> Response:
    """Keep the `file` of a form."""
    context = context_of(request)
    async with context.bodies.read(request, media_type=FORM) as body:
        filename, purpose, data = await _form(request, body)
        made = await asyncio.to_thread(context.uploads.add, filename, purpose, data)
    return json_response(described(made))


@router.get("/v1/files")
async def list_files(request: Request) -> Response:
    """Every file, the newest first, or those of a `purpose`."""
    found = await asyncio.to_thread(context_of(request).uploads.all)
    purpose = request.query_params.get("purpose")
    found = [one for one in found if purpose in (None, "", one.purpose)]
    return json_response(page(request, [described(one) for one in found], limit=MAX_LIMIT))


@router.get("/v1/files/{file_id}")
async def get_file(request: Request, file_id: str) -> Response:
    """What is known of a file."""
    return json_response(described(await asyncio.to_thread(context_of(request).uploads.get, file_id)))


@router.get("/v1/files/{file_id}/content")
async def get_content(request: Request, file_id: str) -> Response:
    """A file's bytes."""
    data = await asyncio.to_thread(context_of(request).uploads.content, file_id)
    # To be saved, never to be shown: it may be a page with scripts.
    headers = {"content-disposition": "attachment"}
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.delete("/v1/files/{file_id}")
async def delete_file(request: Request, file_id: str) -> Response:
    """Let go of a file."""
    await asyncio.to_thread(context_of(request).uploads.delete, file_id)
    return json_response({"id": file_id, "object": "file", "deleted": True})


def described(upload: Upload) -> dict[str, Any]:
    """OpenAI's file object."""
    return {
        "id": upload.id,
        "object": "file",
        "bytes": upload.bytes,
        "created_at": upload.created,
        "expires_at": None,
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": "processed",
        "status_details": None,
    }


async def _form(request: Request, body: bytearray) -> tuple[str, str, bytes]:
    async def whole() -> AsyncGenerator[bytes, None]:
        yield bytes(body)
        yield b""

    try:
        form = await MultiPartParser(request.headers, whole(), max_files=1, max_fields=8).parse()
    except (MultiPartException, ValueError, KeyError) as error:
        raise InvalidInput(f"The form cannot be read: {type(error).__name__}.", param="file") from None
    try:
        sent, purpose = form.get("file"), form.get("purpose")
        if sent is None or isinstance(sent, str):
            raise InvalidInput("The form must have a 'file'.", param="file")
        name = (sent.filename or "upload.txt").replace("\\", "/").rpartition("/")[2] or "upload.txt"
        return name, purpose[:64] if isinstance(purpose, str) else "user_data", await sent.read()
    finally:
        await form.close()
