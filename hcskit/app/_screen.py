"""The page of the whole screen: its plates on one scale, and how far they can be trusted."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd
import panel as pn

from hcskit.app._content import Content
from hcskit.app._figures import drawn, figure_pane, follow_taps, notice, picture_buttons
from hcskit.app._panes import html, later, pane, scrolled
from hcskit.app._quantities import chosen_quantity, look_of, quantities, values_of
from hcskit.app._selection import Selection, known, well_key
from hcskit.assay import position_effects
from hcskit.errors import InputError
from hcskit.results import PHENOTYPE_CONTROLS, PLATES, POINTS, PROFILES, RESPONSES
from hcskit.views import (
    POSITION_MATTERS,
    Drawing,
    format_number,
    has_umap,
    panel_drawing,
    potency_drawing,
    profile_map,
    replicate_pairs,
    z_prime_by_plate,
)

__all__ = ["screen_page"]

_ALIKE = ["plate", "role", "compound", "concentration"]
_MOST_EFFECTS = 200  # rows of the table


def screen_page(content: Content, selection: Selection) -> pn.viewable.Viewable:
    """Return plates, controls, positions, replicates, potency and profiles; what is missing says what makes it."""
    return scrolled(
        [pane("Plates", _plates(content, selection)), pane("Z′-factor of the controls", _controls(content))],
        [pane("Effects of the place", _positions(content)), pane("Replicates", _replicates(content, selection))],
        [
            pane("Potency and effect", _potency(content, selection)),
            pane("Map of the profiles", _profiles(content, selection)),
        ],
    )


def _plates(content: Content, selection: Selection) -> pn.viewable.Viewable:
    if not quantities(content):
        return notice(content.lacking(POINTS))
    quantity = pn.widgets.Select(label="Quantity", options=quantities(content), width=190)
    quantity.value = chosen_quantity(content, selection)
    around = pn.widgets.Checkbox(label="from the mean of its treatment", align="end")
    said = html("<p class='hint'>Click a well to select it.</p>", sizing_mode="stretch_width")
    figures: dict[bool, Any] = {}
    plot = pn.pane.Bokeh(None, sizing_mode="stretch_both", min_height=200)

    def chosen(row: dict[str, Any]) -> None:
        place = str(row["plate"]), str(row["well"])
        compounds = content.treated_with([place]) or selection.compounds
        selection.param.update(plate=place[0], wells=[well_key(*place)], compounds=compounds)
        told = ", ".join([" ".join(place), *content.treated_with([place])])
        said.object = f"<p class='hint'>Selected: {escape(told)}. The first page shows its curve and its cells.</p>"

    def show() -> None:
        drawing = _panels(content, quantity.value, around=around.value)
        kind = around.value and quantity.value in content.readouts
        if kind in figures:
            drawing.swap(figures[kind])
        else:
            figures[kind] = drawn(drawing.view())
            follow_taps(figures[kind], 1, chosen)
        plot.object = figures[kind]

    quantity.link(selection, value="quantity")
    anew = later(show)
    quantity.param.watch(anew, "value")
    around.param.watch(anew, "value")
    show()
    buttons = picture_buttons(lambda: plot.object, "plates")
    return pn.Column(pn.Row(quantity, around), plot, pn.Row(said, buttons), sizing_mode="stretch_both")


def _panels(content: Content, quantity: str, *, around: bool) -> Drawing:
    """Return the plates with a quantity, or with how far it is from the mean of the treatment."""
    if not (around and quantity in content.readouts):
        values = values_of(content, quantity)
        return panel_drawing(
            values,
            **look_of(content, quantity, values),
        )
    points = content.table(POINTS)
    own = points[points["readout"] == quantity]
    means = own.groupby(_ALIKE, dropna=False, observed=True)["value"].transform("mean")
    rest = (own["value"] - means).set_axis(pd.MultiIndex.from_frame(own[["plate", "well"]]))
    largest = float(rest.abs().quantile(0.98)) or 1.0
    return panel_drawing(
        rest, label=f"{quantity}: from the mean of its treatment", limits=(-largest, largest), cmap="PuOr"
    )


def _controls(content: Content) -> pn.viewable.Viewable:
    lacking = content.lacking(PHENOTYPE_CONTROLS)
    if lacking:
        return notice(lacking)
    acquired = {name: float(plate["acquired"].min()) for name, plate in content.plates.items() if "acquired" in plate}
    return figure_pane(lambda: drawn(z_prime_by_plate(content.table(PHENOTYPE_CONTROLS), acquired)), "z-prime")


def _positions(content: Content) -> pn.viewable.Viewable:
    lacking = content.lacking(POINTS)
    if lacking:
        return notice(lacking)
    try:
        effects = position_effects(content.table(POINTS))
    except InputError as error:
        return notice(str(error))
    tested = effects.dropna(subset=["p_value"]).sort_values("p_value", kind="stable")
    if tested.empty:
        return notice("No treatment is in several places of a plate, so effects of the place cannot be tested.")
    strong = int((tested["p_value"] < POSITION_MATTERS).sum())
    said = f"{strong} of {len(tested)} tests have p &lt; {POSITION_MATTERS:g}; by chance one in a hundred has."
    head = "<tr><th>plate</th><th>readout</th><th>effect</th><th>size</th><th>p</th></tr>"
    table = "".join(_effect(row) for _, row in tested.head(_MOST_EFFECTS).iterrows())
    return html(
        f"<p class='hint'>{said}</p><div class='scroll'><table>{head}{table}</table></div>", sizing_mode="stretch_both"
    )


def _effect(row: pd.Series[Any]) -> str:
    """Return a row of the table; an effect that matters is bold."""
    size, chance = format_number(float(row["size"]), 2), f"{float(row['p_value']):.1g}"
    texts = [str(row["plate"]), str(row["readout"]), f"{row['effect']} {row['where']}".strip(), size, chance]
    bold = " style='font-weight:600'" if row["p_value"] < POSITION_MATTERS else ""
    return f"<tr{bold}>{''.join(f'<td>{escape(text)}</td>' for text in texts)}</tr>"


def _replicates(content: Content, selection: Selection) -> pn.viewable.Viewable:
    lacking = content.lacking(POINTS)
    if lacking:
        return notice(lacking)
    names = [str(name) for name in content.table(POINTS)["readout"].unique()]
    readout = pn.widgets.Select(label="", options=names, width=190)
    readout.value = next(iter(known([selection.readout, selection.quantity], names)), names[0] if names else None)

    def show(name: str) -> pn.viewable.Viewable:
        return figure_pane(lambda: drawn(replicate_pairs(content.table(POINTS), name)), f"replicates {name}")

    return pn.Column(readout, pn.panel(pn.bind(show, readout), sizing_mode="stretch_both"), sizing_mode="stretch_both")


def _potency(content: Content, selection: Selection) -> pn.viewable.Viewable:
    lacking = content.lacking(RESPONSES)
    if lacking:
        return notice(lacking)
    said = html("<p class='hint'>Click a compound to select it.</p>", sizing_mode="stretch_width")

    def chosen(row: dict[str, Any]) -> None:
        selection.param.update(compounds=[str(row["compound"])], wells=[])
        said.object = f"<p class='hint'>Selected: {escape(str(row['compound']))} · {escape(str(row['text']))}</p>"

    def draw() -> Any:
        readout = next(iter(known([selection.readout], content.readouts)), "")
        keys = [(name, readout or lead) for name, lead in content.leads.items()]
        figure = drawn(potency_drawing(content.table(RESPONSES), keys).view())
        follow_taps(figure, 1, chosen)
        return figure

    return pn.Column(figure_pane(draw, "potency and effect"), said, sizing_mode="stretch_both")


def _profiles(content: Content, selection: Selection) -> pn.viewable.Viewable:
    lacking = content.lacking(PROFILES)
    if lacking:
        return notice(lacking)
    choices = [*(["compound", "role"] if content.plates else []), "plate", *quantities(content)]
    by = pn.widgets.Select(label="", options=choices, width=190)
    by.value = next(iter(known([selection.coloured], choices)), choices[0])
    by.link(selection, value="coloured")
    how = pn.widgets.Select(label="", options={"principal components": "components"}, width=190)
    how.options |= {"UMAP": "umap"} if has_umap() else {}
    how.value = next(iter(known([selection.map], how.options.values())), "components")
    how.link(selection, value="map")

    def chosen(row: dict[str, Any]) -> None:
        place = str(row["plate"]), str(row["well"])
        compounds = content.treated_with([place]) or selection.compounds
        selection.param.update(plate=place[0], wells=[well_key(*place)], compounds=compounds)

    def draw(name: str, method: Any) -> Any:
        colours = _colours(content, name)
        figure = drawn(profile_map(content.table(PROFILES), colours, label=name, method=method))
        for place in range(len(figure.renderers)):
            follow_taps(figure, place, chosen)
        return figure

    def show(name: str, method: str) -> pn.viewable.Viewable:
        return figure_pane(lambda: draw(name, method), f"profiles by {name}")

    more = [] if has_umap() else [html("<p class='hint'>UMAP: pip install umap-learn</p>")]
    plot = pn.panel(pn.bind(show, by, how), sizing_mode="stretch_both")
    return pn.Column(pn.Row(by, how, *more), plot, sizing_mode="stretch_both")


def _colours(content: Content, name: str) -> pd.Series[Any]:
    """Return of each well what it is coloured by."""
    if name in quantities(content):
        return values_of(content, name)
    if name == "plate":
        wells = content.table(PROFILES).index
        return pd.Series(wells.get_level_values("plate").astype(str), index=wells)
    assert not content.lacking(PLATES)  # noqa: S101 - only then is it offered
    found = {}
    for plate, own in content.plates.items():
        if "role" in own.coords:
            table = own[["role", "compound"]].to_dataframe()
            roles = table["role"].astype(str).str.replace("_", " ")
            treated = roles == "treatment"
            found[plate] = roles if name == "role" else table["compound"].astype(str).where(treated, roles)
    return pd.concat(found, names=["plate"]) if found else pd.Series(dtype=object)
