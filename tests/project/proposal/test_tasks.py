"""Scores and their labels, parents, and the products that have them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.extract.database import session
from mtmd.project.engine import Connection
from mtmd.project.proposal.roles import Roles, find_roles
from mtmd.project.proposal.tasks import ProposedTasks, find_tasks
from mtmd.project.proposal.write import candidate_columns
from tests.project.proposal.looked import looked
from tests.project.proposal.test_roles import ADS, CANDIDATES, DAYS, REQUESTS

TREE = {
    name: CANDIDATES[name] for name in ("request", "ad", "shown")
} | {
    "score_buy": "[0.1, null, 0.2, 0.3]",
    "p_click": "[0.5, 0.2, 0.3, 0.4]",
    "pred_like": "[0.6, 0.9, 0.7, 0.8]",
    "clicked": "[true, false, false, true]",
    "bought": "[false, null, false, true]",
    "liked": "[false, true, true, false]",
    "quality": "[0.7, 0.1, 0.2, 0.3]",
}  # fmt: skip


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with session(tmp_path / "spill", [tmp_path]) as opened:
        yield opened


def _tasks(connection: Connection, folder: Path, candidates: dict[str, str]) -> ProposedTasks:
    return _roles_and_tasks(connection, folder, candidates)[1]


def _roles_and_tasks(
    connection: Connection, folder: Path, candidates: dict[str, str]
) -> tuple[Roles, ProposedTasks]:
    tables = {"requests": REQUESTS, "ads": ADS, "candidates": candidates}
    requests, ads, pairs = (looked(connection, folder, name, columns) for name, columns in tables.items())
    roles = find_roles(connection, requests, ads, pairs, DAYS)
    return roles, find_tasks(connection, roles, ads, pairs)


def test_scores_find_their_labels_parents_and_products(connection: Connection, tmp_path: Path) -> None:
    found = _tasks(connection, tmp_path, TREE)
    assert [(t.name, t.label, t.parent, t.products) for t in found.tasks] == [
        ("pred_like", "liked", None, None),
        ("p_click", "clicked", None, None),
        ("score_buy", "bought", "p_click", ("x",)),  # the ad of product y has no score of it
    ]
    assert found.without_label == ("quality",)
    assert found.tasks[1].mean == pytest.approx(0.35)


def test_a_score_that_is_nan_where_there_is_none_keeps_its_parent_and_products(
    connection: Connection, tmp_path: Path
) -> None:
    """As some writers have it in place of null."""
    without = TREE | {"score_buy": "[0.1, 'nan'::double, 0.2, 0.3]"}
    roles, found = _roles_and_tasks(connection, tmp_path, without)
    buy = found.tasks[2]
    assert (buy.name, buy.label, buy.parent, buy.products) == ("score_buy", "bought", "p_click", ("x",))
    assert buy.mean == pytest.approx(0.2)
    columns = candidate_columns(roles, found.tasks)
    assert "case when isfinite(score_buy) then score_buy end as score_buy" in columns
    assert "case when shown and isfinite(score_buy) then bought end as bought" in columns


def test_a_child_whose_score_is_above_the_other_is_no_child(connection: Connection, tmp_path: Path) -> None:
    found = _tasks(connection, tmp_path, TREE | {"score_buy": "[0.1, null, 0.2, 0.41]"})
    assert [task.parent for task in found.tasks] == [None, None, None]


def test_a_score_of_other_rows_is_no_parent(connection: Connection, tmp_path: Path) -> None:
    """Buys always come with likes, but no row has both scores."""
    twice = {name: f"{values} || {values}" for name, values in TREE.items()}
    disjoint = twice | {
        "score_buy": "[0.1, 0.25, 0.2, 0.3, null, null, null, null]",
        "bought": "[false, false, false, true, null, null, null, null]",
        "pred_like": "[null, null, null, null, 0.9, 0.8, 0.7, 0.6]",
        "liked": "[true, true, true, true, true, true, false, false]",
        "p_click": "[0.05, 0.2, 0.3, 0.4, 0.05, 0.2, 0.3, 0.4]",
    }
    found = _tasks(connection, tmp_path, disjoint)
    assert {task.name: task.parent for task in found.tasks} == dict.fromkeys(
        ("pred_like", "p_click", "score_buy")
    )


def test_without_scores_or_labels_it_says_so(connection: Connection, tmp_path: Path) -> None:
    keys = {name: CANDIDATES[name] for name in ("request", "ad", "shown")}
    with pytest.raises(LogsError, match="candidates: no column has numbers between 0 and 1"):
        _tasks(connection, tmp_path, keys | {"p": "[1, 2, 3, 4]"})
    with pytest.raises(LogsError, match=r"or of 1 and 0, is the action of a score \(p_click\)"):
        _tasks(connection, tmp_path, keys | {"p_click": CANDIDATES["p"]})


@pytest.mark.parametrize(
    ("never", "happened"), [("false", "liked"), ("0", "cast(liked as boolean)"), ("0e0", "liked = 1")]
)
def test_actions_may_be_1_and_0_and_need_not_happen_on_the_day(
    connection: Connection, tmp_path: Path, never: str, happened: str
) -> None:
    numbers = {"shown": "[1, 0, 1, 1]", "clicked": "[1, 0, 0, 1]", "liked": f"[{never} for n in range(4)]"}
    found = _tasks(connection, tmp_path, TREE | numbers)
    assert [(task.name, task.label, task.happened) for task in found.tasks] == [
        ("pred_like", "liked", happened),
        ("p_click", "clicked", "cast(clicked as boolean)"),
        ("score_buy", "bought", "bought"),
    ]
    assert found.tasks[2].parent == "p_click"
    assert [task.never for task in found.tasks] == [True, False, False]


def test_a_label_that_varies_goes_before_a_number_that_does_not(
    connection: Connection, tmp_path: Path
) -> None:
    more = {"clicked": "[false, true, true, false]", "click": "[0, 0, 0, 0]"}
    found = _tasks(connection, tmp_path, TREE | more)
    assert ("p_click", "clicked") in {(task.name, task.label) for task in found.tasks}


@pytest.mark.parametrize(("name", "number"), [("click_version", 1), ("clicked", 1), ("click_count", 0)])
def test_a_version_or_a_count_that_never_varies_is_no_label(
    connection: Connection, tmp_path: Path, name: str, number: int
) -> None:
    keys = {name: CANDIDATES[name] for name in ("request", "ad", "shown")}
    with pytest.raises(LogsError, match="no column of true and false, or of 1 and 0, is the action"):
        _tasks(connection, tmp_path, keys | {"p_click": CANDIDATES["p"], name: f"{[number] * 4}"})


def test_a_score_with_nan_is_a_score(connection: Connection, tmp_path: Path) -> None:
    found = _tasks(connection, tmp_path, TREE | {"p_click": "[0.5, 'nan'::double, 0.3, 0.4]"})
    assert "p_click" in {task.name for task in found.tasks}


def test_a_label_with_nan_is_no_score(connection: Connection, tmp_path: Path) -> None:
    found = _tasks(connection, tmp_path, TREE | {"clicked": "[1.0, 'nan'::double, 0.0, 1.0]"})
    assert ("p_click", "clicked", "clicked = 1") in {(t.name, t.label, t.happened) for t in found.tasks}
    assert "clicked" not in {*found.without_label, *(task.name for task in found.tasks)}
