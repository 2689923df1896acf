import base64
import re
import xml.etree.ElementTree as ET

from mtmd.report.document import data_uri, line_chart


def test_chart_is_well_formed_and_escapes_its_texts() -> None:
    svg = ET.fromstring(
        line_chart("a < b", {"train & co": [1.0, 0.5], "validation": [1.1, 0.7]}, ("1", "<2>"))
    )
    texts = [element.text for element in svg.iter() if element.tag.endswith("text")]
    assert {"train & co", "validation", "<2>"} <= set(texts)
    assert svg.attrib["aria-label"] == "a < b"
    assert len([e for e in svg.iter() if e.tag.endswith("polyline")]) == 2


def test_highest_value_is_drawn_highest() -> None:
    svg = line_chart("t", {"only": [0.0, 2.0, 1.0]}, ("a", "c"))
    line = next(e for e in ET.fromstring(svg).iter() if e.tag.endswith("polyline"))
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert heights[1] == min(heights)
    assert heights[0] == max(heights)


def test_a_missing_value_is_a_gap_and_moves_no_other() -> None:
    svg = ET.fromstring(
        line_chart("t", {"all": [1.0, 2.0, 3.0, 4.0], "some": [1.0, None, 3.0, 4.0]}, ("a", "d"))
    )
    whole, alone, rest = (
        [point.split(",")[0] for point in line.attrib["points"].split()]
        for line in svg.iter()
        if line.tag.endswith("polyline")
    )
    assert (alone, rest) == (whole[:1], whole[2:])
    (dot,) = (one for one in svg.iter() if one.tag.endswith("circle"))
    assert dot.attrib["cx"] == whole[0]


def test_data_uri_decodes_to_the_svg_on_white_paper() -> None:
    uri = data_uri('<svg width="9"><g/></svg>')
    svg = base64.b64decode(uri.removeprefix("data:image/svg+xml;base64,")).decode()
    assert re.fullmatch(
        r'<svg width="9"><style>svg { fill: #444c5a }</style><rect [^>]*fill="#ffffff"/><g/></svg>', svg
    )
