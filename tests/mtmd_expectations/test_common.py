"""Writing expectations: names and values reach DuckDB as they are."""

from mtmd.validate.gx_duckdb import database, load
from mtmd.validate.runner import run_suites
from mtmd_expectations import Needs
from mtmd_expectations.common import SuiteTable, build_suite, literal, name, one_of

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
