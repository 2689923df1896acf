"""Running suites: clean days, schemas, unreadable and copied days, skips, exceptions, threads, the window."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from mtmd.errors import ConfigError, LogsError, ValidationError
from mtmd.expectations import Needs
from mtmd.expectations.common import Expect, SuiteTable, build_suite
from mtmd.logs.source import LogSource
from mtmd.logs.sql import SQL
from mtmd.validate.gx_duckdb import database, load
from mtmd.validate.results import DayValidation, Status
from mtmd.validate.runner import require, validate_day, validate_window
from mtmd.validate.suites import run_suites
from tests.elsewhere import laid_out

EVERYTHING = dict.fromkeys(Needs, True)


def test_a_clean_day_passes_every_expectation(logs, yesterday) -> None:
    validation = logs.validate(yesterday)
    assert {result.status for result in validation.results} == {Status.PASSED}
    assert validation.passed
    require(validation)


def test_a_day_of_linked_files_passes(logs, yesterday, day, tmp_path) -> None:
    for table, of in (("ads", day), ("requests", day - timedelta(days=1))):
        file = logs.file(table, of)
        file.rename(tmp_path / f"{table}.parquet")
        file.symlink_to(tmp_path / f"{table}.parquet")
    assert logs.failing(yesterday) == {}


def test_the_profile_counts_the_day(logs) -> None:
    profile = logs.validate().profile
    assert [(d.surface, d.product, d.candidates) for d in profile.domains] == [
        (surface, product, 60)
        for surface in ("home_feed", "search", "related_pin")
        for product in ("standard", "shopping")
    ]
    assert profile.domains[0].share == pytest.approx(1 / 6)
    assert (profile.domains[0].requests, profile.requests) == (20, 60)
    assert profile.domains[0].mean_scores == pytest.approx({"ctr": 0.1025, "gctr": 0.05, "octr": 0.02})
    assert profile.domains[1].mean_scores["octr"] is None
    (search,) = [n for n in profile.null_rates if n.domain == "search"]
    # requests 19 and 49 of the 20 of search are the ones whose values are null
    assert (search.rates["country"], search.rates["history_vector"]) == (pytest.approx(0.1), 1.0)


def test_content_digest_knows_neither_row_order_nor_files(logs) -> None:
    before = logs.validate().profile.digests
    path = logs.file("candidates")
    source = f"read_parquet('{path}', hive_partitioning = false)"
    with duckdb.connect() as connection:
        connection.execute(f"create table t as from {source} order by ad_id desc, request_id desc")
        connection.execute(f"copy (from t limit 100) to '{path}' (format parquet)")
        second = path.with_name("part-1.parquet")
        connection.execute(f"copy (from t offset 100) to '{second}' (format parquet)")
    assert logs.validate().profile.digests == before
    logs.damage("candidates", "update t set ctr = 0.2 where ad_id = 19")
    assert logs.validate().profile.digests["candidates"] != before["candidates"]


def test_without_earlier_days_comparisons_are_skipped_not_passed(logs, day) -> None:
    shutil.rmtree(logs.file("requests", day - timedelta(days=1)).parent)
    validation = logs.validate()
    skipped = [r for r in validation.results if r.status is Status.SKIPPED]
    assert {f"{r.table}.{r.name}" for r in skipped} == {
        "requests.request_ids_new",
        *(f"{table}.content_is_new" for table in ("requests", "ads", "candidates")),
        *(
            f"{measure}_{level}"
            for level in ("steady", "as_usual")
            for measure in (
                *(
                    f"{side}.{measure}"
                    for side in ("requests", "ads")
                    for measure in ("null_rates", "categories", "volume", "magnitudes", "constancy")
                ),
                "candidates.volume",
                "candidates.label_rates",
                "candidates.domain_mix",
                "candidates.mean_scores",
            )
        ),
    }
    assert not any(result.success for result in skipped)
    assert sum("not enough trailing days" in result.message for result in skipped) == 31
    assert validation.passed


def test_later_days_and_days_beyond_the_limit_are_not_compared_with(logs, yesterday, day) -> None:
    later = yesterday.model_copy(update={"day": day + timedelta(days=1)})
    results = logs.validate(later).results
    assert sum(result.status is Status.SKIPPED for result in results) == 31
    own = logs.validate().profile.digests
    copies = [
        yesterday.model_copy(update={"day": day - timedelta(days=age), "digests": own if age > 28 else {}})
        for age in range(1, 30)
    ]
    # The values of the day's categories are other ones than those of the copies, on purpose.
    categories = {"requests.categories_steady", "ads.categories_steady"}
    assert logs.failing(*copies).keys() == categories
    assert logs.failing(*copies[1:]).keys() == categories | {f"{table}.content_is_new" for table in own}


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("alter table t drop column price", {"column": "price", "problem": "missing; must be FLOAT"}),
        (
            "alter table t rename column goal to objective",
            {
                "column": "goal",
                "problem": "missing; objective of the same type VARCHAR is there instead: renamed?",
            },
        ),
        (
            "alter table t alter column category type bigint",
            {"column": "category", "problem": "is BIGINT; must be INTEGER: cast(category as INTEGER)"},
        ),
        ("alter table t add column note varchar", {"column": "note", "problem": "not declared; is VARCHAR"}),
    ],
    ids=["missing", "renamed", "retyped", "extra"],
)
def test_a_schema_that_is_not_as_declared_fails_and_no_suite_runs(logs, sql: str, problem) -> None:
    logs.damage("ads", sql)
    validation = logs.validate()
    (failure,) = validation.failures
    assert (failure.table, failure.name, failure.unexpected) == ("ads", "columns_as_declared", 1)
    assert failure.samples == ({"file": "part-0.parquet"} | problem,)
    assert validation.profile is None
    assert [r.message for r in validation.results if r.status is Status.SKIPPED] == [
        "not run: the columns of ads are not as declared"
    ] * 3


def test_each_file_of_a_day_is_compared(logs) -> None:
    path = logs.file("candidates")
    other = path.with_name("part-1.parquet")
    shutil.copy(path, other)
    logs.damage("candidates", "alter table t alter column position type bigint")
    path.rename(path.with_name("part-2.parquet"))
    (failure,) = logs.validate().failures
    assert [sample["file"] for sample in failure.samples] == ["part-2.parquet"]


def test_files_of_different_types_are_one_day(logs) -> None:
    before = logs.validate().profile
    path = logs.file("candidates")
    source = f"read_parquet('{path}', hive_partitioning = false)"
    with duckdb.connect() as connection:
        connection.execute(f"create table t as from {source}")
        connection.execute(
            f"copy (select * replace (ctr::double as ctr, ad_id::tinyint as ad_id) from t limit 100) "
            f"to '{path}' (format parquet)"
        )
        second = path.with_name("part-1.parquet")
        connection.execute(
            f"copy (select * exclude (hidden) from t offset 100) to '{second}' (format parquet)"
        )
    validation = logs.validate()
    assert validation.passed
    assert validation.profile == before
    (told,) = [result.message for result in validation.results if result.message and "cast" in result.message]
    assert told == "read with a cast: ad_id (TINYINT as BIGINT), ctr (DOUBLE as FLOAT)"


@pytest.mark.parametrize(
    ("kind", "passed"), [("integer", True), ("varchar", False)], ids=["narrower", "of another kind"]
)
def test_the_day_before_is_read_as_declared_too(logs, day, kind: str, passed: bool) -> None:
    path = logs.file("requests", day - timedelta(days=1))
    source = f"read_parquet('{path}', hive_partitioning = false)"
    with duckdb.connect() as connection:
        connection.execute(f"create table t as select request_id::{kind} as request_id from {source}")
        connection.execute(f"copy t to '{path}' (format parquet)")
    if passed:
        assert logs.failing() == {}
    else:
        with pytest.raises(
            LogsError, match=r"requests of 2026-01-01: .*request_id \(is VARCHAR; must be BIGINT: cast"
        ):
            logs.validate()


def test_shown_ads_without_a_position_fail_only_where_there_is_one(logs) -> None:
    logs.damage("candidates", "update t set position = null where ad_id = 3")
    assert logs.failing() == {"candidates.position_is_a_rank": 6}
    logs.damage("candidates", "alter table t drop position", "alter table t drop hidden")
    assert logs.failing() == {}
    (skipped,) = [result for result in logs.validate().results if result.name == "position_is_a_rank"]
    assert (skipped.status, skipped.message) == (
        Status.SKIPPED,
        "the logs have no column position, which nothing else reads",
    )


def test_a_task_without_its_label_fails(logs) -> None:
    logs.damage("candidates", "alter table t drop clicked")
    (failure,) = logs.validate().failures
    assert failure.samples == (
        {"file": "part-0.parquet", "column": "clicked", "problem": "missing; must be BOOLEAN"},
    )


@pytest.mark.parametrize(
    ("table", "wrong", "words"),
    [
        ("ads", "cast(goal as float) as bid", "Could not convert string 'click' to FLOAT"),
        ("requests", "users as user_id", 'Referenced column "users" not found'),
        ("candidates", "cast(concat('x', ctr) as float) as ctr", "Could not convert string 'x"),
    ],
)
def test_an_error_in_a_statement_is_blamed_on_the_statement(
    logs, day, tmp_path, table: str, wrong: str, words: str
) -> None:
    team = shutil.copytree(SQL, tmp_path / "sql")
    (team / f"source_{table}.sql").write_text(
        f"-- ours\nselect * replace (\n  {wrong}\n)\nfrom read_parquet($paths, hive_partitioning = false)\n"
    )
    with pytest.raises(LogsError) as caught:
        validate_day(LogSource(logs.root, team), day, logs.preset)
    message = str(caught.value)
    assert message.startswith(f"{table} of 2026-01-02: {team / f'source_{table}.sql'}, line 3 ({wrong}): ")
    for text in (words, "is sound Parquet; correct the statement"):
        assert text in message
    assert "write the file again" not in message


@pytest.mark.parametrize("table", ["requests", "ads", "candidates"])
def test_a_missing_table_is_named(logs, table: str) -> None:
    shutil.rmtree(logs.file(table).parent)
    with pytest.raises(LogsError, match=f"{table} of 2026-01-02: .*date=2026-01-02 does not exist"):
        logs.validate()


def test_an_empty_day_is_named(logs) -> None:
    logs.damage("ads", "delete from t")
    with pytest.raises(LogsError, match=r"ads of 2026-01-02: .*date=2026-01-02 has 1 files and 0 rows"):
        logs.validate()


def test_an_unreadable_file_is_named(logs) -> None:
    logs.file("ads").with_name("part-1.parquet").write_bytes(b"not parquet")
    with pytest.raises(LogsError, match=r"ads of 2026-01-02: .*part-1\.parquet can't be read"):
        logs.validate()


def test_a_file_damaged_inside_is_named(logs) -> None:
    path = logs.file("candidates")
    shutil.copy(path, path.with_name("part-1.parquet"))
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(content)
    with pytest.raises(LogsError, match=r"candidates of 2026-01-02: .*part-0\.parquet can't be read"):
        logs.validate()


def test_an_unreadable_day_before_is_named(logs, day) -> None:
    logs.file("requests", day - timedelta(days=1)).write_bytes(b"not parquet")
    with pytest.raises(LogsError, match=r"requests of 2026-01-01: .*can't be read"):
        logs.validate()


def test_a_day_that_is_a_copy_is_found_in_every_table(logs, yesterday, day) -> None:
    for table in ("requests", "ads", "candidates"):
        shutil.copy(logs.file(table, day - timedelta(days=1)), logs.file(table))
    assert logs.failing(yesterday) == {
        "requests.ts_inside_the_day": 60,
        "requests.request_ids_new": 60,
        "requests.content_is_new": 1,
        "ads.content_is_new": 1,
        "candidates.content_is_new": 1,
    }


def test_an_expectation_that_raises_has_not_passed_and_disturbs_no_other() -> None:
    load()
    suite = build_suite(
        SuiteTable.ADS,
        [
            Expect("no_such_column", "…", "select bid from {batch}"),
            Expect(
                "no_number", "…", "select cast(word as integer) from {batch} where cast(word as integer) > 0"
            ),
            Expect("sound", "…", "select ad_id from {batch} where ad_id > 1"),
        ],
    )
    with database() as opened:
        opened.rows("create table ads as select * from (values (1, 'one'), (2, 'two')) t (ad_id, word)")
        results = {result.name: result for result in run_suites(opened, {"ads": suite}, EVERYTHING)}
    assert {name: result.status for name, result in results.items()} == {
        "has_rows": Status.PASSED,
        "no_such_column": Status.RAISED,
        "no_number": Status.RAISED,
        "sound": Status.FAILED,
    }
    assert results["no_such_column"].stops
    assert "bid" in results["no_such_column"].message
    assert results["sound"].samples == ({"ad_id": "2"},)


def with_own(logs, path: Path, expectation: str):
    """The logs' preset with one expectation of its own on candidates."""
    path.write_text(
        "from mtmd.expectations import Expect\n\n\ndef expectations(preset):\n"
        f"    return {{'candidates': [Expect({expectation})]}}\n"
    )
    return logs.preset.model_copy(update={"expectations": str(path)})


