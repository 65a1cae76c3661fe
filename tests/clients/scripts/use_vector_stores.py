"""openai-python's files and vector stores as its users call them; prints what came back as JSON."""

import json
import os

import openai

BASE, KEY = os.environ["EMBED_BASE"], os.environ["EMBED_KEY"]
client = openai.OpenAI(base_url=f"{BASE}/v1", api_key=KEY, max_retries=0)

LONG = "\n\n".join(
    f"Paragraph {n} speaks of thing number {n}, and of nothing else at all. " * 3 for n in range(12)
)
FILES = {
    "weather.md": b"The weather is lovely today.\n\nIt's so sunny outside!",
    "stadium.txt": b"He drove to the stadium.",
    "long.txt": LONG.encode(),
}
STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}


def dumped(found):
    return [one.model_dump() for one in found]


files = {name: client.files.create(file=(name, data), purpose="assistants") for name, data in FILES.items()}
out = {
    "file": files["weather.md"].model_dump(),
    "content": client.files.content(files["weather.md"].id).read().decode(),
}
store = client.vector_stores.create(name="notes", metadata={"owner": "me"})
out["created"] = store.model_dump()
attached = client.vector_stores.files.create_and_poll(
    files["long.txt"].id,
    vector_store_id=store.id,
    attributes={"kind": "long", "year": 2024},
    chunking_strategy=STATIC,
)
out["attached"] = attached.model_dump()
batch = client.vector_stores.file_batches.create_and_poll(
    store.id, file_ids=[files["weather.md"].id, files["stadium.txt"].id], attributes={"kind": "short"}
)
out["batch"] = batch.model_dump()
uploaded = client.vector_stores.files.upload_and_poll(
    vector_store_id=store.id, file=("bread.txt", b"Knead the dough and let it rise for an hour.")
)
out["uploaded"] = uploaded.model_dump()
out["search"] = dumped(client.vector_stores.search(store.id, query="Is the sun shining?", max_num_results=2))
out["options"] = dumped(
    client.vector_stores.search(
        store.id,
        query=["thing number 7", "thing number 3"],
        filters={
            "type": "and",
            "filters": [
                {"type": "eq", "key": "kind", "value": "long"},
                {"type": "gte", "key": "year", "value": 2024},
            ],
        },
        ranking_options={"ranker": "auto", "score_threshold": 0.2},
        rewrite_query=True,
    )
)
out["files"] = sorted(one.id for one in client.vector_stores.files.list(store.id, limit=2))
out["all_ids"] = sorted([files[name].id for name in FILES] + [uploaded.id])
out["batch_files"] = sorted(
    one.id for one in client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id)
)
out["changed"] = client.vector_stores.files.update(
    files["stadium.txt"].id, vector_store_id=store.id, attributes={"kind": "moved"}
).model_dump()
out["moved"] = dumped(
    client.vector_stores.search(store.id, query="x", filters={"type": "eq", "key": "kind", "value": "moved"})
)
out["chunks"] = [
    one.text for one in client.vector_stores.files.content(files["long.txt"].id, vector_store_id=store.id)
]
out["detached"] = client.vector_stores.files.delete(
    files["long.txt"].id, vector_store_id=store.id
).model_dump()
out["renamed"] = client.vector_stores.update(store.id, name="renamed").model_dump()
out["listed"] = [one.id for one in client.vector_stores.list()]
out["gone"] = client.vector_stores.delete(store.id).model_dump()
try:
    client.vector_stores.search(store.id, query="x")
except openai.NotFoundError as error:
    out["error"] = error.code
for one in client.files.list():
    client.files.delete(one.id)
out["left"] = len(list(client.files.list()))
out["long"] = LONG
print(json.dumps(out))
