"""How a column of text is read as the time of a request."""

import duckdb
import pytest

from mtmd.logs.contract import text_time_sql


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-25T00:12:07.5", "2026-01-25 00:12:07.5"),
        ("2026-01-25 00:12:07 UTC", "2026-01-25 00:12:07"),
        ("2026-01-25 00:12+01:00", "2026-01-24 23:12:00"),
        ("2026-01-25 00:12:07+01:00:30", "2026-01-24 23:11:37"),
        ("2026-01-25 00:12:07.5 America/New_York", "2026-01-25 05:12:07.5"),
        ("2026-01-25 00:12:07 Berlin", None),
        ("2026-01-25 00:12:07 +01", None),
    ],
)
def test_a_time_as_text_is_in_the_zone_that_it_names(text: str, utc: str | None) -> None:
    """A cast alone leaves zones out without a word; what has none that is known is an error."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Tokyo'")
        query = f"select cast({text_time_sql('ts')} as varchar) from (select ? as ts)"
        if utc is None:
            with pytest.raises(duckdb.Error):
                connection.execute(query, [text])
        else:
            assert connection.execute(query, [text]).fetchall() == [(utc,)]
