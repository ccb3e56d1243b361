"""How well positive and negative controls separate on each plate, and which control wells deviate."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import xarray as xr

from hcskit.assay._separation import auroc, outliers, robust_ssmd, robust_z_prime, signal_window, ssmd, z_prime
from hcskit.screen import treated_fields

__all__ = ["control_statistics", "image_readouts"]

_STATISTICS = {
    "z_prime": z_prime,
    "ssmd": ssmd,
    "robust_z_prime": robust_z_prime,
    "robust_ssmd": robust_ssmd,
    "signal_window": signal_window,
    "auroc": auroc,
}


def control_statistics(wells: pd.DataFrame) -> pd.DataFrame:
    """Compare the controls of each plate in each readout.

    Parameters
    ----------
    wells : pandas.DataFrame
        Tidy: columns ``plate, well, role, readout, value`` and, where known, ``compound``; one row a well and readout.

    Returns
    -------
    pandas.DataFrame
        One row a plate and readout: ``plate, readout, z_prime, ssmd``; mean, sample standard deviation and number of
        the wells of either control (``negative_mean, negative_sd, n_negative, positive_mean, positive_sd,
        n_positive``); ``robust_z_prime, robust_ssmd, signal_window, auroc``; and ``deviating_wells``, by comma: the
        control wells that do not belong to their group (`outliers` among those of one compound). They count in all
        numbers; where there is one, the robust numbers tell how good the others are.
    """
    groups = wells.groupby(["plate", "readout"], sort=True)
    rows = [{"plate": plate, "readout": readout} | _compared(group) for (plate, readout), group in groups]
    like = {"plate": "", "readout": ""} | _compared(wells)  # gives a table without rows its columns and types
    return pd.DataFrame([*rows, like]).iloc[:-1]


def _compared(group: pd.DataFrame) -> dict[str, object]:
    values, deviating = {}, []
    for side in ("negative", "positive"):
        own = group[group["role"] == f"{side}_control"].dropna(subset="value")
        values[side] = own["value"]
        # Positive controls may be several compounds, which need not agree.
        kinds = [kind for _, kind in own.groupby("compound", dropna=False)] if "compound" in own else [own]
        deviating += [str(well) for kind in kinds for well in kind.loc[outliers(kind["value"]), "well"]]
    found: dict[str, object] = {name: of(values["positive"], values["negative"]) for name, of in _STATISTICS.items()}
    for side, known in values.items():
        found |= {f"{side}_mean": known.mean(), f"{side}_sd": known.std(), f"n_{side}": len(known)}
    return found | {"deviating_wells": ", ".join(deviating)}


def image_readouts(plates: Mapping[str, xr.Dataset], quality: pd.DataFrame) -> pd.DataFrame:
    """Average the plain image statistics of the usable fields of each well.

    Parameters
    ----------
    plates : mapping of str to xarray.Dataset
        Plates by name, with ``excluded`` where fields are left out.
    quality : pandas.DataFrame
        As `hcskit.preprocess.assess_fields` returns it.

    Returns
    -------
    pandas.DataFrame
        Tidy: the plate map's columns, ``readout`` (``DNA mean``, ``DNA sd`` …) and ``value`` in counts.
    """
    usable = treated_fields(plates)
    long = quality[["mean", "sd"]].reset_index().melt(["plate", "well", "field", "channel"], var_name="statistic")
    long["readout"] = long["channel"] + " " + long["statistic"]
    joined = usable.merge(long, on=["plate", "well", "field"])
    wells = joined.groupby(["plate", "well", "readout"], as_index=False)["value"].mean()
    return usable.drop(columns="field").drop_duplicates(["plate", "well"]).merge(wells, on=["plate", "well"])
