"""Wells that a person takes out of the fits: kept with a reason, and the compounds of their plates fitted again."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hcskit.assay import normalise
from hcskit.errors import InputError
from hcskit.locks import locked
from hcskit.response import fit_compounds, fitted_points, neighbours, score_hits
from hcskit.results import CURVES, HITS, MASKS, POINTS, READOUTS, RESPONSES, Table, has_table, read_table, write_tables
from hcskit.results._record import now

__all__ = ["as_fitted", "mask_wells", "masked_as_fitted", "masked_readouts", "read_masks", "unmask_wells"]

#: Name of a plate and of one of its wells.
Place = tuple[str, str]


def mask_wells(data: str | Path, wells: Iterable[Place], reason: str, *, who: str | None = None) -> pd.DataFrame:
    """Take wells out of the fits of a run, and fit again the compounds of their plates.

    The readouts stay as they are; only the fits leave the wells out. Compounds of a plate share their controls and what
    they tell of the noise. The response step leaves the wells out too, when it runs again.

    Parameters
    ----------
    data : path-like
        Folder of a run. Its tables ``masks``, ``responses``, ``points``, ``curves`` and ``hits`` are written.
    wells : iterable of (str, str)
        Names of plate and well.
    reason : str
        Why; it is shown in the report.
    who : str, optional
        Who masks them; by default the user of this process.

    Returns
    -------
    pandas.DataFrame
        All masks of the run, as `hcskit.results.MASKS` declares them.

    Raises
    ------
    InputError
        If the reason is empty, or a well has no readout.
    NotAScreenError
        If the run has no readouts or no responses.
    StoreError
        If another process is writing the run.
    """
    if not reason.strip():
        raise InputError("a well is masked with a reason; say why it is not to be trusted")
    new = [(plate, well) for plate, well in wells]
    row = (reason.strip(), who or getpass.getuser(), now())
    with locked(data):
        _check(read_table(data, READOUTS), new)
        masks = read_masks(data)
        added = _masks(new, [row] * len(new))
        kept = masks[~masks.index.isin(new)]
        return _write(data, pd.concat([kept, added]).sort_index(), new)


def unmask_wells(data: str | Path, wells: Iterable[Place]) -> pd.DataFrame:
    """Bring masked wells back into the fits; see `mask_wells`.

    Raises
    ------
    InputError
        If a well is not masked, or no well is named.
    """
    back = [(plate, well) for plate, well in wells]
    with locked(data):
        masks = read_masks(data)
        strange = sorted(set(back) - set(masks.index))
        if strange or not back:
            found = f"well {' '.join(strange[0])} is not masked" if strange else "no well is named"
            raise InputError(f"{found}; expected wells of the table masks; nothing was changed")
        return _write(data, masks[~masks.index.isin(back)], back)


def read_masks(data: str | Path) -> pd.DataFrame:
    """Return the masks of a run; an empty table where no well is masked."""
    return read_table(data, MASKS) if has_table(data, MASKS) else _masks([], [])


def masked_readouts(data: str | Path) -> pd.DataFrame:
    """Return the readouts of a run, without a value (NaN) in the wells that are masked."""
    return _without(read_table(data, READOUTS), read_masks(data))


def as_fitted(readouts: pd.DataFrame, masks: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """Return readouts as they are fitted: without a value in masked wells, and normalised as the fits tell.

    Parameters
    ----------
    readouts, masks, responses : pandas.DataFrame
        Tables of a run.

    Raises
    ------
    InputError
        If a plate lacks the wells that its normalisation needs.
    """
    return _normalised(_without(readouts, masks), responses)


def masked_as_fitted(readouts: pd.DataFrame, masks: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """Return the readouts of masked wells in the unit of the fits; see `as_fitted`.

    What the fits leave out does not move the scale: a masked control of a normalised plate has no value.
    """
    own = readouts[readouts["plate"].isin(masks.index.get_level_values("plate"))]
    hidden = _is_masked(own, masks)
    if _method(responses):
        own = _normalised(own.assign(value=own["value"].mask(hidden & (own["role"] != "treatment"))), responses)
    return own[hidden]


def _method(responses: pd.DataFrame) -> str:
    """Return how the plates were normalised for the fits; empty where they were not."""
    return str(responses["normalisation"].iloc[0]) if "normalisation" in responses else ""


def _normalised(readouts: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    method = _method(responses)
    return normalise(readouts, method) if method else readouts


def _masks(wells: list[Place], rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(wells, names=MASKS.labels) if wells else None
    if index is None:
        index = pd.MultiIndex.from_arrays([[], []], names=MASKS.labels)
    return pd.DataFrame(rows, columns=["reason", "who", "when"], index=index, dtype=object)


def _without(readouts: pd.DataFrame, masks: pd.DataFrame) -> pd.DataFrame:
    return readouts.assign(value=readouts["value"].mask(_is_masked(readouts, masks)))


def _is_masked(readouts: pd.DataFrame, masks: pd.DataFrame) -> pd.Series[bool]:
    """Return which readouts are of masked wells."""
    return pd.Series(pd.MultiIndex.from_frame(readouts[["plate", "well"]]).isin(masks.index), index=readouts.index)


def _check(readouts: pd.DataFrame, wells: list[Place]) -> None:
    known = dict.fromkeys(zip(readouts["plate"], readouts["well"], strict=True))
    strange = [place for place in wells if place not in known]
    if strange or not wells:
        found = f"well {' '.join(strange[0])} has no readout" if strange else "no well is named"
        raise InputError(
            f"{found}; expected wells of the table readouts, such as {' '.join(next(iter(known), ('P1', 'A01')))}"
        )


def _write(data: str | Path, masks: pd.DataFrame, changed: list[Place]) -> pd.DataFrame:
    """Fit again the compounds of the wells' plates and of their plates, and write all tables; others stay as they are.

    Compounds of a plate tell together how noisy a well is. One that loses all wells of a plate joins those of others.
    """
    old = read_table(data, RESPONSES)
    readouts = as_fitted(read_table(data, READOUTS), masks, old)
    beside = readouts["plate"].isin({plate for plate, _ in changed}) & (readouts["role"] != "negative_control")
    compounds = neighbours(readouts, old, readouts["compound"][beside])
    found = {POINTS: fitted_points(readouts, by=_by(old))}
    if compounds:  # not on a plate of controls alone
        found |= _fitted_again(data, readouts, old, compounds)
    # The masks come last: what was interrupted is not called done.
    write_tables(data, found | {MASKS: masks})
    return masks


def _fitted_again(
    data: str | Path, readouts: pd.DataFrame, old: pd.DataFrame, compounds: set[str]
) -> dict[Table, pd.DataFrame]:
    """Return the tables of fits, with some compounds fitted again."""
    curves = read_table(data, CURVES)
    fits = fit_compounds(readouts, old, compounds)
    again = fits.responses.assign(normalisation=_method(old))[list(old)]
    kept = old[~old.index.get_level_values("compound").isin(compounds)]
    others = curves[~curves["compound"].isin(compounds)]
    return {
        RESPONSES: pd.concat([kept, again]).sort_index(),
        CURVES: pd.concat([others, fits.curves], ignore_index=True),
        # All of them: a compound's hits are told from what the wells of the others show.
        HITS: score_hits(readouts, by=_by(old), false_positive_rate=_false_positive_rate(data)),
    }


def _by(responses: pd.DataFrame) -> list[str]:
    """Return the columns that split a compound."""
    return [str(name) for name in responses.index.names[2:]]


def _false_positive_rate(data: str | Path) -> float:
    """Return the rate at which the hits of a run were called; a run of an earlier version has none."""
    return float(read_table(data, HITS)["false_positive_rate"].iloc[0]) if has_table(data, HITS) else 0.05
