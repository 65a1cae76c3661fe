"""The same analysis as a few lines of our own package: no server, the same vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import accumulate, pairwise

from embedder.analysis.projection import LayoutOptions
from ui.last_call import WORDS_ONLY, Action, LastCall

_BEGIN = """import asyncio

from embedder import {own}
{imports}

texts = {texts}{left_out}


async def main():
    async with Engine(Settings({settings})) as engine:
{embedding}

{rest}

asyncio.run(main())
"""

_WORDS = """{imports}

texts = {texts}

{rest}"""

_MAP = """    neighbours = nearest_neighbours(vectors, 11)  # of each text: itself, then the ten nearest
    print("nearest to the first:", [texts[row] for row in neighbours.indices[0, 1:]])

    made = map_of(vectors, {layout})  # PCA's for fewer than five texts
    print("map:", made.points.shape, "clusters:", made.clusters)
    for cluster in name_clusters(made.clusters, texts, vectors):
        print(cluster.size, "texts:", ", ".join(cluster.keywords))
"""

_FOUND = """    rows, scores = top_k({wanted}, vectors, {k})
    for row, score in zip(rows[0], scores[0]):
        print(f"{{score:.3f}}  {{texts[row]}}")
"""

_HYBRID = """    by_meaning, _ = top_k(question, vectors, 500)
    words = KeywordIndex(texts).scores({query})
    by_words = [row for row in np.argsort(-words, kind="stable")[:500] if words[row] > 0]
    scores = fused([by_meaning[0], np.array(by_words, dtype=int)], len(texts))
    for row in np.argsort(-scores, kind="stable")[:10]:
        print(f"{{scores[row]:.4f}}  {{texts[row]}}")
"""

_KEYWORD = """scores = KeywordIndex(texts).scores({query})
for row in (-scores).argsort(kind="stable"):
    if scores[row] > 0:
        print(f"{{scores[row]:.2f}}  {{texts[row]}}")
"""

_REGEX = """for row in matching(texts, {query}):
    print(texts[row])
"""

_PAIR = """    print("cosine:", cosine_similarity(vectors)[0, 1])
"""

_PAIRS = """    pairs = find_alike(vectors, texts).pairs  # most similar first; equal texts count once
    for left, right, score in zip(pairs.left[:50], pairs.right[:50], pairs.scores[:50]):
        print(f"{{score:.3f}}  {{texts[left]}} | {{texts[right]}}")
"""

_DUPLICATES = """    count, groups = find_alike(vectors, texts).groups({value:g})
    print(count, "pairs with at least that cosine, in", len(groups), "groups")
    for group in groups:
        print([texts[row] for row in group])
"""

_OUTLIERS = """    scores = outlier_scores(nearest_neighbours(vectors, {more}), {value:g})
    for row in most_alone(scores, 10):  # cosine distance to that neighbour, or to the last there is
        print(f"{{scores[row]:.3f}}  {{texts[row]}}")
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
    imports, rest = _ANALYSES[call.action](call)
    texts = call.searched or call.texts
    shown = "[\n" + "".join(f"    {text!r},\n" for text in texts) + "]"
    if call.action in WORDS_ONLY:
        return _WORDS.format(imports=imports, texts=shown, rest=rest)
    more = f", models=({call.other!r},)" if call.other not in (None, call.model) else ""
    left = 0 if call.searched else call.total - len(texts)
    return _BEGIN.format(
        own="Engine, Settings" if call.prompt is None else "EmbedOptions, Engine, Settings",
        imports=imports,
        texts=shown,
        left_out=f"  # and {left:,} more" if left > 0 else "",
        settings=f"model={call.model!r}{more}",
        embedding=_embedding(call),
        rest=rest,
    )


def _embedding(call: LastCall) -> str:
    """The lines that make vectors of the texts, and of what was looked for among them."""
    model = f"model={call.model!r}"

    def line(name: str, texts: str, more: str = "", model: str = model) -> str:
        return f"        {name} = (await engine.embed({texts}, {model}{more})).vectors"

    kind = f", kind={call.kind!r}" if call.kind else ""
    prompt = "" if call.prompt is None else f", options=EmbedOptions(prompt={call.prompt!r})"
    if call.searched:
        wanted = kind + (prompt if call.kind else "")
        lines = [
            line("vectors", "texts"),
            line(_WANTED.get(call.action, "question"), _listed(call.texts), wanted),
        ]
        if call.question:
            lines.append(line("question", repr([call.question]), f", kind='query'{prompt}"))
        return "\n".join(lines)
    lines = [line("vectors", "texts", kind)]
    if call.action == "compare":
        cut = f", dimensions={call.dimensions}" if call.dimensions else ""
        lines.append(line("others", "texts", cut, f"model={call.other!r}"))
    return "\n".join(lines)


