"""Both of Cohere's clients, told another address."""

import json
import os

import cohere

BASE, MODEL, KEY = (os.environ[name] for name in ("EMBED_BASE", "EMBED_MODEL", "EMBED_KEY"))
TEXTS = json.loads(os.environ["TEXTS"])
QUERY = "Is it sunny?"


def rerank(client, **more):
    answer = client.rerank(**{"model": MODEL, "query": QUERY, "documents": TEXTS, **more})
    return answer.model_dump()


def attempt(client, **more):
    try:
        rerank(client, **more)
    except Exception as error:
        return {"class": type(error).__name__, "status": getattr(error, "status_code", None)}
    return {"class": None}


def made(kind, base=BASE, key=KEY):
    return kind(api_key=key, base_url=base)


first, second = made(cohere.Client), made(cohere.ClientV2)
print(
    json.dumps(
        {
            "v1": rerank(first),
            "v1_documents": rerank(
                first,
                documents=[{"text": text} for text in TEXTS],
                return_documents=True,
                top_n=2,
                rank_fields=["text"],
                max_chunks_per_doc=10,
            ),
            "v1_under_model": rerank(made(cohere.Client, f"{BASE}/{MODEL}")),
            "v2": rerank(second),
            "v2_top": rerank(second, top_n=2, max_tokens_per_doc=4096),
            "v2_under_model": rerank(made(cohere.ClientV2, f"{BASE}/{MODEL}")),
            "unknown_model": attempt(second, model="no/such"),
            "wrong_key": attempt(made(cohere.ClientV2, key="wrong")),
            "empty": attempt(second, documents=[]),
        }
    )
)
