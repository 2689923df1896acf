"""Standard errors of a day's figures, against drawing its requests anew."""

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from mtmd.config import Preset, Slice
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.monitor.sampling import day_figures

REQUESTS, ROWS = 400, 5
WHERE = Slice("all", "all", "ctr")


def _day(preset: Preset) -> tuple[HeldOutDay, NDArray[np.float64]]:
    """Rows of a request are alike, in the score, in the error and in what the user did."""
    random = np.random.default_rng(7)
    request = np.repeat(np.arange(REQUESTS), ROWS)
    mood, rows, tasks = random.normal(size=REQUESTS)[request], len(request), len(preset.domains.tasks)
    log_t = -2.0 + 0.5 * mood + 0.3 * random.normal(size=rows)
    log_p = np.minimum(log_t + 0.2 * mood + 0.2 * random.normal(size=rows), -1e-3)
    teacher = np.full((rows, tasks), np.nan, np.float32)
    teacher[:, 0] = np.exp(np.minimum(log_t, -1e-3))
    labels = np.full((rows, tasks), -1, np.int8)
    labels[:, 0] = random.random(rows) < teacher[:, 0]
    day = HeldOutDay(teacher, labels, np.ones(rows, np.bool_), np.zeros(rows, np.int64), request)
    return day, np.repeat(log_p[:, None], tasks, axis=1)


def test_errors_are_those_of_drawing_whole_requests(tiny_preset: Preset) -> None:
    day, log_p = _day(tiny_preset)
    found = day_figures(date(2026, 1, 10), tiny_preset.declarations, day, log_p)
    own, teacher, acted = log_p[:, 0], day.teacher[:, 0].astype(float), day.labels[:, 0] == 1
    random, drawn = np.random.default_rng(0), []
    for _ in range(600):
        rows = (random.integers(0, REQUESTS, REQUESTS)[:, None] * ROWS + np.arange(ROWS)).ravel()
        p, t, action = own[rows], teacher[rows], acted[rows]
        wins = p[action][:, None] - p[~action][None]
        area = (wins > 0).mean() + 0.5 * (wins == 0).mean()
        means = np.abs(p - np.log(t)).mean(), np.exp(p).mean() / t.mean(), np.exp(p).mean()
        drawn.append((*np.log(means), area))
    bootstrap = np.std(drawn, axis=0, ddof=1)
    errors = found.errors[WHERE]
    named = (errors.logmae, errors.calibration, errors.prediction, errors.auc)
    assert named == pytest.approx(tuple(bootstrap), rel=0.1)
    assert set(found.errors) == {*found.report.slices, *found.report.aggregates}
    assert found.errors[Slice("search", "standard", "ctr")].logmae is None
