import xml.etree.ElementTree as ET

from mtmd.report.page.charts import frame, line, polyline, text


def test_a_drawing_is_well_formed_and_escapes_words_and_label() -> None:
    drawing = frame(
        10, 20, text(1, 2, "a < b & c"), line((0, 0), (1, 1), 'class="x"'), polyline([(0, 1), (2, 3.25)], ""),
        label='say "so"',
    )  # fmt: skip
    root = ET.fromstring(drawing)
    assert root.attrib["viewBox"] == "0 0 10 20"
    assert root.attrib["aria-label"] == 'say "so"'
    words, straight, path = root
    assert words.text == "a < b & c"
    assert (straight.attrib["x2"], straight.attrib["class"]) == ("1.0", "x")
    assert path.attrib["points"] == "0.0,1.0 2.0,3.2"
