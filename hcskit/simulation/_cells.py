"""Cells: where they are, what they look like, and how each of them responds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit, logit

from hcskit.simulation._design import PlateDesign

__all__ = ["Cell", "grow", "paint"]

# Sizes in micrometre, semi-axes; brightness in counts. Chosen to look like the U2OS cells of BBBC013
# (https://bbbc.broadinstitute.org/BBBC013).
_NUCLEUS = 8.6
_BODY = 21.0
_SPACING = 14.5  # no two nuclei closer than this, centre to centre
_MARGIN = 20.0  # cells this far outside the image may reach into it
_DNA = 750.0
_GFP = 380.0
_NUCLEAR_AREA = 0.25  # of the area of a cell
_NUCLEAR_FRACTION = (0.12, 0.46)  # of the reporter that is in the nucleus, at rest and fully translocated
_AUTOFLUORESCENCE = 0.03  # of the reporter's light that is seen in the DNA channel
_CELL_LOSS = 0.4  # fraction of cells lost at full condensation
# An outline's irregularity: angular frequencies, their relative amplitudes, and the size for nucleus and body.
_SHAPE_ORDERS = (2, 3, 4, 5)
_SHAPE_AMPLITUDES = (1.0, 1.0, 0.6, 0.3)
_IRREGULARITY = (0.035, 0.10)

_Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; lengths in pixels, brightness in counts.

    Attributes
    ----------
    y, x, angle : float
        Centre and orientation (radian).
    nucleus, body : tuple of float
        Long and short semi-axis.
    dna, gfp : float
        Mean brightness of the nucleus in ``DNA`` and of the whole cell in ``GFP``.
    nuclear_fraction : float
        Fraction of the reporter that is in the nucleus.
    irregularity : float
        How far the outlines are from ellipses, relative to a cell at rest.
    outline : numpy.ndarray
        Shape (2, 4): phases (radian) of the irregularities of nucleus and body.
    """

    y: float
    x: float
    angle: float
    nucleus: tuple[float, float]
    body: tuple[float, float]
    dna: float
    gfp: float
    nuclear_fraction: float
    irregularity: float
    outline: NDArray[np.float64]


def grow(
    design: PlateDesign, strengths: Mapping[str, float], rng: np.random.Generator, *, density: float, brightness: float
) -> list[Cell]:
    """Draw the cells of a field; each responds with a strength of its own around the well's."""
    condensed = strengths.get("condensation", 0.0)
    places = _places(design, density * (1.0 - _CELL_LOSS * condensed), rng)
    translocation = _responses(strengths.get("translocation", 0.0), len(places), design, rng)
    condensation = _responses(condensed, len(places), design, rng)
    return [
        _cell(design, place, moved, rounded, brightness, rng)
        for place, moved, rounded in zip(places, translocation, condensation, strict=True)
    ]


def paint(cells: list[Cell], shape: tuple[int, int], rng: np.random.Generator) -> _Image:
    """Paint cells on a black field.

    Returns
    -------
    numpy.ndarray
        Shape (channel, y, x): counts that ideal optics would give.
    """
    distance, owner = _territories(cells, shape)
    fine, coarse = _texture(shape, 1.2, rng), _texture(shape, 4.0, rng)
    brightness = np.array([cell.gfp * (1.0 - cell.nuclear_fraction) / (1.0 - _NUCLEAR_AREA) for cell in cells] + [0.0])
    thickness = 0.35 + 1.1 * np.exp(-((distance / 0.75) ** 2))  # thick by the nucleus, thin at the rim
    edge = np.clip((1.0 - distance) * 8.0, 0.0, 1.0)
    gfp = brightness.astype(np.float32)[owner] * thickness * edge * np.exp(0.16 * fine + 0.12 * coarse)
    dna = _AUTOFLUORESCENCE * gfp
    nuclear_texture = np.exp(0.10 * fine)
    for cell in cells:
        patch, u, v = _patch(cell, cell.nucleus[0], shape)
        radius = _radius(u, v, cell.nucleus, cell.outline[0], _IRREGULARITY[0] * cell.irregularity)
        cover = np.clip((1.0 - radius) * cell.nucleus[1] + 0.5, 0.0, 1.0)
        dome = (1.15 - 0.3 * radius**2) * nuclear_texture[patch]
        dna[patch] += cover * (cell.dna * dome - dna[patch])
        gfp[patch] += cover * (cell.gfp * cell.nuclear_fraction / _NUCLEAR_AREA * dome - gfp[patch])
    return np.stack([dna, gfp]).astype(np.float32)


