"""Where a table's files are: templates that name a day, and those that do not."""

from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.config.sources import Files, SourcesConfig


def test_left_out_the_layout_is_that_of_the_simulated_platform() -> None:
    assert SourcesConfig().ads.template("ads") == "ads/date={day}/*.parquet"
    assert Files(files="a/{day}.parquet").template("ads") == "a/{day}.parquet"


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


@pytest.mark.parametrize("source", [{"kind": "mysql"}, "ads", 7])
def test_an_unknown_kind_is_told_with_the_known_ones(source: Any) -> None:
    with pytest.raises(ValidationError, match="kind is one of files"):
        SourcesConfig.model_validate({"ads": source})
