"""openai-python as its users call it, sync and async; prints what came back as JSON."""

import asyncio
import inspect
import json
import os

import openai

BASE, MODEL, KEY = (os.environ[name] for name in ("EMBED_BASE", "EMBED_MODEL", "EMBED_KEY"))
TEXTS = json.loads(os.environ["TEXTS"])
TOKEN_IDS = json.loads(os.environ["TOKEN_IDS"])

CALLS = {
    "one": {"input": TEXTS[0]},
    "default": {"input": TEXTS},
    "float": {"input": TEXTS, "encoding_format": "float"},
    "base64": {"input": TEXTS, "encoding_format": "base64"},
    "dimensions": {"input": TEXTS, "dimensions": 64},
    "token_ids": {"input": TOKEN_IDS[0]},
    "token_id_lists": {"input": TOKEN_IDS},
    "user": {"input": TEXTS, "user": "somebody"},
    "own_field": {"input": TEXTS, "extra_body": {"input_type": "query"}},
}


async def settled(answer):
    return await answer if inspect.isawaitable(answer) else answer


async def attempt(call):
    try:
        await settled(call())
    except openai.OpenAIError as error:
        body = error.body if isinstance(getattr(error, "body", None), dict) else {}
        return {
            "class": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": getattr(error, "code", None),
            "param": getattr(error, "param", None),
            "type": getattr(error, "type", None),
            "request_id": getattr(error, "request_id", None),
            "message": str(body.get("message")),
        }
    return {"class": None}


async def use(client_class):
    options = {"api_key": KEY, "max_retries": 0}
    client = client_class(base_url=f"{BASE}/v1", **options)
    under_model = client_class(base_url=f"{BASE}/{MODEL}/v1", **options)
    slashed = client_class(base_url=f"{BASE}/v1/", **options)
    stranger = client_class(base_url=f"{BASE}/v1", api_key="wrong", max_retries=0)
    lost = client_class(base_url=f"{BASE}/v1/nowhere", **options)

    answers = {}
    for name, call in CALLS.items():
        answers[name] = (await settled(client.embeddings.create(model=MODEL, **call))).model_dump()
    for name, other in {"under_model": under_model, "slashed": slashed}.items():
        answers[name] = (await settled(other.embeddings.create(model=MODEL, input=TEXTS))).model_dump()

    errors = {
        "unknown_model": await attempt(lambda: client.embeddings.create(model="no/such", input="x")),
        "empty_text": await attempt(lambda: client.embeddings.create(model=MODEL, input="")),
        "empty_list": await attempt(lambda: client.embeddings.create(model=MODEL, input=[])),
        "too_many": await attempt(lambda: client.embeddings.create(model=MODEL, input=["x"] * 2049)),
        "bad_dimensions": await attempt(
            lambda: client.embeddings.create(model=MODEL, input="x", dimensions=0)
        ),
        "wrong_key": await attempt(lambda: stranger.embeddings.create(model=MODEL, input="x")),
        "wrong_url": await attempt(lambda: lost.embeddings.create(model=MODEL, input="x")),
        "unknown_model_info": await attempt(lambda: client.models.retrieve("no-such")),
    }
    listed = await settled(client.models.list())
    model = await settled(client.models.retrieve(MODEL))
    return {
        "answers": answers,
        "errors": errors,
        "models": [entry.id for entry in listed.data],
        "model": model.model_dump(),
    }


async def main():
    print(json.dumps({cls.__name__: await use(cls) for cls in (openai.OpenAI, openai.AsyncOpenAI)}))


asyncio.run(main())
