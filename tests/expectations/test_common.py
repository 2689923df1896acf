"""Writing expectations: names and values reach DuckDB as they are."""

from mtmd.expectations import Needs
from mtmd.expectations.common import Expect, SuiteTable, build_suite, name, one_of
from mtmd.logs.sql import literal
from mtmd.validate.gx_duckdb import database, load
from mtmd.validate.results import Status
from mtmd.validate.suites import run_suites

ODD = ("it's", "{curly}", "a:b :c", '"quoted"', "per%cent")


def test_quoting() -> None:
    assert literal("it's") == "'it''s'"
    assert name('a"b') == '"a""b"'


def test_odd_values_are_compared_as_they_are() -> None:
    load()
    suite = build_suite(SuiteTable.ADS, [one_of("product", ODD, "ad_id", "…")])
    with database() as opened:
        values = ", ".join(f"({i}, {literal(value)})" for i, value in enumerate((*ODD, "its", "a:b")))
        opened.rows(f"create table ads as select * from (values {values}) t (ad_id, product)")
        _, known = run_suites(opened, {"ads": suite}, dict.fromkeys(Needs, True))
    assert known.unexpected == 2
    assert known.samples == ({"ad_id": "5", "product": "its"}, {"ad_id": "6", "product": "a:b"})


def test_expectations_give_the_same_results_asked_at_once_and_one_by_one() -> None:
    """They are asked at once; then one by one are those that find rows, or all where one, here the last, raises."""
    load()
    sound = [
        Expect(
            "it's {odd}: a name", "…", "select ad_id from {batch} where ad_id > 9 -- a comment at the end"
        ),
        one_of("product", ODD, "ad_id", "…"),
    ]
    wrong = Expect("no_rows", "…", "select ad_id from {batch} order by all")
    raising = Expect("no_such_column", "…", "select bid from {batch}")
    with database() as opened:
        values = ", ".join(f"({i}, {literal(value)})" for i, value in enumerate(ODD))
        opened.rows(f"create table ads as select * from (values {values}) t (ad_id, product)")
        suites = [
            build_suite(SuiteTable.ADS, held) for held in (sound, [*sound, wrong], [*sound, wrong, raising])
        ]
        at_once, some, one_by_one = (
            run_suites(opened, {"ads": suite}, dict.fromkeys(Needs, True)) for suite in suites
        )
    assert one_by_one[4].status is Status.RAISED
    assert one_by_one[3].unexpected == len(ODD)
    assert one_by_one[3].samples
    assert [(result.status, result.observed, result.unexpected) for result in at_once] == [
        (Status.PASSED, len(ODD), None),
        (Status.PASSED, 0, 0),
        (Status.PASSED, 0, 0),
    ]
    assert at_once == one_by_one[:3]
    assert some == one_by_one[:4]
