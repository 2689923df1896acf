"""Rows of a day: keys, joins, domains, scores, labels, and the team's own expectations."""

import pytest

from mtmd.project.findings import Part
from tests.project.conftest import Project


def test_rows_of_tables_and_domains_are_counted(project: Project) -> None:
    counts = [int(fact.split(": ")[1].split(" ")[0]) for fact in project.facts(Part.ROWS)]
    assert counts[:3] == [80, 150, 597]
    assert sum(counts[3:]) == 597
    assert len(counts) == 3 + 6


@pytest.mark.parametrize(
    ("table", "damages", "beginnings"),
    [
        ("requests",
         ("insert into t select * from t limit 1", "update t set ts = ts + interval 2 day where surface = 'search'"),
         ["requests.request_id: request_id_unique fails: 1 row, such as request_id 7",
          "requests.ts: ts_inside_the_day fails: "]),
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
          "candidates.gctr: gctr_at_most_ctr fails: ", "candidates.octr: octr_exactly_where_defined fails: ",
          "candidates: outcomes_null_unless_impressed fails: "]),
    ],
)  # fmt: skip
def test_what_validation_would_stop_at_is_found(
    project: Project, table: str, damages: tuple[str, ...], beginnings: list[str]
) -> None:
    project.damage(table, *damages)
    problems = project.problems(Part.ROWS)
    assert [one for one in beginnings if not any(line.startswith(one) for line in problems)] == []
    assert all(line.endswith(f" → correct the logs, or source_{table}.sql") for line in problems)


def test_a_surface_or_product_that_is_written_otherwise_is_named_with_what_may_be_meant(
    project: Project,
) -> None:
    project.damage("ads", "update t set product = 'Shopping' where product = 'shopping'")
    project.damage(
        "requests", "update t set surface = 'video' where surface = 'search' and request_id % 2 = 0"
    )
    surface, product, lacking = project.problems(Part.ROWS)
    assert surface.startswith("requests.surface: 'video' is not declared; ")
    assert surface.endswith(" → add it to domains.surfaces, or leave its rows out in source_requests.sql")
    assert "case product when 'Shopping' then 'shopping' else product end" in product
    assert lacking.startswith("ads.product: no row has 'shopping', which domains.products declares → ")


def test_a_domain_with_few_rows_is_named_with_both_numbers(project: Project) -> None:
    project.say("[data]", "min_domain_rows = 600")
    assert project.problems(Part.ROWS) == []  # a window with so few would stop a run; one day is shown
    problems = project.hints()
    assert len(problems) == 6
    assert " rows; data.min_domain_rows is 600 → lower data.min_domain_rows" in problems[0]
    assert problems[0].startswith("candidates, home_feed × standard: ")


def test_where_no_rows_are_asked_for_an_absent_surface_is_a_hint(project: Project) -> None:
    project.say("[data]", "min_domain_rows = 0")
    project.damage("requests", "update t set surface = 'home_feed' where surface = 'search'",
                   "update t set query_term = null, query_vector = null, query_length = null")  # fmt: skip
    (hint,) = project.hints(Part.ROWS)
    assert hint.startswith("requests.surface: no row has 'search'")


def test_a_table_without_rows_ends_the_check_of_rows(project: Project) -> None:
    project.damage("ads", "delete from t")
    (problem,) = project.problems(Part.ROWS)
    assert "has 1 files and 0 rows; at least 1 is required" in problem
    assert project.facts(Part.FEATURES) == []


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


def test_an_own_expectation_on_candidates_that_cant_be_run_is_blamed_by_its_file(project: Project) -> None:
    project.say(preset='base = "tiny"\nname = "mine"\nsql = "sql"\nexpectations = "own.py"\n')
    query = "query='from {batch} where {where}'"
    (project.root / "own.py").write_text(
        "from mtmd.expectations import Expect\n\ndef expectations(preset):\n    return {'candidates': ["
        f"Expect(name='whole', description='', {query.replace('where {where}', 'limit 0')}), "
        f"Expect(name='sound', description='', {query}, where='ctr > 1'), "
        f"Expect(name='mispelt', description='', {query}, where='clics > 1')]}}\n"
    )
    (problem,) = project.problems()
    assert problem.startswith("own.py: expectation 'mispelt' of candidates in ")
    assert (
        "/own.py, the preset's `expectations`, can't be run: Binder Error: Referenced column \"clics\""
        in problem
    )
    assert problem.endswith("; correct its `where`")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def expectations(preset):\n    return [1]\n", "gave list; it must give lists by table"),
        (
            "def expectations(preset):\n    return 1 / 0\n",
            "failed: ZeroDivisionError('division by zero'); correct it",
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
