"""Curves over the number of kept candidates."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from mtmd.config import EvaluationConfig, Preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.replay import replay_day
from mtmd.evaluate.replay_report import ReplayReport
from mtmd.report.page.curves import replay_charts
from mtmd.report.page.render import ReportInputs, render_report
from tests.report.page.conftest import AS_OF


def drawn(svg: str) -> tuple[list[str], int]:
    tree = ET.fromstring(svg)
    texts = [element.text or "" for element in tree.iter() if element.tag.endswith("text")]
    return texts, sum(element.tag.endswith("polyline") for element in tree.iter())


def test_every_surface_has_a_curve_of_the_top_and_one_of_value(replay: ReplayReport) -> None:
    pairs = replay_charts(replay)
    titles = [[drawn(svg)[0][0] for svg in pair] for pair in pairs]
    assert titles == [
        [f"{surface}: % of the top 1", f"{surface}: % of the value"]
        for surface in ("all surfaces", "home_feed", "search", "related_pin")
    ]
    for svg in (svg for pair in pairs for svg in pair):
        texts, lines = drawn(svg)
        assert lines == 6  # five predictors and chance
        assert {"1", "2", "3", "kept", "mtmd", "champion", "random"} <= set(texts)


def test_a_better_curve_is_higher(replay: ReplayReport) -> None:
    """The random one is the lowest at K = 1, where it keeps a quarter of the top."""
    svg = replay_charts(replay)[0][0]
    firsts = [float(y) for y in re.findall(r'<polyline points="[\d.]+,([\d.]+)', svg)]
    named = dict(zip(replay.predictors, firsts, strict=True))
    assert named["random"] == max(named.values())
    assert named["champion"] == min(named.values())
    assert replay.share("random", replay.by_value[0], 1).recall.value == pytest.approx(0.25)


def test_without_a_choice_there_is_no_curve(day: HeldOutDay, tiny_preset: Preset) -> None:
    rows = len(day.domain)
    alone = replace(day, request=np.arange(rows))
    config = EvaluationConfig(resamples=100)
    log = np.full(day.teacher.shape, -1.0)
    found = replay_day(
        AS_OF, tiny_preset.declarations, alone, np.ones(rows), {"mtmd": log}, config, reference="mtmd"
    )
    assert replay_charts(found) == []


def test_all_surfaces_are_seen_at_once_and_each_is_folded(inputs: ReportInputs) -> None:
    page = render_report(inputs)
    section = page[page.index('<section id="replay">') : page.index('<section id="calibration">')]
    shown, surfaces, slices = section.split("<details>")
    assert "<td>all</td>" in shown
    assert "<td>home_feed" not in shown
    assert "<summary>Surface by surface" in surfaces
    assert set(re.findall(r"<tr><td>(\w+)</td>", shown)) == {"all"}
    assert set(re.findall(r"<tr><td>(\w+)</td>", surfaces)) == {"home_feed", "search", "related_pin"}
    assert "<summary>Slice by slice" in slices