def _places(design: PlateDesign, density: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw centres (cell, 2) in pixels: none too close, some regions crowded and some bare, as in culture."""
    margin = _MARGIN / design.pixel_size
    size = np.array(design.image_size) + 2.0 * margin
    wanted = rng.poisson(design.cell_density * density * size.prod() * (design.pixel_size / 1000.0) ** 2)
    candidates = rng.random((20 * wanted + 1, 2)) * size
    waves = rng.normal(0.0, 2.0 * np.pi / 250.0, (4, 2)) * design.pixel_size  # crowded regions are about 100 µm wide
    crowding = np.cos(candidates @ waves.T + rng.uniform(0.0, 2.0 * np.pi, 4)).sum(axis=1)
    candidates = candidates[rng.random(len(candidates)) < expit(1.2 * crowding)]
    spacing = (_SPACING / design.pixel_size) ** 2
    places = np.empty((0, 2))
    for candidate in candidates:
        if len(places) == wanted:
            break
        if not len(places) or ((places - candidate) ** 2).sum(axis=1).min() > spacing:
            places = np.vstack([places, candidate])
    return places - margin


def _responses(strength: float, number: int, design: PlateDesign, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw each cell's strength: its sensitivity (log EC50) varies, which shifts the logit of a Hill response."""
    if design.all_or_none:
        return (rng.random(number) < strength).astype(float)
    return np.asarray(expit(logit(strength) + design.cell_variability * rng.standard_normal(number)))


def _cell(
    design: PlateDesign,
    place: NDArray[np.float64],
    moved: float,
    rounded: float,
    brightness: float,
    rng: np.random.Generator,
) -> Cell:
    size, stretch, dna, gfp = np.clip(rng.standard_normal(4), -2.5, 2.5)
    # A condensing cell rounds up: nucleus and body shrink, lose their elongation, and keep their content.
    shrink = 1.0 - 0.35 * rounded
    nucleus = _NUCLEUS * np.exp(0.12 * size) / design.pixel_size
    aspect = np.exp((0.5 + 0.15 * stretch) * (1.0 - 0.85 * rounded) / 2.0)
    body = _BODY * np.exp(0.12 * size) / design.pixel_size
    body_aspect = np.exp((0.65 + 0.25 * stretch) * (1.0 - rounded) / 2.0)
    rest, full = _NUCLEAR_FRACTION
    return Cell(
        y=place[0],
        x=place[1],
        angle=rng.uniform(0.0, np.pi),
        nucleus=(nucleus * shrink * aspect, nucleus * shrink / aspect),
        body=(body * shrink * body_aspect, body * shrink / body_aspect),
        dna=brightness * _DNA * np.exp(0.2 * dna) / shrink**2,
        gfp=brightness * _GFP * np.exp(0.35 * gfp) / shrink,
        nuclear_fraction=rest + (full - rest) * moved,
        irregularity=1.0 - 0.7 * rounded,
        outline=rng.uniform(0.0, 2.0 * np.pi, (2, len(_SHAPE_ORDERS))),
    )


def _territories(cells: list[Cell], shape: tuple[int, int]) -> tuple[_Image, NDArray[np.intp]]:
    """Share the field among the cells: relative distance from the nearest cell's centre (1 is its rim), and its number.

    Cells that touch get a border between them. Where there is no cell the number is -1.
    """
    distance = np.ones(shape, dtype=np.float32)
    owner = np.full(shape, -1, dtype=np.intp)
    for number, cell in enumerate(cells):
        patch, u, v = _patch(cell, cell.body[0], shape)
        radius = _radius(u, v, cell.body, cell.outline[1], _IRREGULARITY[1] * cell.irregularity)
        nearer = radius < distance[patch]
        distance[patch][nearer] = radius[nearer]
        owner[patch][nearer] = number
    return distance, owner


def _patch(cell: Cell, reach: float, shape: tuple[int, int]) -> tuple[tuple[slice, slice], _Image, _Image]:
    """Cut out a cell's surroundings: slices, and coordinates along its long and short axis."""
    reach = 1.4 * reach + 2.0  # irregular outlines reach further than the ellipse
    rows, columns = (
        slice(max(0, int(centre - reach)), max(0, min(size, int(centre + reach) + 1)))
        for centre, size in zip((cell.y, cell.x), shape, strict=True)
    )
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(cell.y)
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] - np.float32(cell.x)
    cosine, sine = np.float32(np.cos(cell.angle)), np.float32(np.sin(cell.angle))
    return (rows, columns), x * cosine + y * sine, y * cosine - x * sine


def _radius(
    u: _Image, v: _Image, semi_axes: tuple[float, float], phases: NDArray[np.float64], irregularity: float
) -> _Image:
    """Distance from the centre relative to the outline, an ellipse with `irregularity`."""
    u, v = u / np.float32(semi_axes[0]), v / np.float32(semi_axes[1])
    angle = np.arctan2(v, u)
    outline = 1.0 + np.float32(irregularity) * sum(
        np.float32(amplitude) * np.cos(order * angle + np.float32(phase))
        for order, amplitude, phase in zip(_SHAPE_ORDERS, _SHAPE_AMPLITUDES, phases, strict=True)
    )
    return np.asarray(np.hypot(u, v) / outline, dtype=np.float32)


def _texture(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> _Image:
    """Draw smooth noise of mean 0 and standard deviation 1, its grain in pixels."""
    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), grain, truncate=3.0, mode="wrap")
    return np.asarray(noise / noise.std(), dtype=np.float32)
