"""Finding the three tables, and the day in their paths."""

import tomllib
from datetime import date
from pathlib import Path

import pytest

from mtmd.config.sources import Files
from mtmd.errors import LogsError
from mtmd.extras.proposal.places import find_places
from mtmd.extras.proposal.write import sources_toml
from mtmd.logs.contract import TABLES
from mtmd.logs.templates import DayTemplate

DAY = date(2026, 1, 5)


def _write(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("requests/date=2026-01-05/part-0.parquet", "requests/date={day}/*.parquet"),
        ("requests/2026-01-05.parquet", "requests/{day}.parquet"),
        ("requests/dt=20260105/a.parquet", "requests/dt={day:%Y%m%d}/*.parquet"),
        ("requests/date=2026-01-05/hour=07/a.parquet", "requests/date={day}/hour=*/*.parquet"),
        ("2026-01-05/requests/a.parquet", "{day}/requests/*.parquet"),
        ("requests/2026_01_05/a.csv", "requests/{day:%Y_%m_%d}/*.csv"),
        ("requests/2026/01/05/a.csv.gz", "requests/{day:%Y}/{day:%m}/{day:%d}/*.csv.gz"),
        (
            "requests/year=2026/month=1/day=5/a.parquet",
            "requests/year={day:%Y}/month={day:%-m}/day={day:%-d}/*.parquet",
        ),
    ],
)
def test_the_day_in_a_path_becomes_the_templates(tmp_path: Path, path: str, template: str) -> None:
    others = ("ads/date=2026-01-05/a.parquet", "candidates/date=2026-01-05/a.parquet")
    places = find_places(_write(tmp_path, path, *others))
    assert places["requests"].template == template
    assert places["requests"].days == {DAY: [tmp_path / path]}
    assert places["ads"].is_usual
    assert places["requests"].is_usual is (template == "requests/date={day}/*.parquet")
    assert places["requests"].is_csv is ("csv" in template)


def test_days_of_one_and_of_two_digits_are_of_one_template(tmp_path: Path) -> None:
    days = [date(2026, 9, 29), date(2026, 10, 5), date(2026, 10, 12)]
    paths = {day: f"year={day.year}/month={day.month}/day={day.day}/part-0.parquet" for day in days}
    _write(
        tmp_path,
        *(f"{table}/{path}" for table in ("requests", "ads", "candidates") for path in paths.values()),
    )
    place = find_places(tmp_path)["ads"]
    assert place.template == "ads/year={day:%Y}/month={day:%-m}/day={day:%-d}/*.parquet"
    assert place.days == {day: [tmp_path / "ads" / path] for day, path in paths.items()}


def test_tables_are_told_by_other_names_too(tmp_path: Path) -> None:
    paths = (
        "ad_queries/2026-01-05.parquet",
        "creatives/2026-01-05.parquet",
        "scored_pairs/2026-01-05.parquet",
    )
    places = find_places(_write(tmp_path, *paths))
    assert [place.template for place in places.values()] == [
        "ad_queries/{day}.parquet",
        "creatives/{day}.parquet",
        "scored_pairs/{day}.parquet",
    ]


@pytest.mark.parametrize(
    ("names", "template"),
    [
        (("2026-01-05-00", "2026-01-05-01", "2026-01-06-00"), "{day}-*"),
        (("2026-01-05_part0", "2026-01-05_part1"), "{day}_*"),
        (("20260105T07", "20260105T08"), "{day:%Y%m%d}*"),
        (("rows.2026-01-05.6f1c2a9e-abcd-4c58-9a43-d2e85b7f1c06.snappy", "rows.2026-01-05.0.snappy"),
         "rows.{day}.*"),
        (("2026-01-05-ad3f21", "2026-01-05-b1c2d3"), "{day}-*"),
        (("2026-01-05_v2",), "{day}_*"),
    ],
)  # fmt: skip
def test_the_files_of_a_day_may_have_numbers_behind_it(
    tmp_path: Path, names: tuple[str, ...], template: str
) -> None:
    paths = [f"{table}/{name}.parquet" for table in TABLES for name in names]
    places = find_places(_write(tmp_path, *paths))
    for table, place in places.items():
        assert place.template == f"{table}/{template}.parquet"
        assert [path for of_day in place.days.values() for path in of_day] == [
            tmp_path / table / f"{name}.parquet" for name in sorted(names)
        ]
        read = DayTemplate(tmp_path, place.template)
        assert {day: read.files(table, day) for day in read.days()} == place.days


@pytest.mark.parametrize(("numbers", "in_template"), [(("1",), "*"), (("1", "2"), "*")])
def test_a_number_behind_a_tables_name_joins_no_tables(
    tmp_path: Path, numbers: tuple[str, ...], in_template: str
) -> None:
    paths = [f"2026-01-05_{table}{number}.parquet" for table in TABLES for number in numbers]
    for table, place in find_places(_write(tmp_path, *paths)).items():
        assert place.template == f"{{day}}_{table}{in_template}.parquet"
        assert place.days == {DAY: [tmp_path / f"2026-01-05_{table}{number}.parquet" for number in numbers]}


