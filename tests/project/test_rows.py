"""Rows of a day: keys, joins, domains, scores, labels, and the team's own expectations."""

import pytest

from mtmd.project.findings import Part
from tests.project.conftest import Project


def test_rows_of_tables_and_domains_are_counted(project: Project) -> None:
    counts = [int(fact.split(": ")[1].split(" ")[0]) for fact in project.facts(Part.ROWS)]
    assert counts[:2] == [80, 150]
    assert sum(counts[2:]) == 597
    assert len(counts) == 2 + 6


@pytest.mark.parametrize(
    ("table", "damages", "beginnings"),
    [
        ("requests",
         ("insert into t select * from t limit 1", "update t set ts = ts + interval 2 day where surface = 'search'",
          "update t set user_vector = [1] where request_id % 3 = 0",
          "update t set surface = 'video' where surface = 'search' and request_id % 2 = 0"),
         ["requests.request_id: request_id_unique fails: 1 row, such as request_id 7",
          "requests.ts: ts_inside_the_day fails: ", "requests.surface: surface_known fails: ",
          "requests: vectors_whole fails: "]),
        ("ads",
         ("update t set bid = -1", "update t set goal = 'sale'", "update t set price = 2 where product = 'standard'"),
         ["ads.goal: goal_known fails: 150 rows, such as ad_id", "ads.bid: bid",
          "ads: features_null_where_lacking fails: "]),
        ("candidates",
         ("update t set request_id = null where ad_id % 2 = 0", "update t set ad_id = -1 where ad_id % 7 = 0",
          "update t set gctr = ctr * 1.01", "update t set octr = 0.01", "update t set ctr = 0 where ad_id % 3 = 0",
          "update t set clicked = true where not impressed"),
         ["candidates.request_id: request_id_not_null fails: ", "candidates: request_id_ad_id_unique fails: ",
          "candidates.ad_id: ad_exists fails: ", "candidates.ctr: ctr_is_a_probability fails: ",
          "candidates: gctr_at_most_ctr fails: ", "candidates.octr: octr_exactly_where_defined fails: ",
          "candidates: outcomes_null_unless_impressed fails: "]),
    ],
)  # fmt: skip
def test_what_validation_would_stop_at_is_found(
    project: Project, table: str, damages: tuple[str, ...], beginnings: list[str]
) -> None:
    project.damage(table, *damages)
    problems = project.problems(Part.ROWS)
    assert [one for one in beginnings if not any(line.startswith(one) for line in problems)] == []
    assert all(
        line.endswith(f" → correct the logs, source_{table}.sql, or what the preset declares")
        for line in problems
    )


def test_a_domain_with_few_rows_is_a_hint(project: Project) -> None:
    """A window with so few would stop a run; of one day it is shown."""
    project.say("[data]", "min_domain_rows = 600")
    assert project.problems(Part.ROWS) == []
    (hint,) = project.hints(Part.ROWS)
    assert hint.startswith(
        "candidates: domain_rows fails: 6 rows, such as surface home_feed, product shopping, "
    )


def test_a_table_without_rows_is_found(project: Project) -> None:
    project.damage("ads", "delete from t")
    assert project.problems(Part.ROWS)[0].startswith("ads: 0 rows; at least 1 is required → deliver the day")


OWN = """
from mtmd.expectations import Expect, Severity

def expectations(preset):
    return {"ads": [
        Expect(name="cheap", description="Dear ads are not sold.", query="select ad_id from {batch} where bid > 0",
               severity=Severity.WARNING),
        Expect(name="broken", description="Never.", query="select nothing from {batch}"),
    ]}
"""


def test_a_teams_own_expectations_are_asked_too(project: Project) -> None:
    project.say(preset='base = "tiny"\nname = "mine"\nsql = "sql"\nexpectations = "own.py"\n')
    (project.root / "own.py").write_text(OWN)
    (problem,), (hint,) = project.problems(), project.hints(Part.ROWS)
    assert problem.startswith("ads: broken can't be run: Binder Error: ")
    assert problem.endswith(" → correct the expectation")
    assert hint.startswith("ads: cheap fails: 150 rows, such as ad_id ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def expectations(preset):\n    return [1]\n", "gave [1]; it must give lists of Expect by table"),
        (
            "def expectations(preset):\n    return 1 / 0\n",
            "can't be run: ZeroDivisionError('division by zero')",
        ),
    ],
)
def test_an_own_file_that_is_wrong_is_named_and_the_rest_is_checked(
    project: Project, text: str, words: str
) -> None:
    project.say(preset='base = "tiny"\nname = "mine"\nsql = "sql"\nexpectations = "own.py"\n')
    (project.root / "own.py").write_text(text)
    (problem,) = project.problems()
    assert words in problem
    assert project.facts(Part.ROWS)