def test_a_question_about_all_candidates_that_fails_is_raised_and_blames_no_file(
    logs, day, tmp_path: Path
) -> None:
    preset = with_own(logs, tmp_path / "own.py", "'mispelt', '…', 'select no_such_column from {batch}'")
    results = {result.name: result for result in validate_day(LogSource(logs.root), day, preset).results}
    assert results["mispelt"].status is Status.RAISED
    assert results["mispelt"].stops
    assert "no_such_column" in results["mispelt"].message
    assert results["request_exists"].status is Status.PASSED


def test_an_own_expectation_on_rows_of_candidates_that_fails_is_blamed_by_its_file(
    logs, day, tmp_path: Path
) -> None:
    expectation = "'mispelt', '…', 'from {batch} where {where}', where='no_such_column > 1'"
    preset = with_own(logs, tmp_path / "own.py", expectation)
    words = r"'mispelt' of candidates in .*own\.py, the preset's `expectations`, can't"
    with pytest.raises(ConfigError, match=words):
        validate_day(LogSource(logs.root), day, preset)


@pytest.mark.parametrize(
    ("end", "status", "unexpected"),
    [
        ("; -- of 60 requests", Status.FAILED, 20),
        ("; select ad_id from {batch}", Status.RAISED, None),  # of two statements, one would be lost
    ],
)
def test_an_own_query_of_all_candidates_may_end_in_a_semicolon_and_a_comment(
    logs, day, tmp_path: Path, end: str, status: Status, unexpected: int | None
) -> None:
    query = f"select ad_id from {{batch}} group by ad_id having count(*) > 17{end}"
    preset = with_own(logs, tmp_path / "own.py", f"'crowded', '…', {query!r}")
    results = validate_day(LogSource(logs.root), day, preset).results
    (crowded,) = (result for result in results if result.name == "crowded")
    assert (crowded.status, crowded.unexpected) == (status, unexpected)