def test_partitions_above_the_days_are_places_of_one_table(tmp_path: Path) -> None:
    paths = [f"{table}/region={region}/date=2026-01-05/a.csv" for table in TABLES for region in ("eu", "us")]
    places = find_places(_write(tmp_path, *paths, "requests/region=eu/date=2026-01-06/a.csv"))
    for table, place in places.items():
        assert place.days == {
            DAY: [tmp_path / table / f"region={r}/date=2026-01-05/a.csv" for r in ("eu", "us")]
        }
        config = Files(**tomllib.loads(sources_toml({table: place}))["sources"][table])
        assert config.templates(table) == tuple(
            f"{table}/region={r}/date={{day}}/*.csv" for r in ("eu", "us")
        )
        assert config.format == "csv"


def test_a_partition_may_have_several_files_of_a_day_and_another_one(tmp_path: Path) -> None:
    names = ("region=eu/2026-01-05-01", "region=eu/2026-01-05-02", "region=us/2026-01-05-01")
    paths = [f"{table}/{name}.parquet" for table in TABLES for name in names]
    for table, place in find_places(_write(tmp_path, *paths)).items():
        assert place.template == f"{table}/region=eu/{{day}}-*.parquet"
        assert place.further == (f"{table}/region=us/{{day}}-*.parquet",)
        assert place.days == {DAY: [tmp_path / table / f"{name}.parquet" for name in names]}


@pytest.mark.parametrize("other", ["zone=us/date=2026-01-05", "region=us/date=20260105"])
def test_places_that_differ_otherwise_are_not_one_table(tmp_path: Path, other: str) -> None:
    paths = [f"{table}/region=eu/date=2026-01-05/a.csv" for table in TABLES]
    with pytest.raises(LogsError, match="which of them is ads can't be told"):
        find_places(_write(tmp_path, *paths, f"ads/{other}/a.csv"))


@pytest.mark.parametrize(
    ("names", "templates"),
    [
        (("requests", "ads", "candidates"), ["{day}/requests", "{day}/ads", "{day}/candidates"]),
        (("logs/queries-00", "logs/creatives_1", "logs/pairs"),
         ["logs/{day}/queries-*", "logs/{day}/creatives_*", "logs/{day}/pairs"]),
    ],
)  # fmt: skip
def test_a_folder_of_a_day_may_have_a_file_of_each_table(
    tmp_path: Path, names: tuple[str, ...], templates: list[str]
) -> None:
    paths = [Path(name).parent / "2026-01-05" / f"{Path(name).name}.parquet" for name in names]
    places = find_places(_write(tmp_path, *map(str, paths)))
    assert [place.template for place in places.values()] == [f"{template}.parquet" for template in templates]
    assert [place.days for place in places.values()] == [{DAY: [tmp_path / path]} for path in paths]


@pytest.mark.parametrize("above", ["", "logs/"])
def test_a_folder_of_a_day_may_have_files_of_several_kinds(above: str, tmp_path: Path) -> None:
    names = ("requests.parquet", "ads.csv.gz", "candidates.parquet")
    places = find_places(_write(tmp_path, *(f"{above}2026-01-05/{name}" for name in names)))
    assert [place.template for place in places.values()] == [f"{above}{{day}}/{name}" for name in names]


@pytest.mark.parametrize("pattern", ["2026-01-05/{}.parquet", "{}/date=2026-01-05/part-0.parquet"])
def test_a_report_beside_the_tables_and_what_is_hidden_are_left_alone(pattern: str, tmp_path: Path) -> None:
    paths = [pattern.format(table) for table in TABLES]
    others = ["2026-01-05/ads_report.csv", ".spool/candidates/2026-01-05/0123/part-0.parquet"]
    places = find_places(_write(tmp_path, *paths, *others))
    assert [place.days for place in places.values()] == [{DAY: [tmp_path / path]} for path in paths]


def test_files_without_a_day_are_not_taken(tmp_path: Path) -> None:
    _write(tmp_path, "requests/users.parquet", "requests/2026-02-31.parquet", "requests/readme.txt")
    with pytest.raises(
        LogsError, match=r"has 2 \.parquet or \.csv files whose path has a day|requests/date="
    ):
        find_places(tmp_path)


def test_two_places_that_could_be_one_table_are_named(tmp_path: Path) -> None:
    _write(tmp_path, *(f"{name}/2026-01-05.parquet" for name in ("events_a", "events_b", "requests", "ads")))
    with pytest.raises(LogsError, match=r"events_a.*events_b.*which of them is candidates can't be told"):
        find_places(tmp_path)
