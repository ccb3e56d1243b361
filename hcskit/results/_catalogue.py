"""Every part of a run and every result table, declared once. `docs/results.md` is made from this module."""

from __future__ import annotations

from hcskit.results._columns import COMPOUND, FIELD, NETWORKS, PHENOTYPE, PLATE, READOUT, SPLIT, WELL
from hcskit.results._hits import HITS, NOTES
from hcskit.results._import import SET_ASIDE
from hcskit.results._parts import HISTORY, ILLUMINATION, MODEL, PLATES, RECORD, TRUTH
from hcskit.results._reading import DISTANCES, FIELD_PROFILES, PLATE_DRIFT, PROFILES, SALIENCY_MAPS
from hcskit.results._table import Column, Part, Table

__all__ = [
    "CATALOGUE",
    "CURVES",
    "DISTANCES",
    "FIELD_PREDICTIONS",
    "FIELD_PROFILES",
    "FOLD_SCORES",
    "HELD_OUT",
    "HELD_OUT_CONTROLS",
    "HISTORY",
    "HITS",
    "ILLUMINATION",
    "IMAGE_CONTROLS",
    "MASKS",
    "MODEL",
    "NOTES",
    "PARTS",
    "PHENOTYPE_CONTROLS",
    "PLATES",
    "PLATE_DRIFT",
    "POINTS",
    "PREDICTIONS",
    "PROFILES",
    "QUALITY",
    "READOUTS",
    "RECORD",
    "RESPONSES",
    "SALIENCY_MAPS",
    "SCORES",
    "SET_ASIDE",
    "STRENGTHS",
    "TRUTH",
    "WELLS",
]

_QUALITY = "hcskit quality"
_PREDICT = "hcskit predict"
_FIT = "hcskit fit"
_FOLDS = "hcskit cross-validate"

_CHANNEL = Column("channel", "text", "name of the channel")
_UNIT = Column("concentration_unit", "text", "unit of the concentrations of the row")
_LABEL = Column("label", "text", "class that the plate map or the folder gives")
_FOLD = Column("fold", "integer", "number of the fold that held the field out, from 0")
_PLATE_MAP = Column("further columns of the plate map", "any", "as the plate map has them", pattern=r".+")
_TREATED = (
    PLATE,
    WELL,
    Column("role", "text", "treatment, negative_control, positive_control or empty"),
    Column("compound", "text", "name of the compound; empty where there is none"),
    Column("concentration", "number", "concentration of the compound", "that of the row"),
    _UNIT,
    READOUT,
    Column("value", "number", "the readout; of a phenotype its strength, or its probability"),
    Column("probability", "number", "of the phenotype; mean over the fields of the well", optional=True),
    Column("sd", "number", "standard deviation of the probability over the crops of the well", optional=True),
    Column("n_fields", "integer", "fields that were averaged", optional=True),
    NETWORKS,
    _PLATE_MAP,
)
_CONTROLS = (
    PLATE,
    READOUT,
    Column("z_prime", "number", "Z′-factor of the positive against the negative controls"),
    Column("ssmd", "number", "strictly standardised mean difference of the controls"),
    Column("negative_mean", "number", "mean of the negative controls", "that of the readout"),
    Column("negative_sd", "number", "sample standard deviation of the negative controls", "that of the readout"),
    Column("n_negative", "integer", "number of negative control wells"),
    Column("positive_mean", "number", "mean of the positive controls", "that of the readout"),
    Column("positive_sd", "number", "sample standard deviation of the positive controls", "that of the readout"),
    Column("n_positive", "integer", "number of positive control wells"),
    Column("robust_z_prime", "number", "Z′-factor of medians and median absolute deviations", optional=True),
    Column("robust_ssmd", "number", "SSMD of medians and median absolute deviations", optional=True),
    Column("signal_window", "number", "room between the controls, in standard deviations of the signal", optional=True),
    Column("auroc", "number", "how probable it is that a positive control reads above a negative one", optional=True),
    Column("deviating_wells", "text", "control wells that do not belong to their group", optional=True),
)
_SCORES = (
    ("accuracy", "fraction of the fields whose most probable phenotype is their label"),
    ("log_loss", "mean of -ln of the probability of the label"),
    ("ece", "expected calibration error"),
)

