"""Each damage to `candidates` fails exactly the expectation it is about, with the right count.

Of 360 rows, 6 to a request, the first two of each request were shown and the first clicked; ctr is 0.1 to
0.105, gctr 0.05, and octr 0.02 on standard ads (even ids).
"""

import pytest

SHOWN_NOT_CLICKED = "impressed and not clicked"
ROW = "request_id % 1000"


@pytest.mark.parametrize(
    ("sql", "expectation", "count"),
    [
        (f"update t set request_id = null where {ROW} = 1", "request_id_not_null", 6),
        ("update t set ad_id = null where request_id % 1000 = 1", "ad_id_not_null", 6),
        (f"update t set impressed = null where {ROW} = 1 and not impressed", "impressed_not_null", 4),
        (f"insert into t from t where {ROW} = 1", "request_id_ad_id_unique", 6),
        (f"update t set request_id = -1 where {ROW} = 1", "request_exists", 6),
        (f"update t set ad_id = 100 where {ROW} = 1 and ad_id = 3", "ad_exists", 1),
        (f"update t set ctr = 1 where {ROW} = 1 and ad_id = 3", "ctr_is_a_probability", 1),
        (
            f"update t set ctr = if(ad_id % 2 = 0, 'nan', 'inf') where {ROW} = 1",
            "ctr_is_a_probability",
            6,
        ),
        (
            f"update t set gctr = if(ad_id = 3, 'nan', '0') where {ROW} = 1 and ad_id < 6",
            "gctr_is_a_probability",
            3,
        ),
        (f"update t set octr = -0.01 where {ROW} = 1 and ad_id = 4", "octr_is_a_probability", 1),
        (f"update t set ctr = null where {ROW} = 1", "ctr_exactly_where_defined", 6),
        (f"update t set octr = 0.02 where {ROW} = 1", "octr_exactly_where_defined", 3),
        (f"update t set octr = null where {ROW} < 2", "octr_exactly_where_defined", 6),
        (f"update t set gctr = 0.3 where {ROW} = 1 and ad_id < 5", "gctr_at_most_ctr", 2),
        (f"update t set octr = 0.3 where {ROW} = 1 and ad_id = 4", "octr_at_most_ctr", 1),
        (f"update t set hidden = false where {ROW} = 1", "outcomes_null_unless_impressed", 4),
        (f"update t set position = 5 where {ROW} = 1 and not impressed", "outcomes_null_unless_impressed", 4),
        (f"update t set clicked = null where {ROW} = 1", "clicked_exactly_where_defined", 2),
        (
            f"update t set outbound_clicked = false where {ROW} < 4 and impressed",
            "outbound_clicked_exactly_where_defined",
            4,
        ),
        (
            f"update t set good_clicked = true where {ROW} < 3 and {SHOWN_NOT_CLICKED}",
            "good_clicked_only_if_clicked",
            3,
        ),
        (
            f"update t set position = if(ad_id = 3, -1, null) where {ROW} = 1 and impressed",
            "position_is_a_rank",
            2,
        ),
        # ctr of both home feed domains, with gctr's part of it, and octr's of standard
        (f"update t set ctr = ctr * 6 where {ROW} % 3 = 0", "mean_scores_steady", 5),
    ],
)
def test_damage_fails_its_expectation(logs, yesterday, sql: str, expectation: str, count: int) -> None:
    logs.damage("candidates", sql)
    assert logs.failing(yesterday) == {f"candidates.{expectation}": count}


def test_domains_with_few_rows_or_none_are_found(logs) -> None:
    logs.damage("candidates", f"delete from t where {ROW} % 3 = 0 and {ROW} < 30")
    assert logs.failing() == {"candidates.domain_rows": 2}
    logs.damage("candidates", f"delete from t where {ROW} % 3 = 0")
    assert logs.failing() == {"candidates.domain_rows": 2}


def test_samples_are_keys(logs, yesterday) -> None:
    logs.damage("candidates", f"update t set gctr = 0.25, ctr = 0.125 where {ROW} = 1 and ad_id = 3")
    (failure,) = logs.validate(yesterday).failures
    assert failure.samples == ({"request_id": "739618001", "ad_id": "3", "gctr": "0.25", "ctr": "0.125"},)


def test_a_domain_that_nearly_vanishes_stops_the_run(logs, yesterday) -> None:
    """2 of the 20 home feed requests are left: 6 rows in each product, 2.4 % of all instead of 17 %."""
    logs.damage("candidates", f"delete from t where {ROW} % 3 = 0 and {ROW} < 54")
    assert logs.failing(yesterday) == {"candidates.domain_rows": 2, "candidates.domain_mix_steady": 2}
    (failure,) = logs.validate(yesterday).failures
    assert failure.samples[0] == {
        "domain": "home_feed × shopping",
        "subject": "share of candidates",
        "observed": "0.02381",
        "usual": "0.166667",
        "lowest": "0.033333",
        "highest": "0.833333",
        "share_of_candidates": "0.1667",
    }


def test_what_is_less_than_the_stopping_share_is_only_shown(logs, yesterday) -> None:
    logs.damage("candidates", f"update t set ctr = ctr * 6 where {ROW} % 3 = 0")
    data = logs.preset.data.model_copy(update={"stop_share": 0.2})
    lenient = type(logs)(logs.root, logs.preset.model_copy(update={"data": data}))
    assert lenient.failing(yesterday) == {"candidates.mean_scores_as_usual": 5}
    validation = lenient.validate(yesterday)
    assert validation.passed
    assert [result.name for result in validation.warnings] == ["mean_scores_as_usual"]


def test_labels_of_ones_own_are_sound(five_tasks) -> None:
    assert five_tasks.failing() == {}


@pytest.mark.parametrize(
    ("sql", "expectation", "count"),
    [
        (f"update t set cvr = 0.01 where {ROW} = 1", "cvr_exactly_where_defined", 3),
        (f"update t set cvr = 0.3 where {ROW} = 1 and ad_id = 3", "cvr_at_most_ctr", 1),
        (f"update t set relevance = 1 where {ROW} = 1", "relevance_is_a_probability", 6),
        (f"update t set converted = false where {ROW} = 1", "outcomes_null_unless_impressed", 4),
        (
            f"update t set relevant = true where {ROW} = 1 and not impressed",
            "outcomes_null_unless_impressed",
            4,
        ),
        (
            f"update t set converted = false where {ROW} < 4 and impressed",
            "converted_exactly_where_defined",
            4,
        ),
        (f"update t set converted = null where {ROW} = 1", "converted_exactly_where_defined", 1),
        (f"update t set relevant = null where {ROW} = 1", "relevant_exactly_where_defined", 2),
        (
            f"update t set converted = true where {ROW} < 4 and ad_id % 2 = 1 and {SHOWN_NOT_CLICKED}",
            "converted_only_if_clicked",
            2,
        ),
    ],
)
def test_damage_to_a_task_of_ones_own_fails_the_same_expectations(
    five_tasks, sql: str, expectation: str, count: int
) -> None:
    five_tasks.damage("candidates", sql)
    failing = five_tasks.failing()
    assert failing.pop(f"candidates.{expectation}") == count
    # a label is at once of a wrong product
    assert set(failing) <= {"candidates.converted_exactly_where_defined"}