_WANTED = {"near": "asked", "like": "examples", "axes": "ends"}


def _listed(texts: tuple[str, ...]) -> str:
    """A list as Python writes it: one text on the line, several below each other."""
    if len(texts) == 1:
        return repr(list(texts))
    return "[\n" + "".join(f"            {text!r},\n" for text in texts) + "        ]"


def _layout(call: LastCall) -> tuple[str, str]:
    options, plain = call.layout or LayoutOptions(), LayoutOptions()
    said = {"method": options.method} | {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if getattr(options, field.name) != getattr(plain, field.name)
    }
    layout = f"LayoutOptions({', '.join(f'{name}={value!r}' for name, value in said.items())})"
    imports = _imported("LayoutOptions", "map_of", "name_clusters", "nearest_neighbours")
    return imports, _MAP.format(layout=layout)


def _search(call: LastCall) -> tuple[str, str]:
    return _imported("top_k"), _FOUND.format(wanted="question", k=10)


def _near(call: LastCall) -> tuple[str, str]:
    return _imported("top_k"), _FOUND.format(wanted="asked", k=11)


def _like(call: LastCall) -> tuple[str, str]:
    plus, _ = call.ends
    towards = f"examples[:{plus}]"
    imports = _imported("blend", "top_k")
    if call.question:
        imports = f"import numpy as np\n{imports}"
        towards = f"np.concatenate([question, {towards}])"
    wanted = f"    wanted = blend({towards}, examples[{plus}:])  # towards some, away from others\n"
    return imports, wanted + _FOUND.format(wanted="wanted", k=10)


def _hybrid(call: LastCall) -> tuple[str, str]:
    imports = f"import numpy as np\n{_imported('KeywordIndex', 'fused', 'top_k')}"
    return imports, _HYBRID.format(query=repr(call.texts[0]))


def _axes(call: LastCall) -> tuple[str, str]:
    parts = [f"ends[{start}:{stop}]" for start, stop in pairwise(accumulate(call.ends, initial=0))]
    lines = []
    for start, end in zip(parts[::2], parts[1::2], strict=True):
        lines += [
            f"    places = along(vectors, axis_between({start}, {end}))  # -1 to 1",
            "    for row in places.argsort():",
            '        print(f"{places[row]:+.3f}  {texts[row]}")',
        ]
    return _imported("along", "axis_between"), "\n".join(lines) + "\n"


def _outliers(call: LastCall) -> tuple[str, str]:
    imports = _imported("most_alone", "nearest_neighbours", "outlier_scores")
    return imports, _OUTLIERS.format(value=call.value, more=int(call.value) + 1)


def _compare(call: LastCall) -> tuple[str, str]:
    names = ("LayoutOptions", "aligned", "map_of", "moved_most", "nearest_neighbours", "neighbour_overlap")
    return _imported(*names), _COMPARE


def _imported(*names: str) -> str:
    line = f"from embedder.analysis import {', '.join(names)}"
    if len(line) <= 100:
        return line
    return "from embedder.analysis import (\n" + "".join(f"    {name},\n" for name in names) + ")"


_ANALYSES: dict[Action, Callable[[LastCall], tuple[str, str]]] = {
    "embed": _layout,
    "search": _search,
    "hybrid": _hybrid,
    "keyword": lambda call: (_imported("KeywordIndex"), _KEYWORD.format(query=repr(call.texts[0]))),
    "regex": lambda call: (_imported("matching"), _REGEX.format(query=repr(call.texts[0]))),
    "like": _like,
    "near": _near,
    "pair": lambda call: (_imported("cosine_similarity"), _PAIR),
    "pairs": lambda call: (_imported("find_alike"), _PAIRS.format()),
    "duplicates": lambda call: (_imported("find_alike"), _DUPLICATES.format(value=call.value)),
    "outliers": _outliers,
    "axes": _axes,
    "compare": _compare,
}
