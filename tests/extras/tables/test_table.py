"""What kinds of tables share: columns of days, drivers that are missing, and blame."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mtmd.config import SourcesConfig
from mtmd.errors import ConfigError, LogsError
from mtmd.extras.tables.readers import SpooledTable, blaming, days_of
from tests.extras.tables.conftest import DAY, DRIVERS, NEXT, VARIABLE

SECTIONS: dict[str, dict[str, Any]] = {
    "postgresql": {"connection": VARIABLE, "table": "ads"},
    "iceberg": {"table": "nowhere.ads", "catalog": "lake"},
    "delta": {"path": "nowhere"},
}
EXTRAS = {"postgresql": "postgres", "iceberg": "iceberg", "delta": "delta"}


def test_rows_without_a_day_are_of_none() -> None:
    assert days_of(pa.array([DAY, None, NEXT, DAY], pa.date32())) == {DAY, NEXT}


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
