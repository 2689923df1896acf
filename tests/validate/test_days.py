"""Validating days and windows: clean, copied and unreadable days, other columns, threads, profiles."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import md5

import duckdb
import pytest

from mtmd.errors import LogsError, ValidationError
from mtmd.logs.source import LogSource
from mtmd.validate.results import DayValidation, Status
from mtmd.validate.runner import require, validate_day, validate_window
from mtmd.validate.staging import CELLS
from tests.elsewhere import laid_out
from tests.validate.conftest import DAY, YESTERDAY

COMPARING = ("content_is_new", "_steady", "as_usual")  # ends of what needs earlier days


def test_a_clean_day_passes_every_expectation(logs, yesterday) -> None:
    validation = logs.validate(yesterday)
    assert {result.status for result in validation.results} == {Status.PASSED}
    assert (validation.passed, validation.compared) == (True, 1)
    require(validation)


def test_a_day_is_the_same_wherever_and_however_the_logs_are_kept(logs, yesterday, tmp_path) -> None:
    source = LogSource(tmp_path / "elsewhere", tables=laid_out(logs.root, tmp_path / "elsewhere"))
    assert validate_day(source, DAY, logs.preset, [yesterday]) == logs.validate(yesterday)


def test_the_profile_counts_the_day(logs) -> None:
    profile = logs.validate().profile
    assert [(d.surface, d.product, d.candidates) for d in profile.domains] == [
        (surface, product, 60)
        for surface in ("home_feed", "search", "related_pin")
        for product in ("standard", "shopping")
    ]
    assert profile.domains[0].share == pytest.approx(1 / 6)
    assert (profile.domains[0].requests, profile.rows("requests"), profile.rows("ads")) == (20, 60, 20)
    assert profile.domains[0].mean_scores == pytest.approx({"ctr": 0.1025, "gctr": 0.05, "octr": 0.02})
    assert profile.domains[1].mean_scores["octr"] is None
    assert (profile.labels["clicked"].shown, profile.labels["clicked"].actions) == (120, 60)
    (search,) = [side for side in profile.sides if side.domain == "search"]
    # requests 19 and 49 of the 20 of search are the ones whose values are null
    rates = search.null_rates
    assert (search.rows, rates["country"], rates["history_vector"]) == (20, pytest.approx(0.1), 1.0)
    cells = search.cells["country"]
    assert (sum(cells.values()), "history_topic" in search.cells) == (18, False)
    assert cells[int.from_bytes(md5(b"value-625").digest()[8:], "little") % CELLS] >= 1  # of request 1


def test_content_digest_knows_neither_row_order_nor_files(logs) -> None:
    before = logs.validate().profile.digests
    path = logs.file("candidates")
    with duckdb.connect() as connection:
        connection.execute(
            f"create table t as from read_parquet('{path}', hive_partitioning = false) order by ad_id desc"
        )
        connection.execute(f"copy (from t limit 100) to '{path}' (format parquet)")
        connection.execute(
            f"copy (from t offset 100) to '{path.with_name('part-1.parquet')}' (format parquet)"
        )
    assert logs.validate().profile.digests == before
    logs.damage("candidates", "update t set ctr = 0.2 where ad_id = 19")
    assert logs.validate().profile.digests["candidates"] != before["candidates"]


def test_without_earlier_days_nothing_is_compared(logs, yesterday) -> None:
    everything = {(result.table, result.name) for result in logs.validate(yesterday).results}
    shutil.rmtree(logs.file("requests", YESTERDAY).parent)
    validation = logs.validate()
    missing = everything - {(result.table, result.name) for result in validation.results}
    assert missing == {
        (table, name) for table, name in everything if name.endswith(COMPARING) or name == "request_ids_new"
    }
    assert (validation.passed, validation.compared, len(missing)) == (True, 0, 17)


def test_later_days_and_days_beyond_the_limit_are_not_compared_with(logs, yesterday) -> None:
    assert logs.validate(yesterday.model_copy(update={"day": DAY + timedelta(days=1)})).compared == 0
    own = logs.validate().profile.digests
    copies = [
        yesterday.model_copy(
            update={"day": DAY - timedelta(days=age), "digests": own if age > 28 else {"ads": "-"}}
        )
        for age in range(1, 30)
    ]
    # The values of the day's categories are other ones than those of the copies, on purpose.
    categories = {"requests.categories_steady", "ads.categories_steady"}
    assert logs.failing(*copies).keys() == categories
    assert logs.failing(*copies[1:]).keys() == categories | {f"{table}.content_is_new" for table in own}


@pytest.mark.parametrize(("least", "compared"), [(360, 1), (361, 0)])
def test_a_day_is_compared_only_with_days_that_have_rows_enough(logs, yesterday, least, compared) -> None:
    data = logs.preset.data.model_copy(update={"min_trailing_rows": least})
    preset = logs.preset.model_copy(update={"data": data})
    assert validate_day(logs.source, DAY, preset, [yesterday]).compared == compared


def test_other_columns_than_declared_are_refused(logs) -> None:
    shutil.copy(logs.file("ads"), logs.file("ads").with_name("part-1.parquet"))
    logs.damage("ads", "alter table t drop column price")
    with pytest.raises(
        LogsError, match=r"ads of 2026-01-02: .*part-0\.parquet has other .*price \(missing; must be"
    ):
        logs.validate()


def test_outcomes_that_are_no_tasks_label_may_be_missing(logs) -> None:
    logs.damage("candidates", *(f"alter table t drop {name}" for name in ("position", "hidden", "repinned")))
    assert logs.validate().passed


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


@pytest.mark.parametrize("kind", ["integer", "varchar"])
def test_the_day_before_is_read_as_declared_too(logs, kind: str) -> None:
    path = logs.file("requests", YESTERDAY)
    with duckdb.connect() as connection:
        connection.execute(f"create table t as select request_id::{kind} as request_id from '{path}'")
        connection.execute(f"copy t to '{path}' (format parquet)")
    if kind == "integer":
        assert logs.failing() == {}
    else:
        with pytest.raises(
            LogsError, match=r"requests of 2026-01-01: .*request_id \(is VARCHAR; must be BIG"
        ):
            logs.validate()


@pytest.mark.parametrize("table", ["requests", "ads", "candidates"])
def test_a_missing_table_is_named(logs, table: str) -> None:
    shutil.rmtree(logs.file(table).parent)
    with pytest.raises(
        LogsError, match=rf"{table} of 2026-01-02: .*date=2026-01-02/\*\.parquet does not exist"
    ):
        logs.validate()


def test_an_empty_table_fails_the_day(logs) -> None:
    logs.damage("candidates", "delete from t")
    assert logs.failing().keys() == {"candidates.has_rows", "candidates.domain_rows"}
    with pytest.raises(ValidationError, match=r"candidates\.has_rows: 0 rows"):
        require(logs.validate())


@pytest.mark.parametrize(("table", "day"), [("ads", DAY), ("requests", YESTERDAY)])
def test_an_unreadable_file_is_named(logs, table: str, day) -> None:
    logs.file(table, day).with_name("part-1.parquet").write_bytes(b"not parquet")
    with pytest.raises(LogsError, match=rf"{table} of {day}: .*part-1\.parquet can't be read"):
        logs.validate()


def test_require_lists_counts_and_keys(logs, yesterday) -> None:
    logs.damage("ads", "update t set goal = 'view' where ad_id in (3, 4)")
    with pytest.raises(ValidationError) as caught:
        require(logs.validate(yesterday))
    message = str(caught.value)
    assert message.startswith("2026-01-02: 1 expectations failed")
    assert "ads.goal_known: 2 unexpected" in message
    assert "ad_id=3, goal=view" in message


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


def test_a_window_needs_days_and_rows_of_each_domain(yesterday, strict_preset) -> None:
    with pytest.raises(LogsError, match=r"no days \(0\)"):
        validate_window([], strict_preset)
    few = (yesterday.domains[0].model_copy(update={"candidates": 19}), *yesterday.domains[1:])
    thin = [
        yesterday.model_copy(update={"domains": few, "day": DAY - timedelta(days=age)}) for age in range(2)
    ]
    (failure,) = validate_window(thin, strict_preset).failures
    assert failure.samples == ({"surface": "home_feed", "product": "standard", "candidates": "38"},)
    window = validate_window([*thin, yesterday], strict_preset)
    assert (window.passed, window.title) == (True, "window 2026-01-01 … 2026-01-02")