QUALITY = Table(
    "quality",
    "Focus, saturation and brightness of each acquired image",
    _QUALITY,
    index=(PLATE, WELL, FIELD, _CHANNEL),
    columns=(
        Column("focus", "number", "normalised mean squared gradient of the corrected image"),
        Column("focus_z", "number", "robust z-score of its logarithm among the plate's images of the channel"),
        Column("saturation", "number", "fraction of pixels at the camera's maximum"),
        Column("mean", "number", "mean of the corrected image", "counts"),
        Column("sd", "number", "standard deviation of the corrected image", "counts"),
        Column("reason", "text", "why the field is excluded; empty where it is not"),
        Column("excluded", "truth", "whether the field is left out; the same for all its channels"),
    ),
)
IMAGE_CONTROLS = Table(
    "image_controls",
    "How well the controls separate in plain image statistics",
    _QUALITY,
    columns=_CONTROLS,
)
FIELD_PREDICTIONS = Table(
    "field_predictions",
    "Probability of each phenotype in each field",
    _PREDICT,
    index=(PLATE, WELL, FIELD, PHENOTYPE),
    columns=(
        Column("probability", "number", "mean over the crops of the field"),
        Column("n_crops", "integer", "number of crops"),
    ),
)
PREDICTIONS = Table(
    "predictions",
    "Probability of each phenotype in each well",
    _PREDICT,
    index=(PLATE, WELL, PHENOTYPE),
    columns=(
        Column("probability", "number", "mean over the fields of the well"),
        Column("sd", "number", "standard deviation over all crops of the well"),
        Column("n_fields", "integer", "number of fields"),
        NETWORKS,
    ),
)
STRENGTHS = Table(
    "strengths",
    "Strength of each phenotype in each well, where there are controls of it",
    _PREDICT,
    index=(PLATE, WELL, PHENOTYPE),
    columns=(Column("strength", "number", "0: as the negative controls, 1: as the phenotype's own"), NETWORKS),
)
READOUTS = Table(
    "readouts",
    "Each phenotype's strength or probability beside the treatment of its well, to be fitted",
    _PREDICT,
    columns=_TREATED,
)
PHENOTYPE_CONTROLS = Table(
    "phenotype_controls",
    "How well the controls separate in each phenotype's readout",
    _PREDICT,
    columns=_CONTROLS,
)
RESPONSES = Table(
    "responses",
    "The fitted concentration-response of each compound and readout",
    _FIT,
    index=(COMPOUND, READOUT, SPLIT),
    columns=(
        Column("ec50", "number", "concentration of the half-way response, where it is known", "that of the row"),
        Column("ec50_low", "number", "lower end of its 95 % interval", "that of the row"),
        Column("ec50_high", "number", "upper end of its 95 % interval", "that of the row"),
        Column("ec50_spread", "number", "standard deviation of log10 EC50 between the networks of an ensemble"),
        _UNIT,
        Column("hill_slope", "number", "steepness of the curve"),
        Column("hill_slope_low", "number", "lower end of its 95 % interval"),
        Column("hill_slope_high", "number", "upper end of its 95 % interval"),
        Column("bottom", "number", "response at concentration zero", "that of the readout"),
        Column("top", "number", "response at infinite concentration", "that of the readout"),
        Column("category", "text", "active, partial, outside the tested range, inactive …"),
        Column("rmse", "number", "root mean square residual", "that of the readout"),
        Column("r2", "number", "share of the variance that the curve explains"),
        Column("n_wells", "integer", "fitted wells above concentration zero"),
        Column("n_concentrations", "integer", "distinct concentrations above zero"),
        Column("tested_low", "number", "lowest concentration above zero", "that of the row"),
        Column("tested_high", "number", "highest concentration", "that of the row"),
        Column("p_value", "number", "F-test of the curve against a constant response"),
        Column("n_controls", "integer", "fitted wells at concentration zero"),
        Column("n_missing", "integer", "wells left out because they have no value"),
        Column("note", "text", "why the category was given, and what to look at"),
        Column("code", "text", "why the category was given, for a program", optional=True),
        Column("model", "text", "name of the curve model", optional=True),
        Column("level", "number", "confidence level of the intervals", optional=True),
        Column("ec50_fall", "number", "where a bell falls back to half its peak", "that of the row", optional=True),
        Column("ec50_fall_low", "number", "lower end of its interval", "that of the row", optional=True),
        Column("ec50_fall_high", "number", "upper end of its interval", "that of the row", optional=True),
        Column("deviating_wells", "text", "wells that were left out of the fit: plate and well", optional=True),
        Column("least_effect", "number", "share of the positive controls' effect, or inactive", optional=True),
        Column("fixed_top", "truth", "whether the top is that of the positive controls", optional=True),
        Column("normalisation", "text", "how plates were normalised first; empty: not at all", optional=True),
    ),
)
MASKS = Table(
    "masks",
    "Wells that a person took out of the fits",
    "hcskit mask",
    always=False,
    index=(PLATE, WELL),
    columns=(
        Column("reason", "text", "why the well is not to be trusted"),
        Column("who", "text", "who masked it"),
        Column("when", "text", "when, in UTC, as ISO 8601 writes it"),
    ),
)
POINTS = Table("points", "The wells that were fitted", _FIT, columns=_TREATED)
CURVES = Table(
    "curves",
    "Each fitted curve and its 95 % band, over the tested concentrations",
    _FIT,
    columns=(
        COMPOUND,
        READOUT,
        Column("concentration", "number", "where the curve is drawn", "that of the row"),
        _UNIT,
        Column("value", "number", "fitted response", "that of the readout"),
        Column("low", "number", "lower end of the band", "that of the readout"),
        Column("high", "number", "upper end of the band", "that of the readout"),
        SPLIT,
    ),
)
HELD_OUT = Table(
    "held_out",
    "Predictions of each field by the one network that has not seen it",
    _FOLDS,
    columns=(PLATE, WELL, FIELD, _LABEL, _FOLD, PHENOTYPE, Column("probability", "number", "of the phenotype")),
)
FOLD_SCORES = Table(
    "fold_scores",
    "How good the predictions of each class and fold are",
    _FOLDS,
    index=(_LABEL, _FOLD),
    columns=(
        Column("n_fields", "integer", "fields held out"),
        *(Column(name, "number", meaning) for name, meaning in _SCORES),
    ),
)
SCORES = Table(
    "scores",
    "How good the predictions of each class are, over all folds",
    _FOLDS,
    index=(_LABEL,),
    columns=(
        *(
            column
            for name, meaning in _SCORES
            for column in (
                Column(name, "number", f"{meaning}; mean of the folds"),
                Column(f"{name}_sd", "number", f"sample standard deviation of {name} over the folds"),
            )
        ),
        Column("n_folds", "integer", "number of folds"),
        Column("n_fields", "integer", "fields held out, in all folds"),
    ),
)
HELD_OUT_CONTROLS = Table(
    "held_out_controls",
    "How well held-out wells of each class separate from the negative controls",
    _FOLDS,
    columns=_CONTROLS,
)
#: Exported for other programs; it is made from the plates and not kept in a run.
WELLS = Table(
    "wells",
    "Each well and its treatment",
    "hcskit export",
    where="wells.csv",
    columns=(
        PLATE,
        WELL,
        Column("row", "text", "letters of the row"),
        Column("column", "integer", "number of the column, from 1"),
        Column("columns of the plate map", "any", "as the plate map has them", pattern=".+"),
    ),
)

#: All result tables of a run, by name.
CATALOGUE: dict[str, Table] = {
    table.name: table
    for table in (
        SET_ASIDE,
        *(QUALITY, IMAGE_CONTROLS, FIELD_PREDICTIONS, PREDICTIONS, STRENGTHS, DISTANCES, READOUTS, PHENOTYPE_CONTROLS),
        *(FIELD_PROFILES, PROFILES, PLATE_DRIFT, SALIENCY_MAPS, MASKS, RESPONSES, POINTS, CURVES, HITS, NOTES),
        *(HELD_OUT, FOLD_SCORES, SCORES, HELD_OUT_CONTROLS),
    )
}
#: All that a run can hold, in the order in which it comes to be.
PARTS: tuple[Part, ...] = (PLATES, ILLUMINATION, MODEL, HISTORY, *CATALOGUE.values(), RECORD, TRUTH)
