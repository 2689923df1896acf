"""Suites see the rows and values that are there, and what raised has not passed."""

import importlib
from pathlib import Path
from tempfile import gettempdir

import pytest

from mtmd.expectations import Expect
from mtmd.expectations.common import one_of
from mtmd.extract.database import database
from mtmd.logs.sql import literal
from mtmd.validate.results import ExpectationResult
from mtmd.validate.runner import validate_day
from mtmd.validate.suites import load, run_suites
from tests.validate.conftest import DAY

ODD = ("it's", "{curly}", "a:b :c", '"quoted"', "per%cent")


def _asked(values: tuple[str, ...], *expectations: Expect) -> list[ExpectationResult]:
    """The results on a table of ads with these products; ids count from 0."""
    with database(()) as opened:
        opened.rows("create table ads (ad_id bigint, product varchar)")
        for number, value in enumerate(values):
            opened.rows("insert into ads values ($number, $value)", {"number": number, "value": value})
        return list(run_suites(opened, {"ads": expectations}))


def test_odd_values_names_and_comments_are_compared_as_they_are() -> None:
    known, sound, wrong = _asked(
        (*ODD, "its", "a:b"),
        one_of("product", ODD, "ad_id", "…"),
        Expect(
            name="it's {odd}: a name",
            description="…",
            query="select ad_id from {batch} where ad_id > 9 -- end",
        ),
        Expect(
            name="all", description="…", query=f"select {literal('{}:x')} as text from {{batch}}; -- of 7"
        ),
    )
    assert known.unexpected == 2
    assert known.samples == ({"ad_id": "5", "product": "its"}, {"ad_id": "6", "product": "a:b"})
    assert (sound.success, sound.unexpected) == (True, 0)
    assert (wrong.unexpected, wrong.samples) == (7, ({"text": "{}:x"},) * 5)


@pytest.mark.parametrize(
    "query",
    [
        "select bid from {batch}",
        "select cast(product as integer) from {batch} where cast(product as integer) > 0",
        "select ad_id from {batch}; select ad_id from {batch}",  # of two statements, one would be lost
    ],
)
def test_an_expectation_that_raises_has_not_passed_and_disturbs_no_other(query: str) -> None:
    raised, sound = _asked(
        ("one", "two"),
        Expect(name="raising", description="…", query=query),
        Expect(name="sound", description="…", query="select ad_id from {batch} where ad_id > 0"),
    )
    assert (raised.unexpected, raised.success, raised.stops) == (None, False, True)
    assert raised.message
    assert sound.samples == ({"ad_id": "1"},)


def test_a_team_asks_about_candidates_with_their_request_and_ad(logs, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "from mtmd.expectations import Expect\n\n\ndef expectations(preset):\n"
        "    query = \"from {batch} where surface = 'search' and product = 'standard' and impressed\"\n"
        "    return {'candidates': [Expect(name='shown', description='…', query=query)]}\n"
    )
    preset = logs.preset.model_copy(update={"expectations": str(own)})
    results = {result.name: result for result in validate_day(logs.source, DAY, preset).results}
    assert results["shown"].unexpected == 20


def test_a_database_is_its_own_and_is_gone_afterwards_with_its_temporary_files() -> None:
    with database(()) as one, database(()) as other:
        one.rows("create table t as select 1 as i")
        assert one.rows("select $x + i as total from t", {"x": 2}) == [{"total": 3}]
        assert other.rows("select table_name from duckdb_tables()") == []
        (row,) = one.rows("select current_setting('temp_directory') as spill")
        assert Path(row["spill"]).parent.parent == Path(gettempdir())
    assert not Path(row["spill"]).parent.exists()


def test_great_expectations_reads_no_duckdb_yet() -> None:
    """Once it does (its pull request 12084), it can run the queries, and `mtmd/validate/suites.py` need not."""
    load()
    engines = importlib.import_module("great_expectations.execution_engine")
    assert not hasattr(engines, "DuckDBExecutionEngine")
