"""What a laboratory calls the columns and the roles of a plate map: short tables of names that mean one thing only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import pandas as pd

from hcskit.errors import PlateMapError, UnitError
from hcskit.units import parse_unit

__all__ = ["key", "meaning", "name_columns", "roles_of_projects", "similar", "spell_roles"]

# Spelled as `key` does. The plate's own names (row, column, plate) serve to find the well and the plate.
_COLUMN_NAMES = {
    "well": ("well", "wellname", "wellid", "wellposition", "destinationwell", "destwell", "dispensedwell"),
    "row": ("row",),
    "column": ("column", "col"),
    "plate": (
        *("plate", "platename", "plateid", "platebarcode", "barcode", "assayplatebarcode"),
        *("destinationplatebarcode", "destinationplatename"),
    ),
    "compound": (
        *("compound", "compoundname", "compoundid", "drug", "drugname", "substance", "cpd", "cmpd"),
        *("pertiname", "broadsample", "samplename", "fluidname"),
    ),
    "concentration": ("concentration", "conc", "finalconcentration", "finalconc", "dose", "finaldose", "dosage"),
    "concentration_unit": ("concentrationunit", "concentrationunits", "concunit", "concunits", "unit", "units"),
    "role": ("role", "wellrole", "welltype", "perttype"),
    "moa": ("moa", "mechanismofaction", "pertmoa"),
    "replicate": ("replicate",),
}
# A map may have several of these, which projects of the Broad Institute use together; the first counts.
_SIDE_BY_SIDE = ("pertiname", "broadsample", "mmolesperliter", "mgperml")
_MEANINGS = {name: meaning for meaning, names in _COLUMN_NAMES.items() for name in names}
# A "control" alone may be either, so it is not here; nor are DMSO and the like, which are compounds.
_ROLE_WORDS = {
    "treatment": ("treatment", "treated", "trt", "sample", "compound"),
    "negative_control": ("negativecontrol", "negative", "negcontrol", "negctrl", "negcon", "neg", "vehicle"),
    "positive_control": ("positivecontrol", "positive", "poscontrol", "posctrl", "poscon", "pos"),
    "empty": ("empty", "blank"),
}
_POSCON = re.compile("poscon")  # poscon_cp, poscon_diverse …
_ROLES = {word: role for role, words in _ROLE_WORDS.items() for word in words}
# Concentration (uM), conc. [µM], final_concentration_nM, Concentration in ug/mL, conc/uM
_DOSE = re.compile(
    r"(?:(?:final|drug|compound|treatment)[\s_]*)*(?:conc(?:entration|\.)?|dose|dosage)"
    r"(?:[\s_]*[\[(](?P<bracketed>.+)[\])]|(?:\s*/\s*|[\s_]+in[\s_]+|[\s_,]+)(?P<bare>.+))",
    re.IGNORECASE,
)
# mmoles_per_liter, ug_per_ml: cytomining and the Broad Institute
_PER = re.compile(r"(?P<prefix>[munpf]?)(?:moles?_per_(?:liter|litre|l)|(?P<gram>g)_per_ml)", re.IGNORECASE)


def key(name: str) -> str:
    """Bring a name to letters and digits in lower case.

    Examples
    --------
    >>> key("Concentration_Unit"), key(" WELL id ")
    ('concentrationunit', 'wellid')
    """
    return re.sub(r"[\W_]+", "", re.sub(r"^Metadata_", "", name)).casefold()


def meaning(name: str) -> tuple[str, str]:
    """Return the column that a name means, and the unit that it carries; the name itself where it means none.

    Examples
    --------
    >>> meaning("Well ID"), meaning("conc. [µM]"), meaning("final_concentration_nM"), meaning("cell line")
    (('well', ''), ('concentration', 'µM'), ('concentration', 'nM'), ('cell line', ''))
    """
    if (known := _MEANINGS.get(key(name))) is not None:
        return known, ""
    dose = _DOSE.fullmatch(name)
    if dose is not None and (dose["bracketed"] or _is_unit(dose["bare"])):
        return "concentration", dose["bracketed"] or dose["bare"]
    if per := _PER.fullmatch(name.removeprefix("Metadata_")):
        return "concentration", per["prefix"].lower() + ("g/mL" if per["gram"] else "M")
    return name, ""


def name_columns(table: pd.DataFrame, source: str) -> tuple[pd.DataFrame, str]:
    """Give the columns their names; return the unit in the concentration's too.

    A column that has the very name wins over one that only means the same, which is carried along; but of two
    concentrations one may be the stock's.

    Raises
    ------
    PlateMapError
        If two columns mean the same, or one names an unknown unit.
    """
    meant = {str(name): meaning(str(name)) for name in table.columns}
    names: dict[str, str] = {}
    for known in _COLUMN_NAMES:
        same = [name for name, (column, _) in meant.items() if column == known]
        exact = [name for name in same if key(name) == key(known)]
        chosen = exact if len(exact) == 1 and known != "concentration" else same
        if len(chosen) > 1 and all(key(name) in _SIDE_BY_SIDE for name in chosen):
            chosen = sorted(chosen, key=lambda name: _SIDE_BY_SIDE.index(key(name)))[:1]
        if len(chosen) > 1:
            raise PlateMapError(f"{source}: {' and '.join(map(repr, chosen))} both mean {known}; rename or remove one")
        names |= dict.fromkeys(chosen, known)
    written = next((meant[name][1] for name, known in names.items() if known == "concentration"), "")
    try:
        unit = parse_unit(written).name if written else ""
    except UnitError as error:
        raise PlateMapError(f"{source}, in the name of its concentration: {error}") from error
    return table.rename(columns=names), unit


def similar(known: str, names: Sequence[str], further: Sequence[str] = ()) -> str:
    """Return the name that looks most like a misspelt one of a column; nothing where none does.

    Examples
    --------
    >>> similar("compound", ["compuond", "value"]), similar("compound", ["value"])
    ('compuond', '')
    """
    spelled = {key(name): name for name in names}
    for word in (*_COLUMN_NAMES[known], *further):
        if near := difflib.get_close_matches(word, spelled, n=1, cutoff=0.8):
            return spelled[near[0]]
    return ""


def spell_roles(words: pd.Series) -> pd.Series:
    """Replace the usual words for a role by those of `ROLES`; other words stay, and fail the check.

    Examples
    --------
    >>> list(spell_roles(pd.Series(["Neg. control", "sample", "control"])))
    ['negative_control', 'treatment', 'control']
    """
    return words.map(lambda word: _ROLES.get(key(word), "positive_control" if _POSCON.match(key(word)) else word))


def roles_of_projects(table: pd.DataFrame) -> pd.DataFrame:
    """Read the roles as cytomining and JUMP write them.

    ``control_type`` says which control a well is, where ``pert_type`` only says that it is one. A map with a
    ``broad_sample`` and neither has the solvent's controls where there is no sample.
    """
    named = {key(str(name)): str(name) for name in table.columns}
    if "role" in table and "controltype" in named:
        control = table[named["controltype"]]
        return table.assign(role=control.where(control != "", table["role"]))
    if "role" not in table and "compound" in table and {"solvent", "mmolesperliter", "mgperml"} & named.keys():
        is_control = table["compound"] == ""
        solvent = table[named["solvent"]] if "solvent" in named else "DMSO"
        role = is_control.map({True: "negative_control", False: "treatment"})
        return table.assign(role=role, compound=table["compound"].mask(is_control, solvent))
    return table


def _is_unit(text: str) -> bool:
    try:
        return bool(parse_unit(text))
    except UnitError:
        return False
