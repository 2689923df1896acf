"""Validating days and windows: clean, copied and unreadable days, other columns, threads, profiles."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from hashlib import md5

import duckdb
import pytest

from mtmd.config import Preset
from mtmd.errors import LogsError, ValidationError
from mtmd.expectations import Measure
from mtmd.extract.sources import read_ads
from mtmd.logs.source import LogSource
from mtmd.validate.results import DayValidation
from mtmd.validate.runner import earlier_days, require, validate_day, validate_window
from mtmd.validate.staging import CELLS
from tests.elsewhere import laid_out
from tests.validate.conftest import DAY, YESTERDAY

SURFACES = ("home_feed", "search", "related_pin")


def test_a_clean_day_passes_every_expectation(logs, yesterday) -> None:
    validation = logs.validate(yesterday)
    assert all(result.success for result in validation.results)
    assert (validation.passed, validation.compared) == (True, 1)
    require(validation)


def test_a_day_is_the_same_wherever_and_however_the_logs_are_kept(logs, yesterday, tmp_path) -> None:
    source = LogSource(tmp_path / "elsewhere", tables=laid_out(logs.root, tmp_path / "elsewhere"))
    assert validate_day(source, DAY, logs.preset, [yesterday]) == logs.validate(yesterday)


def test_the_profile_counts_the_day(logs) -> None:
    profile = logs.validate().profile
    names = [f"{surface} × {product}" for surface in SURFACES for product in ("standard", "shopping")]
    assert profile.candidates == dict.fromkeys(names, 60)
    # Values, and shares of the candidates.
    numbers = {number.key[1:]: number[1:] for number in profile.numbers}
    assert [numbers[table, "all", "rows"] for table in ("requests", "ads", "candidates")] == [
        (60, 1.0), (20, 1.0), (360, 1.0),
    ]  # fmt: skip
    assert numbers["candidates", names[0], "share of candidates"] == pytest.approx((1 / 6, 1 / 6))
    assert numbers["candidates", names[0], "ctr"] == pytest.approx((0.1025, 1 / 6))
    assert numbers["candidates", names[0], "octr / ctr"] == pytest.approx((0.02 / 0.1025, 1 / 6))
    assert ("candidates", names[1], "octr") not in numbers
    assert numbers["candidates", "all", "clicked"] == (0.5, 1.0)  # 60 of 120 that were shown
    # requests 19 and 49 of the 20 of search are the ones whose values are null
    assert numbers["requests", "search", "country"] == pytest.approx((0.1, 1 / 3))
    assert numbers["requests", "search", "history_vector"][0] == 1.0
    cells = {one.key[2:]: one.rows for one in profile.cells}
    country = cells["search", "country"]
    assert (sum(country.values()), ("search", "history_topic") in cells) == (18, False)
    assert country[int.from_bytes(md5(b"value-625").digest()[8:], "little") % CELLS] >= 1  # of request 1


def test_actions_that_come_later_are_not_compared_with_those_of_earlier_days(logs) -> None:
    values = logs.preset.model_dump()
    values["domains"]["tasks"][0].update(learn_from="actions", maturity=2)
    profile = replace(logs, preset=Preset.model_validate(values)).validate().profile
    rates = {number.key.subject for number in profile.numbers if number.key.measure == Measure.LABELS}
    assert rates == {"impressed", "good_clicked", "outbound_clicked"}


def test_later_days_and_days_beyond_the_limit_are_not_compared_with(logs, yesterday) -> None:
    days = [yesterday.model_copy(update={"day": DAY - timedelta(days=age)}) for age in range(-1, 30)]
    assert [one.day for one in earlier_days(DAY, days, logs.preset.data)] == [
        DAY - timedelta(days=age) for age in range(28, 0, -1)
    ]


@pytest.mark.parametrize(("least", "compared"), [(360, 1), (361, 0)])
def test_a_day_is_compared_only_with_days_that_have_rows_enough(logs, yesterday, least, compared) -> None:
    data = logs.preset.data.model_copy(update={"min_trailing_rows": least})
    preset = logs.preset.model_copy(update={"data": data})
    assert validate_day(logs.source, DAY, preset, [yesterday]).compared == compared


def test_files_of_different_types_are_one_day(logs) -> None:
    before = logs.validate().profile
    path = logs.file("candidates")
    with duckdb.connect() as connection:
        connection.execute(f"create table t as from read_parquet('{path}', hive_partitioning = false)")
        replaced = "* replace (ctr::double as ctr, ad_id::tinyint as ad_id)"
        connection.execute(f"copy (select {replaced} from t limit 100) to '{path}' (format parquet)")
        connection.execute(
            f"copy (select * exclude (hidden) from t offset 100) to '{path.with_name('part-1.parquet')}' "
            "(format parquet)"
        )
    validation = logs.validate()
    assert validation.passed
    assert validation.profile == before


def test_an_empty_table_fails_the_day(logs) -> None:
    logs.damage("candidates", "delete from t")
    assert logs.failing() == {"candidates.has_rows": 1}
    with pytest.raises(ValidationError, match=r"candidates\.has_rows: 1 unexpected. On an empty table"):
        require(logs.validate())


def test_a_value_that_cannot_be_read_is_named_as_it_is_where_ads_are_published(logs) -> None:
    logs.damage("ads", "alter table t alter price type double", "update t set price = 1e300")
    for read in (logs.validate, lambda: list(read_ads(logs.source, DAY, logs.preset.declarations))):
        with pytest.raises(
            LogsError, match=r"ads\.price has a value that its declared type FLOAT can't hold"
        ):
            read()


def test_require_lists_counts_and_keys(logs, yesterday) -> None:
    logs.damage("ads", "update t set goal = 'view' where ad_id in (3, 4)")
    with pytest.raises(ValidationError) as caught:
        require(logs.validate(yesterday))
    message = str(caught.value)
    assert message.startswith("2026-01-02: ads.goal_known, 2 unexpected: ad_id 3, goal view; have the table")
    assert "ads.goal_known: 2 unexpected" in message
    assert "ad_id=3, goal=view" in message
    assert caught.value.day == DAY


def test_a_day_that_is_only_unlike_those_before_may_be_accepted(logs, yesterday) -> None:
    logs.damage("candidates", "update t set ctr = ctr * 6 where request_id % 3 = 0")
    with pytest.raises(
        ValidationError, match="; have the table delivered again, or accept the change"
    ) as caught:
        require(logs.validate(yesterday))
    assert caught.value.day is None  # `mtmd check`, which looks at one day, finds nothing


def test_days_validated_from_threads_give_what_they_give_alone_also_as_json(logs, yesterday) -> None:
    logs.damage("ads", "update t set goal = 'view' where ad_id in (3, 4)")
    days = [YESTERDAY, DAY] * 3

    def run(day) -> DayValidation:
        return validate_day(logs.source, day, logs.preset, [yesterday])

    alone = {one: run(one) for one in set(days)}
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, days)) == [alone[one] for one in days]
    assert DayValidation.model_validate_json(alone[DAY].model_dump_json()) == alone[DAY]
    assert not alone[DAY].passed


def test_importing_validation_does_not_import_great_expectations() -> None:
    code = "import sys, mtmd.validate.stage; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_window_needs_rows_of_each_domain(yesterday, strict_preset) -> None:
    few = yesterday.candidates | {"home_feed × standard": 19}
    thin = [
        yesterday.model_copy(update={"candidates": few, "day": DAY - timedelta(days=age)}) for age in range(2)
    ]
    (failure,) = validate_window(thin, strict_preset).failures
    assert failure.samples == ({"domain": "home_feed × standard", "candidates": "38"},)
    window = validate_window([*thin, yesterday], strict_preset)
    assert (window.passed, window.title) == (True, "window 2026-01-01 … 2026-01-02")
