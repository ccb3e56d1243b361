"""One simulated field of view."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hcskit.errors import InputError
from hcskit.simulation._camera import expose
from hcskit.simulation._cells import grow, paint
from hcskit.simulation._design import PHENOTYPES, PlateDesign

__all__ = ["simulate_field"]

_DEFOCUS = 5.0  # pixels; clearly useless to the eye, yet still cells


def simulate_field(
    design: PlateDesign,
    strengths: Mapping[str, float],
    rng: np.random.Generator,
    *,
    density: float = 1.0,
    brightness: float = 1.0,
    in_focus: bool = True,
) -> NDArray[np.uint16]:
    """Simulate one field of a well.

    Parameters
    ----------
    design : PlateDesign
        Image size, cells and microscope.
    strengths : mapping of str to float
        Strength (0 to 1) of each phenotype in the well; one that is not named is absent.
    rng : numpy.random.Generator
        Decides everything that the design leaves open.
    density, brightness : float
        Number and brightness of the cells relative to the design's.
    in_focus : bool
        False for a field out of focus.

    Returns
    -------
    numpy.ndarray
        Shape (channel, y, x): counts, channels as in `CHANNELS`.

    Raises
    ------
    InputError
        If a phenotype is unknown or its strength is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> small = PlateDesign(image_size=(64, 64))
    >>> image = simulate_field(small, {"translocation": 0.5}, np.random.default_rng(0))
    >>> image.shape, image.dtype.name
    ((2, 64, 64), 'uint16')
    """
    for phenotype, strength in strengths.items():
        if phenotype not in PHENOTYPES or not 0 <= strength <= 1:
            raise InputError(
                f"phenotype {phenotype!r} with strength {strength}; expected {' or '.join(PHENOTYPES)} and a strength "
                "from 0 to 1"
            )
    cells = grow(design, strengths, rng, density=density, brightness=brightness)
    light = paint(cells, design.image_size, rng)
    return expose(design, light, rng, defocus=0.0 if in_focus else _DEFOCUS)