def test_an_empty_table_fails_although_nothing_in_it_is_wrong() -> None:
    load()
    suite = build_suite(SuiteTable.ADS, [Expect("sound", "…", "select ad_id from {batch} where ad_id > 1")])
    with database() as opened:
        opened.rows("create table ads (ad_id bigint)")
        rows, sound = run_suites(opened, {"ads": suite}, EVERYTHING)
    assert (rows.status, rows.observed, sound.status) == (Status.FAILED, 0, Status.PASSED)


def test_require_lists_counts_and_keys(logs, yesterday) -> None:
    logs.damage("ads", "update t set goal = 'view' where ad_id in (3, 4)")
    with pytest.raises(ValidationError) as caught:
        require(logs.validate(yesterday))
    message = str(caught.value)
    assert message.startswith("2026-01-02: 1 expectations failed")
    assert "ads.goal_known: 2 unexpected" in message
    assert "ad_id=3, goal=view" in message


def test_days_validated_from_threads_give_what_they_give_alone(logs, yesterday, day) -> None:
    logs.damage("ads", "update t set goal = 'view' where ad_id in (3, 4)")
    days = [day - timedelta(days=1), day] * 3

    def run(one) -> DayValidation:
        return validate_day(LogSource(logs.root), one, logs.preset, [yesterday])

    alone = {one: run(one) for one in set(days)}
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, days)) == [alone[one] for one in days]
    assert not alone[day].passed


