"""What kinds of tables share: the bounds of a day, the days of a column, drivers that are missing, and blame."""

from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mtmd.config import SourcesConfig
from mtmd.errors import ConfigError, LogsError
from mtmd.extras.tables.readers import SpooledTable, blaming, bounds, days_of
from tests.extras.tables.conftest import DAY, DRIVERS, NEXT, VARIABLE

SECTIONS: dict[str, dict[str, Any]] = {
    "postgresql": {"connection": VARIABLE, "table": "ads"},
    "iceberg": {"table": "nowhere.ads", "catalog": "lake"},
    "delta": {"path": "nowhere"},
}
EXTRAS = {"postgresql": "postgres", "iceberg": "iceberg", "delta": "delta"}


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (pa.date32(), ("2026-01-05", "2026-01-06")),
        (pa.date64(), ("2026-01-05", "2026-01-06")),
        (pa.timestamp("s"), ("2026-01-05 00:00:00", "2026-01-06 00:00:00")),
        (pa.timestamp("ns", "UTC"), ("2026-01-05 00:00:00+00:00", "2026-01-06 00:00:00+00:00")),
        (pa.string(), ("2026-01-05", "2026-01-06")),
        (pa.large_string(), ("2026-01-05", "2026-01-06")),
    ],
)
def test_a_day_lies_between_two_values_of_its_columns_type(kind: pa.DataType, told: tuple[str, str]) -> None:
    assert tuple(map(str, bounds(DAY, kind))) == told


def test_a_number_says_no_day() -> None:
    with pytest.raises(LogsError, match="day_column is int32; it must be a date, a time or text"):
        bounds(DAY, pa.int32())


@pytest.mark.parametrize(
    "column",
    [
        pa.array([DAY, None, NEXT, DAY], pa.date32()),
        pa.array([datetime(2026, 1, 5, 23), datetime(2026, 1, 6), None], pa.timestamp("us", "UTC")),
        pa.chunked_array([["2026-01-05"], ["2026-01-06", "2026-01-06"]]),
    ],
)
def test_the_days_of_a_column_are_told_once(column: Any) -> None:
    assert days_of(column) == {DAY, NEXT}


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_driver_that_is_missing_is_named_with_the_command_that_installs_it(
    kind: str, tmp_path: Path
) -> None:
    if find_spec(DRIVERS[kind]) is not None:
        pytest.skip(f"{DRIVERS[kind]} is installed")
    section = {"kind": kind, "day_column": "day"} | SECTIONS[kind]
    config = SourcesConfig.model_validate({"ads": section}).ads
    with pytest.raises(
        ConfigError, match=rf"^ads \(\[sources\.ads\]\): {DRIVERS[kind]} is not installed"
    ) as caught:
        SpooledTable("ads", config, tmp_path, tmp_path).days()
    assert f"pip install 'mtmd[{EXTRAS[kind]}]'" in str(caught.value)


def test_what_a_driver_raises_is_told_with_the_section() -> None:
    with pytest.raises(LogsError) as caught, blaming("ads"):
        raise OSError("\nno disk\nat all")
    assert str(caught.value) == (
        "ads ([sources.ads]): the table can't be read (no disk); correct the section, or the table"
    )
    with pytest.raises(LogsError, match=r"can't be read \(KeyError\)"), blaming("ads"):
        raise KeyError
    with pytest.raises(ConfigError, match=r"^ads \(\[sources\.ads\]\): wrong$"), blaming("ads"):
        raise ConfigError("wrong")
