"""A check of logs whose places and formats the preset says."""

import gzip
from datetime import date

import pytest

from mtmd.project.findings import Part
from tests.elsewhere import laid_out
from tests.project.conftest import AS_OF, Project

NO_SQL = 'base = "tiny"\nname = "mine"\n'
SOURCES = """
[sources]
requests = { files = "r/{day}.parquet" }
ads = { files = "a/year={day:%Y}/month={day:%-m}/{day:%d}-*.csv.gz", format = "csv" }
candidates = { files = ["c/eu/{day:%Y%m%d}/*.parquet", "c/us/{day:%Y%m%d}/*.parquet"] }
"""


@pytest.fixture
def elsewhere(project: Project) -> Project:
    """The project's logs in other places; its own `sql` is left out."""
    laid_out(project.logs, project.logs)
    for table in ("requests", "ads", "candidates"):
        (project.logs / table).rename(project.root / table)
    project.say(SOURCES, preset=NO_SQL)
    return project


def test_logs_are_found_where_the_preset_says(elsewhere: Project) -> None:
    assert elsewhere.problems() == []
    assert "ads: 23 days, 2026-01-01 to 2026-01-23" in elsewhere.facts(Part.DAYS)
    assert elsewhere.facts(Part.COST)[1].startswith("files: 105 files, ")


def test_days_that_a_place_lacks_are_named(elsewhere: Project) -> None:
    (elsewhere.logs / "r" / "2026-01-10.parquet").unlink()
    (elsewhere.logs / "c" / "us" / "20260111" / "part-0.parquet").unlink()
    (requests,), (candidates,) = elsewhere.problems(Part.DAYS), elsewhere.problems(Part.COLUMNS)
    assert requests.startswith("requests: lacks 1 of the 20 training days before 2026-01-23: 2026-01-10 → ")
    assert "candidates: 1 earlier day, 2026-01-11 first: " in candidates
    assert "/c/us/20260111 has no .parquet file" in candidates


def test_a_template_that_finds_nothing_is_named_with_its_key(elsewhere: Project) -> None:
    (elsewhere.logs / "a").rename(elsewhere.logs / "b")
    (problem,) = elsewhere.problems()
    assert problem.startswith(f"ads: no day in {elsewhere.logs}/a/year={{day:%Y}}/")
    assert problem.endswith(
        " → write the logs there, or correct sources.ads.files (a/year={day:%Y}/month={day:%-m}/{day:%d}-*.csv.gz)"
    )


def test_a_template_and_a_format_that_are_none_are_named_by_their_keys(project: Project) -> None:
    project.say('[sources.ads]\nfiles = "ads/*.csv"\nformat = "tsv"\n')
    files, kind = project.problems(Part.PRESET)
    assert "sources.ads.files ('ads/*.csv') must name the day by year, month and day" in files
    assert "sources.ads.format ('tsv') must be 'parquet' or 'csv'" in kind


def test_values_that_text_does_not_hold_are_counted(elsewhere: Project) -> None:
    path = next(elsewhere.logs.glob(f"a/*/*/{AS_OF:%d}-0.csv.gz"))
    header, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    ad_id = header.split(",").index("ad_id")
    values = rows[0].split(",")
    values[ad_id] = "x1"
    path.write_bytes(gzip.compress("\n".join((header, ",".join(values), *rows[1:], "")).encode()))
    (problem,) = elsewhere.problems(Part.COLUMNS)
    assert problem == (
        "ads.ad_id: 1 value of the CSV file can't be read as BIGINT → correct the file, or read the column yourself in "
        "source_ads.sql"
    )


def test_a_csv_file_whose_day_is_asked_for_is_checked_like_any_other(elsewhere: Project) -> None:
    assert elsewhere.check(date(2026, 1, 22)).passed