def test_results_survive_json(logs, yesterday) -> None:
    logs.damage("candidates", "update t set ctr = 'nan' where request_id % 1000 = 1")
    validation = logs.validate(yesterday)
    assert DayValidation.model_validate_json(validation.model_dump_json()) == validation


def test_importing_validation_does_not_import_great_expectations() -> None:
    code = (
        "import sys, mtmd.validate.runner, mtmd.expectations; sys.exit('great_expectations' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_sound_window_passes(logs, yesterday) -> None:
    validation = validate_window([logs.validate().profile, yesterday], logs.preset)
    assert validation.title == "window 2026-01-01 … 2026-01-02"
    assert {result.status for result in validation.results} == {Status.PASSED}


def test_window_without_days_is_refused(strict_preset) -> None:
    with pytest.raises(LogsError, match=r"no days \(0\)"):
        validate_window([], strict_preset)


def test_window_finds_gaps_thin_days_copies_and_shifts(logs, yesterday, day) -> None:
    own = logs.validate().profile
    thin = own.domains[0].model_copy(update={"candidates": 10, "share": 10 / 310})
    others = tuple(d.model_copy(update={"share": 60 / 310}) for d in own.domains[1:])
    days = [
        yesterday,
        own.model_copy(update={"day": day + timedelta(days=1), "domains": (thin, *others)}),
        own.model_copy(update={"day": day + timedelta(days=2)}),
    ]
    validation = validate_window(days, logs.preset)
    failed = {r.name: r.unexpected for r in validation.results if not r.success}
    # the first domain's share is 1/6, 1/31 and 1/6 around a mean of 0.122: by a factor of 1.4, 3.8 and 1.4
    assert failed == {
        "days_without_gap": 1,
        "domain_rows_every_day": 1,
        "content_differs_between_days": 3,
        "domain_mix_steady": 1,
    }
    stopping = {failure.name for failure in validation.failures}
    assert stopping == {"days_without_gap", "content_differs_between_days"}


def test_a_domain_without_rows_in_the_whole_window_stops_the_run(logs, yesterday) -> None:
    own = logs.validate().profile
    days = [
        one.model_copy(
            update={"domains": (one.domains[0].model_copy(update={"candidates": 19}), *one.domains[1:])}
        )
        for one in (yesterday, own)
    ]
    (failure,) = validate_window(days, logs.preset).failures
    assert failure.name == "domain_rows"
    assert failure.samples == ({"surface": "home_feed", "product": "standard", "candidates": "38"},)


def test_days_with_too_few_rows_say_nothing_of_a_windows_mix(logs, yesterday) -> None:
    own = logs.validate().profile
    thin = tuple(
        d.model_copy(update={"candidates": 1, "share": share})
        for d, share in zip(own.domains, (0.5, 0.1, 0.1, 0.1, 0.1, 0.1), strict=True)
    )
    data = logs.preset.data.model_copy(update={"min_trailing_rows": 100})
    preset = logs.preset.model_copy(update={"data": data})
    days = [yesterday, own.model_copy(update={"domains": thin})]
    warned = [
        {r.name for r in validate_window(days, p).results if not r.success} for p in (logs.preset, preset)
    ]
    assert warned == [{"domain_rows_every_day", "domain_mix_steady"}, {"domain_rows_every_day"}]


def test_a_day_has_the_same_profile_wherever_and_however_the_logs_are_kept(
    logs, day, yesterday, tmp_path: Path
) -> None:
    source = LogSource(tmp_path / "elsewhere", tables=laid_out(logs.root, tmp_path / "elsewhere"))
    other = validate_day(source, day, logs.preset, [yesterday])
    assert other.passed
    assert other == logs.validate(yesterday)
