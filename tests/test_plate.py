"""Well names and plate formats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.errors import InputError
from hcskit.plate import FORMATS, Well, format_for, parse_well

WELLS = st.builds(Well, st.integers(0, 31), st.integers(0, 47))


@given(WELLS)
def test_a_name_leads_back_to_its_well_however_it_is_spelled(well: Well) -> None:
    letters, column = well.name[:-2], int(well.name[-2:])
    for spelling in (well.name, well.name.lower(), f"{letters}{column}", f" {letters}{column:03d} "):
        assert parse_well(spelling) == well


def test_names_of_the_largest_plate_are_all_different_and_in_plate_order() -> None:
    wells = [Well(row, column) for row in range(32) for column in range(48)]
    names = [well.name for well in wells]
    assert len(set(names)) == 1536
    assert sorted(names, key=parse_well) == names
    assert [names[0], names[26 * 48], names[-1]] == ["A01", "AA01", "AF48"]


@pytest.mark.parametrize("name", ["", "A", "7", "A0", "A00", "A49", "AG01", "AAA1", "A-1", "A1.0", "1A", "nan", "Ä01"])
def test_what_is_no_well_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match="is not the name of a well") as caught:
        parse_well(name)
    assert repr(name) in str(caught.value)


@given(st.lists(WELLS, min_size=1))
def test_the_format_is_the_smallest_that_holds_all_wells(wells: list[Well]) -> None:
    found = format_for(wells)
    assert all(well in found for well in wells)
    smaller = [format for size, format in FORMATS.items() if 96 <= size < found.size]
    assert all(any(well not in format for well in wells) for format in smaller)


def test_a_well_outside_every_plate_is_named() -> None:
    with pytest.raises(InputError, match="row 1, column 61"):
        format_for([Well(0, 60), Well(1, 0)])
