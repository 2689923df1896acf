"""Where a table's files are: templates that name a day, and those that do not."""

from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.config.sources import Files, PostgresqlTable, SourcesConfig


def test_left_out_the_layout_is_that_of_the_simulated_platform() -> None:
    assert SourcesConfig().ads.templates("ads") == ("ads/date={day}/*.parquet",)
    assert Files(format="csv").templates("ads") == ("ads/date={day}/*.csv",)


def test_one_place_or_several_may_be_said() -> None:
    assert Files(files="a/{day}.parquet").templates("ads") == ("a/{day}.parquet",)
    several = ("/eu/{day}/*.parquet", "us/dt={day:%Y%m%d}/hour=*/*.parquet")
    assert Files.model_validate({"files": list(several)}).templates("ads") == several


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "ads/*.parquet",
            "must name the day by year, month and day, with nothing else in braces; write {day} for",
        ),
        ("ads/{day:%Y-%m}.parquet", "must name the day by year, month and day"),
        ("ads/{day}/{hour}.parquet", "with nothing else in braces; write {day} for 2026-01-05"),
        ("ads/{day}/{.parquet", "with nothing else in braces"),
        ("ads/{day:%Y%j%m%d}.parquet", "must have no %j, but %Y, %m, %d, %-m, %-d only; write"),
        ("*/{day}.parquet", "must have each * behind the day, and no **"),
        ("ads/{day}/**/*.parquet", "must have each * behind the day, and no **"),
    ],
)
def test_a_template_that_names_no_day_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Files(files=text)
    assert words in str(caught.value)


def test_there_is_at_least_one_place() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        Files(files=())


def test_a_table_of_another_kind_has_the_keys_of_that_kind() -> None:
    section = {"kind": "postgresql", "connection": "LOGS_DATABASE", "table": "ads", "day_column": "day"}
    config = SourcesConfig.model_validate({"ads": section})
    assert isinstance(config.ads, PostgresqlTable)
    assert config.of("ads") is config.ads
    assert SourcesConfig.model_validate(config.model_dump()) == config
    with pytest.raises(ValidationError, match=r"files\n +Extra inputs are not permitted"):
        SourcesConfig.model_validate({"ads": section | {"files": "x"}})


@pytest.mark.parametrize("source", [{"kind": "mysql"}, "ads", 7])
def test_an_unknown_kind_is_told_with_the_known_ones(source: Any) -> None:
    with pytest.raises(ValidationError, match="kind is one of files, postgresql, iceberg, delta"):
        SourcesConfig.model_validate({"ads": source})


def test_a_connection_string_may_not_be_in_a_preset() -> None:
    section = {
        "kind": "postgresql",
        "connection": "postgresql://me:secret@db/x",
        "table": "a",
        "day_column": "d",
    }
    with pytest.raises(
        ValidationError, match=r"ads\.kind postgresql\.connection\n +String should match pattern"
    ):
        SourcesConfig.model_validate({"ads": section})
