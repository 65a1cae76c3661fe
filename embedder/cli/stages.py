"""Bars for work in stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from embedder.cli.input import bar_options


@contextmanager
def stages(wanted: bool | None) -> Iterator[Callable[[str, float], None]]:
    """A bar for each stage, one after the other; told of a stage what share of it is done."""
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def tell(stage: str, share: float) -> None:
        if stage not in bars:
            for bar in bars.values():
                bar.close()
            form = "{l_bar}{bar}| {elapsed}<{remaining}"
            bars[stage] = tqdm(total=100, desc=stage, bar_format=form, **bar_options(wanted))
        bars[stage].update(100 * share - bars[stage].n)

    try:
        yield tell
    finally:
        for bar in bars.values():
            bar.close()
