"""litellm's embedding() by the API of OpenAI, and its rerank() by those of Jina and Cohere."""

import json
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

litellm.suppress_debug_info = True

BASE, MODEL, KEY = (os.environ[name] for name in ("EMBED_BASE", "EMBED_MODEL", "EMBED_KEY"))
TEXTS = json.loads(os.environ["TEXTS"])


def embed(base, **more):
    answer = litellm.embedding(
        **{"model": f"openai/{MODEL}", "input": TEXTS, "api_base": base, "api_key": KEY, **more}
    )
    return answer.model_dump()


def rerank(provider, **more):
    answer = litellm.rerank(
        model=f"{provider}/{MODEL}",
        query="Is it sunny?",
        documents=TEXTS,
        api_base=BASE,
        api_key=KEY,
        **more,
    )
    return answer.model_dump()


def attempt(**more):
    try:
        embed(f"{BASE}/v1", **more)
    except Exception as error:
        return {"class": type(error).__name__, "status": getattr(error, "status_code", None)}
    return {"class": None}


print(
    json.dumps(
        {
            "plain": embed(f"{BASE}/v1"),
            "under_model": embed(f"{BASE}/{MODEL}/v1"),
            "null_format": embed(f"{BASE}/v1", encoding_format=None, dimensions=None),
            "jina": rerank("jina_ai", return_documents=True, top_n=2),
            "cohere": rerank("cohere", return_documents=True, top_n=2),
            "unknown_model": attempt(model="openai/no/such"),
            "wrong_key": attempt(api_key="wrong"),
            "empty": attempt(input=[""]),
        }
    )
)
