"""The same analysis as a few lines of our own package: no server, the same vectors."""

from __future__ import annotations

from ui.snippets import LastCall

_BEGIN = """import asyncio

from embedder import Engine, Settings
{imports}

texts = {texts}{left_out}


async def main():
    async with Engine(Settings({settings})) as engine:
{embedding}

{rest}

asyncio.run(main())
"""

_MAP = """    neighbours = nearest_neighbours(vectors, 11)  # of each text: itself, then the ten nearest
    print("nearest to the first:", [texts[row] for row in neighbours.indices[0, 1:]])

    made = map_of(vectors, LayoutOptions(method="umap"))  # PCA's for fewer than five texts
    print("map:", made.points.shape, "clusters:", made.clusters)
    for cluster in name_clusters(made.clusters, texts, vectors):
        print(cluster.size, "texts:", ", ".join(cluster.keywords))
"""

_SEARCH = """    rows, scores = top_k(question, vectors, 10)
    for row, score in zip(rows[0], scores[0]):
        print(f"{score:.3f}  {texts[row]}")
"""

_PAIR = """    print("cosine:", cosine_similarity(vectors)[0, 1])
"""

_COMPARE = """    near, others_near = nearest_neighbours(vectors), nearest_neighbours(others)
    shares = neighbour_overlap(near, others_near)  # of ten neighbours, how many both find
    print("mean overlap:", shares.mean())
    print("moved most:", [texts[row] for row in moved_most(near, others_near)[:10]])

    one, other = (map_of(some, LayoutOptions()).points for some in (vectors, others))
    print("maps, one over the other:", one.shape, aligned(other, one).shape)
"""


def package(call: LastCall, base: str = "") -> str:
    """The last call in Python, over the shown texts; runs as it stands."""
    model = repr(call.model)
    if call.action == "search":
        embedding = (
            f"        vectors = (await engine.embed(texts, model={model})).vectors\n"
            f'        asked = await engine.embed([{call.texts[0]!r}], model={model}, kind="query")\n'
            "        question = asked.vectors"
        )
        return _written(call, call.searched, "from embedder.analysis import top_k", embedding, _SEARCH)
    kind = f", kind={call.kind!r}" if call.kind else ""
    embedding = f"        vectors = (await engine.embed(texts, model={model}{kind})).vectors"
    if call.action == "pair":
        return _written(call, call.texts, "from embedder.analysis import cosine_similarity", embedding, _PAIR)
    if call.action == "compare":
        cut = f", dimensions={call.dimensions}" if call.dimensions else ""
        embedding += f"\n        others = (await engine.embed(texts, model={call.other!r}{cut})).vectors"
        names = [
            "LayoutOptions",
            "aligned",
            "map_of",
            "moved_most",
            "nearest_neighbours",
            "neighbour_overlap",
        ]
        return _written(call, call.texts, _imported(names), embedding, _COMPARE)
    names = ["LayoutOptions", "map_of", "name_clusters", "nearest_neighbours"]
    return _written(call, call.texts, _imported(names), embedding, _MAP)


def _imported(names: list[str]) -> str:
    line = f"from embedder.analysis import {', '.join(names)}"
    if len(line) <= 100:
        return line
    return "from embedder.analysis import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _written(call: LastCall, texts: tuple[str, ...], imports: str, embedding: str, rest: str) -> str:
    more = f", models=({call.other!r},)" if call.other not in (None, call.model) else ""
    left = call.total - len(texts) if call.action in ("embed", "compare") else 0
    return _BEGIN.format(
        imports=imports,
        texts="[\n" + "".join(f"    {text!r},\n" for text in texts) + "]",
        left_out=f"  # and {left:,} more" if left > 0 else "",
        settings=f"model={call.model!r}{more}",
        embedding=embedding,
        rest=rest,
    )
