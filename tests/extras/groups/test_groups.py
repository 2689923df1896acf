"""Groups of rows: new values against sets of values, and errors and levels by hand."""

from pathlib import Path

import numpy as np
import pytest

from mtmd.config import Declarations
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.extras.groups.evaluation import IDS, group_metrics, row_groups
from mtmd.extras.groups.page import groups_table
from tests.evaluate.conftest import declarations, make_shard
from tests.flows.runs import Run

__all__ = ["declarations", "make_shard"]


def values(shard, declarations: Declarations, name: str) -> list[int]:
    """The hashed value of each candidate, one at a time."""
    side, encoded, rows = (
        (declarations.item, shard.item, shard.ad_row)
        if name == "ad_id"
        else (declarations.query, shard.query, shard.request_row)
    )
    column = [feature.name for feature in side.categorical].index(name)
    return [int(encoded.categorical[row, column]) for row in rows.tolist()]


def test_a_row_is_new_whose_value_no_candidate_of_the_window_has(
    declarations: Declarations, make_shard
) -> None:
    window = [make_shard(requests=9, seed=1, day=1), make_shard(requests=9, seed=2, day=2)]
    day = make_shard(requests=40, seed=3, day=3)
    found = row_groups(day, iter(window), declarations)
    assert list(found) == ["new user_id", "new ad_id"]
    for name in IDS:
        known = {value for shard in window for value in values(shard, declarations, name)} | {0}
        expected = [value not in known for value in values(day, declarations, name)]
        assert found[f"new {name}"].tolist() == expected
        assert any(expected)


def test_errors_and_levels_are_means_over_a_tasks_rows_of_the_group_and_its_others(
    declarations: Declarations,
) -> None:
    """Four rows in two slices of ctr, the first and the third in the group; gctr is scored in two, octr in none."""
    teacher = np.full((4, 3), np.nan, np.float32)
    teacher[:, 0], teacher[:2, 1] = [0.2, 0.1, 0.4, 0.1], [0.1, 0.05]
    day = HeldOutDay(
        teacher=teacher,
        labels=np.full((4, 3), -1, np.int8),
        impressed=np.zeros(4, np.bool_),
        domain=np.array([0, 0, 2, 2]),
        request=np.arange(4),
    )
    off = np.array([[0.5], [0.25], [0.125], [0.75]])
    given = {"mtmd": np.log(np.nan_to_num(teacher, nan=0.5)) - off}
    groups = {"some": np.array([True, False, True, False]), "nobody": np.zeros(4, np.bool_)}
    found = list(group_metrics(groups, declarations, day, given))
    assert [one.group for one in found[:4]] == ["some", "not some", "some", "not some"]
    ctr, others, gctr, *_ = found
    assert (ctr.task, ctr.rows, others.rows) == ("ctr", 2, 2)
    assert (ctr.logmae["mtmd"], others.logmae["mtmd"]) == pytest.approx((0.3125, 0.5))
    level = (0.2 * np.exp(-0.5) + 0.4 * np.exp(-0.125)) / 0.6
    of_others = (np.exp(-0.25) + np.exp(-0.75)) / 2
    assert (ctr.calibration["mtmd"], others.calibration["mtmd"]) == pytest.approx((level, of_others))
    assert (gctr.task, gctr.rows, gctr.logmae["mtmd"]) == ("gctr", 1, pytest.approx(0.5))
    (nobody,) = (one for one in found if (one.group, one.task) == ("nobody", "ctr"))
    assert (nobody.rows, nobody.logmae["mtmd"]) == (0, None)
    assert groups_table(found[:2], "mtmd").texts() == [
        ["ctr", "some", "2", "0.3125", "0.7905"],
        ["ctr", "not some", "2", "0.5000", "0.6256"],
    ]


def test_the_page_has_them(first_run: Run) -> None:
    assert "not new ad_id" in Path(first_run.summary.places["report"]).read_text()
