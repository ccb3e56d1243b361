"""``plate.hcs``: views of a plate for interactive work. Importing this module registers it.

It is registered when xarray and hcskit are both imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from hcskit import views
from hcskit.errors import InputError
from hcskit.plate import FORMATS, format_for, parse_well, row_name

__all__ = ["PlateAccessor"]

_PLURAL = {"z": " planes", "time": " points"}
_AVERAGED = ("field", "time", "channel", "z")


@xr.register_datatree_accessor("hcs")  # type: ignore[no-untyped-call]
@xr.register_dataset_accessor("hcs")  # type: ignore[no-untyped-call]
class PlateAccessor:
    """Views of one plate, as ``plate.hcs``, or ``screen["plate7"].hcs``.

    Parameters
    ----------
    plate : xarray.Dataset or xarray.DataTree
        A plate as `hcskit.screen.make_plate` makes it, or its node in a screen.

    Raises
    ------
    InputError
        If a node is not that of a plate.
    """

    def __init__(self, plate: xr.Dataset | xr.DataTree) -> None:
        if isinstance(plate, xr.DataTree):
            if "image" not in plate.data_vars:
                nodes = ", ".join(map(repr, plate.children)) or "no node below it"
                raise InputError(f"the node {plate.path} is not a plate; choose one of {nodes}")
            plate = plate.to_dataset()
        self._plate = plate

    def grid(self, values: str | xr.DataArray) -> xr.DataArray:
        """Lay values out as the plate lies on the bench.

        Parameters
        ----------
        values : str or xarray.DataArray
            A variable or coordinate of the plate, or an array with a dimension ``well``. Numbers by field or channel
            are averaged, without NaN.

        Returns
        -------
        xarray.DataArray
            Dimensions ``row`` (A, B …) and ``column`` (1, 2 …) of the whole plate format; NaN where there is no well.

        Raises
        ------
        InputError
            If there is no such variable, it has no wells, or it cannot be averaged to one value a well.
        """
        array = self._by_well(values)
        wells = [parse_well(str(name)) for name in array["well"].to_numpy()]
        size = self._plate.attrs.get("plate_format")
        format = format_for(wells) if size is None else FORMATS[int(size)]
        numeric = np.issubdtype(array.dtype, np.number) or array.dtype == bool
        laid = np.full((format.rows, format.columns), np.nan, dtype=float if numeric else object)
        for well, value in zip(wells, array.to_numpy(), strict=True):
            if well not in format:
                raise InputError(f"well {well.name} does not lie on a plate of {format.size} wells")
            laid[well.row, well.column] = value
        return xr.DataArray(
            laid,
            dims=("row", "column"),
            coords={
                "row": [row_name(row) for row in range(format.rows)],
                "column": np.arange(1, format.columns + 1),
            },
            name=array.name,
            attrs=array.attrs,
        )

    def heatmap(self, values: str | xr.DataArray, *, title: str = "", label: str | None = None, **options: Any) -> Any:
        """Draw values as a plate heat map; `options` are those of `hcskit.views.plate_heatmap`.

        Returns
        -------
        holoviews.Overlay
        """
        grid = self.grid(values)
        options = {"log": grid.name == "concentration", **options}
        text = ("value" if grid.name is None else str(grid.name)) if label is None else label
        return views.plate_heatmap(grid, plate=self._plate, title=title or str(self._name), label=text, **options)

    def montage(self, wells: str | Sequence[str] | None = None, **options: Any) -> Any:
        """Show one well, several, or (``compound=``) a concentration series; see `hcskit.views.montage`.

        Returns
        -------
        holoviews.Overlay
        """
        from hcskit.screen import max_projection  # loads Dask, which plate.hcs does not need until it is used

        return views.montage(max_projection(self._plate), wells, **options)

    def describe(self) -> list[str]:
        """Say in a few lines what is on the plate."""
        plate = self._plate
        axes = [f"{size} {dim}{_PLURAL.get(str(dim), 's')}" for dim, size in plate["present"].sizes.items()]
        pixel = plate.attrs.get("pixel_size_um")
        lines = [
            f"{plate.attrs['plate_format']}-well plate, from {plate.attrs.get('source', 'memory')}",
            f"images     {int(plate['present'].sum())} of {plate['present'].size} ({' × '.join(axes)})",
            f"channels   {', '.join(plate['channel'].to_numpy())}",
            f"pixels     {plate.sizes['y']}×{plate.sizes['x']} {plate['image'].dtype}, "
            + (f"{pixel:g} µm" if pixel else "size unknown"),
        ]
        if plate.attrs.get("absent_files"):
            lines.append(f"missing    {plate.attrs['absent_files']} images that the export names are not there")
        lines += [f"left out   {told}" for told in plate.attrs.get("left_out", ())]
        if "compound" in plate.coords:
            compounds = sorted(set(plate["compound"].to_numpy()) - {""})
            lines.append(f"compounds  {len(compounds)}: {', '.join(compounds[:8])}{' …' if len(compounds) > 8 else ''}")
        if "role" in plate.coords:
            roles = plate["role"].to_series().value_counts()
            lines += [f"{role:<18}{count} wells" for role, count in roles.items()]
        else:
            lines.append("no plate map yet")
        if "excluded" in plate:
            lines.append(f"excluded   {int(plate['excluded'].sum())} fields")
        return lines

    @property
    def _name(self) -> str:
        return str(self._plate.attrs.get("plate", "plate"))

    def _by_well(self, values: str | xr.DataArray) -> xr.DataArray:
        """Return one value a well, or say why that cannot be."""
        if isinstance(values, str):
            if values not in self._plate.variables:
                known = [str(name) for name in self._plate.variables if "well" in self._plate[name].dims]
                raise InputError(f"plate {self._name} has no variable {values!r}; by well it has {', '.join(known)}")
            values = self._plate[values]
        name = "the array" if values.name is None else values.name
        if "well" not in values.dims:
            raise InputError(f"{name} has no dimension well, only {', '.join(map(str, values.dims)) or 'none'}")
        rest = [str(dim) for dim in values.dims if dim != "well"]
        others = [dim for dim in rest if dim not in _AVERAGED]
        if others:
            raise InputError(
                f"{name} also has the dimension(s) {', '.join(others)}; choose one value a well first, "
                f"for example with .sel({others[0]}=...) or .mean({others[0]!r})"
            )
        if not rest:
            return values
        if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
            raise InputError(f"{name} is {values.dtype} by {', '.join(rest)}; only numbers can be averaged by well")
        return values.mean(rest, keep_attrs=True)
