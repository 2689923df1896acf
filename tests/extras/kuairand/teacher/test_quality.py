"""Measures against numbers known by hand."""

import math

import numpy as np
import pytest

from mtmd.extras.kuairand.teacher.quality import fit_quality, ranking_auc
from tests.extras.kuairand.teacher.logs import DOMAINS, read


def test_auc_counts_ties_half() -> None:
    # pairs (positive, negative): 0.9>0.5, 0.9>0.1, 0.5=0.5, 0.5>0.1 → 3.5 of 4
    auc = ranking_auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    assert auc == 3.5 / 4


def test_auc_is_none_without_both_outcomes() -> None:
    assert ranking_auc(np.array([0.1, 0.2]), np.array([True, True])) is None
    assert ranking_auc(np.array([0.1, 0.2]), np.array([False, False])) is None


def test_quality_is_of_shown_ads_with_final_labels() -> None:
    rows = read(3)
    newest = rows.teaching.day == rows.teaching.day.max()
    scores = np.full((len(rows), 3), 0.25, np.float32)
    found = {(q.task, q.surface, q.product, q.newest): q for q in fit_quality(scores, rows, newest, DOMAINS)}
    # All tasks everywhere; ctr in four domains; the others in two.
    assert len(found) == 2 * (3 + 4 + 2 + 2)
    clicked = rows.teaching.labels[rows.shown & ~newest, 0]
    rate = float(clicked.mean())
    one = found["ctr", "all", "all", False]
    assert (one.rows, one.actions, one.auc) == (len(clicked), int(clicked.sum()), 0.5)
    assert one.calibration == pytest.approx(0.25 / rate)
    assert one.log_loss == pytest.approx(-(rate * math.log(0.25) + (1 - rate) * math.log(0.75)))
    assert one.log_loss_of_rate == pytest.approx(-(rate * math.log(rate) + (1 - rate) * math.log(1 - rate)))
    surfaces = [found["ctr", surface, "shop", True].rows for surface in DOMAINS.surfaces]
    assert sum(surfaces) == found["ctr", "all", "all", True].rows
    nobody = found["ctr", "feed", "pin", False]
    assert (nobody.rows, nobody.auc, nobody.log_loss, nobody.log_loss_of_rate, nobody.calibration) == (
        0,
        None,
        None,
        None,
        None,
    )
