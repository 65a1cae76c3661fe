"""Colours are told apart by those who see fewer of them, amounts by lightness, and dots from the ground."""

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
AMOUNTS = ["AMOUNT", "AMOUNT_ON_LIGHT", "AMOUNT_ON_DARK"]
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


def seen(colours: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Lightness, and two directions of hue, as somebody of that kind sees them."""
    if kind != "none":
        eyes = {"name": "sRGB1+CVD", "cvd_type": kind, "severity": 100}
        colours = np.clip(cspace_convert(colours, eyes, "sRGB1"), 0, 1)
    lab: NDArray[np.float64] = cspace_convert(colours, "sRGB1", "CIELab")
    return lab


def contrast(colours: NDArray[np.float64], ground: str) -> NDArray[np.float64]:
    ours, its = luminance(colours), luminance(as_numbers([ground]))
    return (np.maximum(ours, its) + 0.05) / (np.minimum(ours, its) + 0.05)


def between(colours: NDArray[np.float64], steps: int = 100) -> NDArray[np.float64]:
    """A range as it is drawn: mixed channel by channel from each of its colours to the next."""
    places, at = np.linspace(0, len(colours) - 1, steps), np.arange(len(colours))
    return np.stack([np.interp(places, at, channel) for channel in colours.T], axis=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", GROUNDS)
def test_no_two_groups_look_alike(name: str, kind: str) -> None:
    colours = as_numbers(palette(name))
    assert len(colours) == DISTINCT_GROUPS
    lab = seen(colours, kind)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    one, two = np.unravel_index(apart.argmin(), apart.shape)
    assert apart.min() > 18, f"{palette(name)[one]} and {palette(name)[two]}"


@pytest.mark.parametrize("name", GROUNDS)
def test_each_stands_out_from_the_ground(name: str) -> None:
    assert contrast(as_numbers(palette(name)), GROUNDS[name]).min() >= 3, "WCAG 2.2, 1.4.11"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", AMOUNTS)
def test_more_is_brighter_and_the_parts_of_a_range_are_told_apart(name: str, kind: str) -> None:
    colours = as_numbers(palette(name))
    lightness = seen(between(colours), kind)[:, 0]
    assert (np.diff(lightness) > 0).all(), "so that it reads without hue"
    assert lightness[-1] - lightness[0] > 40
    parts = np.linalg.norm(np.diff(seen(colours, kind), axis=0), axis=1)
    assert parts.min() > 12, "each button of the legend beside the next"


@pytest.mark.parametrize("name", GROUNDS)
def test_the_most_and_the_least_stand_out_from_the_ground(name: str) -> None:
    assert contrast(between(as_numbers(palette(f"AMOUNT_ON_{name}"))), GROUNDS[name]).min() >= 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dark", [False, True])
def test_the_two_sides_of_zero_are_told_apart(kind: str, dark: bool) -> None:
    pairs = re.findall(r'const (?:below|above) = \(\) => \(isDark\(\) \? "(.*)" : "(.*)"\)', COLOURS)
    sides = [in_dark if dark else in_light for in_dark, in_light in pairs]
    below, above = seen(as_numbers(sides), kind)
    assert np.linalg.norm(below - above) > 40
