"""Colours of groups can be told apart by those who see fewer of them, and from the ground they lie on."""

from __future__ import annotations

import re

import numpy as np
import pytest
from colorspacious import cspace_convert
from numpy.typing import NDArray

from tests.conftest import ROOT
from ui.describe import DISTINCT_GROUPS

COLOURS = (ROOT / "assets" / "explorer" / "colours.js").read_text()
GROUNDS = {"LIGHT": "#ffffff", "DARK": "#18181b"}
# Machado, Oliveira and Fernandes 2009, at full severity.
KINDS = ["none", "protanomaly", "deuteranomaly", "tritanomaly"]


def palette(name: str) -> list[str]:
    found = re.search(rf"^const {name} = \[(.*)\];", COLOURS, re.MULTILINE)
    assert found
    return re.findall(r"#[0-9a-f]{6}", found.group(1))


def as_numbers(colours: list[str]) -> NDArray[np.float64]:
    return np.array([[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in colours])


def luminance(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    y: NDArray[np.float64] = cspace_convert(colours, "sRGB1", "XYZ100")[..., 1] / 100
    return y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", GROUNDS)
def test_no_two_groups_look_alike(name: str, kind: str) -> None:
    colours = as_numbers(palette(name))
    assert len(colours) == DISTINCT_GROUPS
    if kind != "none":
        seen = {"name": "sRGB1+CVD", "cvd_type": kind, "severity": 100}
        colours = np.clip(cspace_convert(colours, seen, "sRGB1"), 0, 1)
    lab = cspace_convert(colours, "sRGB1", "CIELab")
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    one, two = np.unravel_index(apart.argmin(), apart.shape)
    assert apart.min() > 18, f"{palette(name)[one]} and {palette(name)[two]}"


@pytest.mark.parametrize("name", GROUNDS)
def test_each_stands_out_from_the_ground(name: str) -> None:
    light, dark = luminance(as_numbers(palette(name))), luminance(as_numbers([GROUNDS[name]]))
    ratio = (np.maximum(light, dark) + 0.05) / (np.minimum(light, dark) + 0.05)
    assert ratio.min() >= 3, "WCAG 2.2, 1.4.11"
