"""A still picture shows what the plot shows, needs no browser, and is what an untrusted notebook displays."""

from __future__ import annotations

import io
import re

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hcskit.errors import InputError
from hcskit.views import dose_response, illumination_map, montage, plate_heatmap, still, training_curves
from hcskit.views._notebook import _bundle

AWKWARD = r"{4-[(6,7)oxy]phenyl} $\frac{1}{ 🧪 <b>תרכובת"


def pixels(view: object) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(still(view))).convert("RGB"))


def count(picture: np.ndarray, colour: str) -> int:
    rgb = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return int((np.abs(picture.astype(int) - rgb).max(axis=2) < 8).sum())


@pytest.mark.slow
def test_a_heat_map_has_the_colours_of_its_wells() -> None:
    values = pd.Series({"A01": 0.0, "A02": 1.0, "B01": np.nan})
    picture = pixels(plate_heatmap(values, limits=(0.0, 1.0)))
    ends = [count(picture, colour) for colour in ("#440154", "#fde725")]  # of viridis
    assert min(ends) > 1000
    assert ends[0] == pytest.approx(ends[1], rel=0.1)  # one well each


@pytest.mark.slow
def test_a_curve_has_the_colour_of_its_readout(responses, points, curves) -> None:
    active = pixels(dose_response(responses, points, curves, "potent", "nuclear"))
    inactive = pixels(dose_response(responses, points, curves, "<script>alert(1)</script>", "nuclear"))
    assert count(active, "#0072b2") > 2 * count(inactive, "#0072b2") > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "start"), [("png", b"\x89PNG"), ("jpg", b"\xff\xd8"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_each_kind_is_a_file_of_its_kind_and_the_same_each_time(illumination, kind: str, start: bytes) -> None:
    view = illumination_map(illumination.expand_dims(plate=["P1"]), "P1", "GFP")
    assert still(view, kind).startswith(start)
    assert still(view, kind) == still(view, kind)


@pytest.mark.slow
def test_every_view_of_a_run_can_be_drawn(plate, history) -> None:
    for view in (montage(plate, ["A01", "B03"]), training_curves(history), hv.Curve([(0, 1), (1, 2)])):
        assert pixels(view).std() > 5


@pytest.mark.slow
def test_names_are_text_and_never_formulas(responses, points, curves) -> None:
    named = [
        table.replace({"potent": AWKWARD}) if "compound" in table else table.rename(index={"potent": AWKWARD})
        for table in (responses, points, curves)
    ]
    text = still(dose_response(*named, AWKWARD, "nuclear"), "svg").decode()
    assert "{4-[(6,7)oxy]phenyl} $\\frac{1}{" in text


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="gif"):
        still(hv.Curve([1, 2]), "gif")


@pytest.mark.slow
def test_an_output_holds_a_picture_and_a_plot_that_no_name_can_break(responses, points, curves) -> None:
    hostile = "</script><script>alert(1)</script>PICTURE"
    named = [
        table.replace({"potent": hostile}) if "compound" in table else table.rename(index={"potent": hostile})
        for table in (responses, points, curves)
    ]
    html = _bundle(dose_response(*named, hostile, "nuclear"))["text/html"]
    assert html.count("<script>") == html.count("</script>") == 1
    assert re.search(r'<img src="data:image/png;base64,[\w+/=]{1000,}" alt="&lt;/script&gt;', html)
