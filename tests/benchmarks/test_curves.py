import xml.etree.ElementTree as ET

import pytest

from benchmarks.curves import curves


def test_equal_factors_are_equally_far_apart_and_less_is_lower() -> None:
    drawn = ET.fromstring(curves("t < u", "seconds", {"one": [(100.0, 0.1), (1.0, 0.3), (10.0, 0.2)]}))
    circles = [
        (float(one.attrib["cx"]), float(one.attrib["cy"]))
        for one in drawn.iter()
        if one.tag.endswith("circle")
    ]
    (x1, y1), (x2, y2), (x3, y3) = circles
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 < y2 < y3  # SVG's y points down
    words = [one.text for one in drawn.iter() if one.tag.endswith("text")]
    assert {"t < u", "seconds", "one", "1", "10", "100", "0.1", "0.15", "0.2", "0.25", "0.3"} <= set(words)


@pytest.mark.parametrize("series", [{}, {"one": []}, {"one": [(0.0, 1.0)]}])
def test_what_a_logarithmic_axis_cannot_show_is_refused(series: dict[str, list[tuple[float, float]]]) -> None:
    with pytest.raises(ValueError, match="'t' needs points, and every x above 0"):
        curves("t", "x", series)


def test_a_long_name_has_room_beside_the_lines() -> None:
    short, long = (
        curves("a", "b", {name: [(1.0, 0.5), (2.0, 0.4)]}) for name in ("mtmd", "experts_256_128_64")
    )
    assert 'width="720"' in short
    assert 'width="754"' in long  # 8 pixels for each of 18 letters, from 610 on


def test_no_two_of_seven_lines_look_alike() -> None:
    drawn = ET.fromstring(curves("a", "b", {str(name): [(1.0, 0.5), (2.0, 0.4)] for name in range(7)}))
    lines = [one.attrib for one in drawn.iter() if one.tag.endswith("polyline")]
    assert len({(one["stroke"], one.get("stroke-dasharray")) for one in lines}) == 7
