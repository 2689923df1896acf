"""How models were made: what differs, and which SQL changed, line by line."""

from mtmd.inspect.models import find
from mtmd.registry.records import RunOrigin
from mtmd.report.made import Made, differing, sql_changes
from mtmd.report.past import latest_run
from tests.inspect.conftest import FIRST, SECOND, Line, build, line, two_models

__all__ = ["build", "line", "two_models"]


def _origin(**changes: object) -> RunOrigin:
    values: dict[str, object] = {
        "preset": {}, "formats": {}, "git_commit": "c0ffee", "packages": {}, "window_rows": 1, "training_seconds": 1.0,
        "sql": {"source_ads": "select\n    ad_id,\n    bid\nfrom ads", "shard_ads": "from ads"},
        "expectations": {"ads: has_rows": "critical 0123456789"},
    }  # fmt: skip
    return RunOrigin.model_validate(values | changes)


def test_sql_and_expectations_that_changed_are_told(two_models: Line) -> None:
    sql = {"source_ads": "select\n    ad_id,\n    bid / 100 as bid\nfrom ads", "stg_ads": "from ads"}
    after = _origin(sql=sql, expectations={"ads: has_rows": "warning 0123456789"})
    first, second = Made("20260125-a1", _origin()), Made("20260126-b1", after)
    found = [
        one for one in differing(two_models.workspace, first, second) if one.what in {"sql", "expectation"}
    ]
    assert [(one.key, one.first is None, one.second is None) for one in found] == [
        ("source_ads", False, False),
        ("shard_ads", False, True),
        ("stg_ads", True, False),
        ("ads: has_rows", False, False),
    ]
    assert found[-1].second == "warning 0123456789"
    (name, lines), *others = sql_changes(first.origin, second.origin)
    assert name == "source_ads"
    assert lines[1:] == ("     ad_id,", "-    bid", "+    bid / 100 as bid", " from ads")
    assert [name for name, _ in others] == ["shard_ads", "stg_ads"]


def test_an_older_record_without_sql_is_not_taken_for_a_change(two_models: Line) -> None:
    first, second = Made("20260125-a1", _origin(sql={}, expectations={})), Made("20260126-b1", _origin())
    found = differing(two_models.workspace, first, second)
    assert {one.what for one in found} == {"seed", "data"}
    assert sql_changes(first.origin, second.origin) == sql_changes(None, second.origin) == ()


def test_a_model_is_as_its_latest_run_made_it(two_models: Line) -> None:
    two_models.decide("20260125-a1", FIRST, preset={"name": "old"})
    two_models.decide("20260125-a1", FIRST, preset={"name": "new"})
    two_models.decide("20260126-b1", SECOND)
    made = Made.of_model(two_models.workspace, "20260125-a1")
    assert made.origin is not None
    assert made.origin.preset == {"name": "new"}
    assert Made.of_model(two_models.workspace, "20260126-b1").origin is None


def test_a_champion_is_as_the_run_made_it_that_promoted_it(two_models: Line) -> None:
    """A later run of its day, with other gates, found it promoted; and one after a rollback was refused."""
    run = two_models.decide("20260125-a1", FIRST, preset={"name": "first"})
    two_models.decide("20260125-a1", FIRST, preset={"name": "other gates"}, promotion="all gates passed")
    two_models.decide("20260125-a1", FIRST, preset={"name": "refused"}, refusal="it was rolled back before")
    made = Made.of_model(two_models.workspace, "20260125-a1")
    assert made.origin is not None
    assert made.origin.preset == {"name": "first"}
    assert find(two_models.workspace, "20260125").run == run
    assert latest_run(two_models.workspace, "20260125-a1") != run


def test_a_table_that_is_empty_differs_from_none_by_nothing_but_its_keys(two_models: Line) -> None:
    before, after = ({"data": {"accepted": value}} for value in ({}, {"2026-02-12": "a new layout"}))
    first, second = Made("20260125-a1", _origin(preset=before)), Made("20260126-b1", _origin(preset=after))
    found = [one for one in differing(two_models.workspace, first, second) if one.what == "preset"]
    assert [(one.key, one.first, one.second) for one in found] == [
        ("data.accepted.2026-02-12", None, "a new layout")
    ]


def test_of_a_name_that_features_of_both_sides_have_each_is_compared(two_models: Line) -> None:
    def preset(buckets: int) -> dict[str, object]:
        own = {"name": "country", "side": "query", "buckets": buckets}
        return {"features": [own, {"name": "price", "side": "item"}, own | {"side": "item", "buckets": 10}]}

    first, second = (
        Made("20260125-a1", _origin(preset=preset(10))),
        Made("20260126-b1", _origin(preset=preset(99))),
    )
    found = [one for one in differing(two_models.workspace, first, second) if one.what == "preset"]
    assert [(one.key, one.first, one.second) for one in found] == [
        ("features.query.country.buckets", "10", "99")
    ]
