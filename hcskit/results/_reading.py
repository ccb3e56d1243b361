"""Tables of how a network reads a plate: whether it is like those that it learned from, and what it looks at."""

from __future__ import annotations

from hcskit.results._columns import FIELD, NETWORKS, PHENOTYPE, PLATE, WELL
from hcskit.results._table import Column, Table

__all__ = [
    "AS_IN_TRAINING",
    "DISTANCES",
    "FIELD_PROFILES",
    "NOT_THIS_ASSAY",
    "PLATE_DRIFT",
    "PROFILES",
    "SALIENCY_MAPS",
]

#: Verdicts on a plate; the third one begins with "shifted".
AS_IN_TRAINING, NOT_THIS_ASSAY = "as in training", "not this assay"

DISTANCES = Table(
    "distances",
    "How far each well lies from the negative controls of its plate, whatever the phenotype",
    "hcskit predict",
    always=False,
    index=(PLATE, WELL),
    columns=(
        Column("distance", "number", "0: as near as negative controls; 1: as far again as these lie apart"),
        NETWORKS,
    ),
)
FIELD_PROFILES = Table(
    "field_profiles",
    "Features of each field",
    "hcskit embed",
    index=(PLATE, WELL, FIELD),
    columns=(Column("one column a feature", "any", "value of the feature in the field", pattern=".+"),),
)
PROFILES = Table(
    "profiles",
    "Features of each well",
    "hcskit embed",
    index=(PLATE, WELL),
    columns=(Column("one column a feature", "any", "value of the feature in the well", pattern=".+"),),
)
PLATE_DRIFT = Table(
    "plate_drift",
    "How the negative controls of each plate compare with those that the network learned from",
    "hcskit predict",
    always=False,
    index=(
        PLATE,
        Column("quantity", "text", "background, signal and sharpness of the light; appearance of the cells"),
        Column("channel", "text", "name of the channel; empty for the appearance, which is of all"),
    ),
    columns=(
        Column("value", "number", "of this plate; of the appearance: 1 is as far as the nearest phenotype", "its own"),
        Column("expected", "number", "of the plates that were learned from", "that of the quantity"),
        Column("low", "number", "lower end of the range of plates of the same batch", "that of the quantity"),
        Column("high", "number", "upper end of that range", "that of the quantity"),
        Column("verdict", "text", "of the plate: as in training, shifted: what and by how much, or not this assay"),
    ),
)
SALIENCY_MAPS = Table(
    "saliency_maps",
    "What each place of some fields adds to the strength of a phenotype",
    "hcskit predict",
    always=False,
    index=(PLATE, WELL, FIELD, PHENOTYPE),
    columns=(
        Column("row", "integer", "place in the field, from its top; the field is drawn small"),
        Column("column", "integer", "place in the field, from its left"),
        Column("strength", "number", "of which the mean over the field is its strength"),
    ),
)
