"""Readouts: what is said of each phenotype, beside the treatment of its well, ready to be fitted."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import xarray as xr

from hcskit.assay import control_statistics
from hcskit.screen import treated_fields
from hcskit.training import ModelCard

__all__ = ["phenotype_controls", "readout_points", "readouts"]

_DISTANCE = "distance"


def readouts(
    plates: Mapping[str, xr.Dataset],
    wells: pd.DataFrame,
    strengths: pd.DataFrame | None,
    distances: pd.DataFrame | None,
    card: ModelCard,
) -> pd.DataFrame:
    """Return the points of the readout that the model's recipe names, or that its controls call for.

    By default that is the strength. Where all treated wells stood in for positive controls when the model was trained,
    it is the distance from the negative controls: what these wells have in common may be nothing. What cannot be told
    is the probability.

    Parameters
    ----------
    plates, wells, strengths
        As `readout_points` takes them.
    distances : pandas.DataFrame or None
        `Predictions.distances`.
    card : ModelCard
        Of the model.

    Returns
    -------
    pandas.DataFrame
        As `readout_points` returns it. Of distances there is one row a well, whose ``readout`` is ``distance``.
    """
    is_mixed = any(own.doses == "all" for own in card.stand_ins)
    readout = card.recipe.prediction.readout or (_DISTANCE if is_mixed else "strength")
    if readout != _DISTANCE or distances is None:
        return readout_points(plates, wells, card.negative_class, strengths if readout != "probability" else None)
    fields = wells["n_fields"].groupby(["plate", "well"]).first()
    told = distances.rename(columns={_DISTANCE: "value"}).join(fields)
    return _treated(plates).merge(told.assign(readout=_DISTANCE).reset_index(), on=["plate", "well"])


def readout_points(
    plates: Mapping[str, xr.Dataset],
    wells: pd.DataFrame,
    negative_class: str | None,
    strengths: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Join predictions with treatments: one row a well and readout, ready for a dose-response fit.

    Parameters
    ----------
    plates : mapping
        Plates by name.
    wells : pandas.DataFrame
        `Predictions.wells`.
    negative_class : str or None
        Left out: the probability of being untreated is one minus the others.
    strengths : pandas.DataFrame, optional
        `Predictions.strengths`: what is read of the phenotypes that it has, in place of the probability.

    Returns
    -------
    pandas.DataFrame
        ``plate, well, role, compound, concentration, concentration_unit, moa, readout, value, probability, sd,
        n_fields``, what else the plate map has, and what each network of an ensemble reads.
    """
    told = wells.assign(value=wells["probability"])
    if strengths is not None:
        own = strengths.rename(columns={"strength": "value"}).join(wells[["probability", "sd", "n_fields"]])
        told = pd.concat([own, told[~told.index.isin(own.index.unique("phenotype"), level="phenotype")]])
    values = told.reset_index().rename(columns={"phenotype": "readout"})
    return _treated(plates).merge(values[values["readout"] != negative_class], on=["plate", "well"])


def phenotype_controls(points: pd.DataFrame, card: ModelCard) -> pd.DataFrame:
    """Compare the controls in each phenotype's readout; a phenotype's positive controls are those of its class.

    Parameters
    ----------
    points : pandas.DataFrame
        As `readout_points` returns it.
    card : ModelCard
        Of the model that read them.

    Returns
    -------
    pandas.DataFrame
        As `hcskit.assay.control_statistics` returns it.
    """
    own = (points[card.recipe.data.classes].astype(str) == points["readout"]) | (points["readout"] == _DISTANCE)
    return control_statistics(points[(points["role"] != "positive_control") | own])


def _treated(plates: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Return the treatment of each well."""
    return treated_fields(plates).drop(columns="field").drop_duplicates(["plate", "well"])
