"""A colour for every class: the one that the data set states, else one that is told from those before it.

Colours differ for people who see red and green as one, too. The first are those of Okabe and Ito ("Color
Universal Design", 2008) without black. Each further one is, of a grid of colours, the one that is farthest
from all before it, as seen by the eyes that it is nearest for: usual ones, those without long-wave cones and
those without medium-wave cones. How the latter see is the model of Machado, Oliveira and Fernandes (IEEE TVCG
15, 2009) at its full strength; distances are those of Oklab (Ottosson, 2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from labelkit.model import Category

Colour = tuple[int, int, int]
Floats = NDArray[np.float64]

IGNORED: Colour = (128, 128, 128)
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

_FIRST: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
_DIFFERENT = 60  # colours; with more, they come again, for nobody tells so many apart
_STEPS = (0, 64, 128, 192, 255)  # of each channel of the grid
_EYES = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ]
)
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def class_colours(categories: Sequence[Category]) -> Mapping[str, Colour]:
    """The colour of each class. It depends on the categories alone, and on their order."""
    stated = [category.colour for category in categories if category.colour]
    free = [colour for colour in _palette() if colour not in stated] or list(_palette())
    colours: dict[str, Colour] = {}
    made = 0
    for category in categories:
        colours[category.name] = category.colour or free[made % len(free)]
        made += category.colour is None
    return colours


def ink_on(ground: Colour) -> Colour:
    """Black or white, whichever has more contrast with a ground. Source: WCAG 2.2, contrast ratio."""
    light = float(_linear(np.array(ground)) @ np.array([0.2126, 0.7152, 0.0722]))
    return BLACK if (light + 0.05) ** 2 > 0.05 * 1.05 else WHITE


def seen(colours: Floats) -> Floats:
    """Colours (N, 3) as each of three kinds of eyes sees them: (3, N, 3) in Oklab."""
    cones = np.clip(_linear(colours) @ _EYES.transpose(0, 2, 1), 0, 1) @ _TO_CONES.T
    lab: Floats = np.cbrt(cones) @ _TO_LAB.T
    return lab


def _linear(colours: NDArray[np.integer] | Floats) -> Floats:
    """sRGB from 0 to 255 as amounts of light. Source: IEC 61966-2-1."""
    share = np.asarray(colours, dtype=np.float64) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


@cache
def _palette() -> tuple[Colour, ...]:
    """Colours in the order in which classes get them: neither greys nor dark ones, lost in a photograph."""
    grid = np.array([(r, g, b) for r in _STEPS for g in _STEPS for b in _STEPS], dtype=np.float64)
    strong = grid[(np.ptp(grid, axis=1) >= 100) & (seen(grid)[0, :, 0] >= 0.45)]
    given = np.array([*_FIRST, IGNORED, BLACK, WHITE], dtype=np.float64)
    points = seen(strong)
    nearest = np.min([_distances(points, each) for each in seen(given).transpose(1, 0, 2)], axis=0)
    chosen = list(_FIRST)
    while len(chosen) < _DIFFERENT:
        best = int(nearest.argmax())
        chosen.append((int(strong[best, 0]), int(strong[best, 1]), int(strong[best, 2])))
        nearest = np.minimum(nearest, _distances(points, points[:, best]))
    return tuple(chosen)


def _distances(points: Floats, one: Floats) -> Floats:
    """How far points (3, N, 3) are from one (3, 3), by the eyes for which it is nearest: (N,)."""
    away: Floats = np.linalg.norm(points - one[:, None], axis=2).min(axis=0)
    return away
