"""Cross-fitting: no row is scored by a teacher that saw it, and children stay below their parent."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mtmd.extras.kuairand.mapping import Exposures, map_exposures
from mtmd.extras.kuairand.source import read_source
from mtmd.extras.kuairand.teacher.config import TeacherConfig
from mtmd.extras.kuairand.teacher.cross_fit import NEWEST, TeacherScores, cross_fit
from mtmd.extras.kuairand.teacher.rows import TeacherInputs
from mtmd.extras.kuairand.teacher_inputs import teacher_inputs, teaching_rows

QUICK = TeacherConfig(hidden=8, width=2, batch_rows=32, members=2, least_members=1, max_epochs=2)


@pytest.fixture
def world(made_up: Any) -> tuple[TeacherInputs, Exposures]:
    source = read_source(made_up.write(made_up.random_rows(days=6, per_day=60)))
    exposures, _ = map_exposures(source)
    return teacher_inputs(source, exposures), exposures


def fit(inputs: TeacherInputs, exposures: Exposures, seed: int = 0, **changes: Any) -> TeacherScores:
    config = QUICK.model_copy(update=changes)
    return cross_fit(inputs, teaching_rows(exposures), config, seed=seed, on_progress=lambda _: None)


def test_no_score_depends_on_the_row_or_block_that_it_scores(world: tuple[TeacherInputs, Exposures]) -> None:
    inputs, exposures = world
    # Epochs are found on the newest block by design; here there is one, so that only fits can leak.
    before = fit(inputs, exposures, max_epochs=1)
    for held in (*range(before.block.max() + 1), NEWEST):
        flipped = exposures.labels.copy()
        flipped[before.block == held] = ~exposures.labels[before.block == held, :1]
        after = fit(inputs, replace(exposures, labels=flipped), max_epochs=1)
        same = before.block == held
        assert np.array_equal(before.scores[same], after.scores[same])
        assert held == NEWEST or not np.array_equal(before.scores[~same], after.scores[~same])


def test_newest_days_change_no_other_score(world: tuple[TeacherInputs, Exposures]) -> None:
    inputs, exposures = world
    before = fit(inputs, exposures)
    flipped = exposures.labels.copy()
    flipped[before.block == NEWEST] = ~flipped[before.block == NEWEST]
    after = fit(inputs, replace(exposures, labels=flipped))
    assert np.array_equal(before.scores, after.scores)


def test_scores_are_float32_strictly_inside_and_follow_the_tree(
    world: tuple[TeacherInputs, Exposures],
) -> None:
    scores = fit(*world).scores
    assert scores.dtype == np.float32
    assert scores.min() > 0
    assert scores.max() < 1
    assert (scores[:, 1:] <= scores[:, :1]).all()


def test_the_same_seed_gives_the_same_scores_and_another_seed_others(
    world: tuple[TeacherInputs, Exposures],
) -> None:
    first, again, other = fit(*world), fit(*world), fit(*world, seed=1)
    assert np.array_equal(first.scores, again.scores)
    assert not np.array_equal(first.scores, other.scores)


def test_a_teacher_learns_who_clicks(world: tuple[TeacherInputs, Exposures]) -> None:
    inputs, exposures = world
    scores = fit(inputs, exposures, hidden=32, max_epochs=4, learning_rate=1e-2).scores[:, 0]
    eager = exposures.user % 2 == 1  # click 80 % of the time, the others 20 %
    assert scores[eager].mean() > scores[~eager].mean() + 0.2


def test_a_past_holds_earlier_days_only(world: tuple[TeacherInputs, Exposures]) -> None:
    inputs, exposures = world
    first = exposures.day == exposures.day.min()
    assert not inputs.past[first].any()
    assert inputs.past[~first].any()
    assert (inputs.codes >= 0).all()
    assert (inputs.codes < inputs.sizes).all()


def test_a_days_own_outcomes_are_no_input(made_up: Any) -> None:
    source = read_source(made_up.write(made_up.random_rows(days=4, per_day=40)))
    exposures, _ = map_exposures(source)
    day = exposures.day.min() + 2
    labels = exposures.labels.copy()
    labels[exposures.day >= day] = ~labels[exposures.day >= day]
    before, after = (teacher_inputs(source, e) for e in (exposures, replace(exposures, labels=labels)))
    upto = exposures.day <= day
    assert np.array_equal(before.past[upto], after.past[upto])
    assert not np.array_equal(before.past[~upto], after.past[~upto])
    assert np.array_equal(before.codes, after.codes)
