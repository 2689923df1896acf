"""Small logs with known counts, independent of the simulated platform, and a way to damage them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtmd.config import Preset
from mtmd.features import Feature
from mtmd.logs.contract import table_columns
from mtmd.logs.encoding import arrow_schema
from mtmd.logs.source import LogSource
from mtmd.validate.results import DayProfile, DayValidation
from mtmd.validate.runner import validate_day

DAY, YESTERDAY = date(2026, 1, 2), date(2026, 1, 1)
REQUESTS, ADS, PER_REQUEST = 60, 20, 6  # 360 candidates: 60 in each of the 6 domains


def _value(feature: Feature, domain: str, row: int, day: date) -> Any:
    """A value that differs by row and day; every 10th is null, and all where the domain lacks the feature."""
    if (feature.domains is not None and domain not in feature.domains) or row % 10 == 9:
        return None
    number = row * 7 + day.toordinal() % 1000
    if feature.kind == "embedding":
        return [float(number + i) / 100 for i in range(feature.width)]
    if feature.kind == "multivalued":
        return [f"value-{number + place}" for place in range(3)]
    return f"value-{number}" if feature.column_type == "VARCHAR" else number


def _day(preset: Preset, day: date) -> dict[str, list[dict[str, Any]]]:
    surfaces, products = preset.domains.surfaces, preset.domains.products
    start = datetime.combine(day, datetime.min.time())
    requests = []
    for i in range(REQUESTS):
        surface = surfaces[i % len(surfaces)]
        row = {f.name: _value(f, surface, i, day) for f in preset.declarations.query.fields}
        row |= {"request_id": day.toordinal() * 1000 + i, "surface": surface, "user_id": i}
        requests.append(row | {"ts": start + timedelta(minutes=20 * i)})
    ads = []
    for i in range(ADS):
        product = products[i % len(products)]
        row = {f.name: _value(f, product, i, day) for f in preset.declarations.item.fields}
        ads.append(row | {"ad_id": i, "product": product, "goal": "click", "bid": 1.0 + i})
    candidates = []
    for i in range(REQUESTS):
        for k in range(PER_REQUEST):
            ad = ads[(i * 3 + k) % ADS]
            standard, shown = ad["product"] == "standard", k < 2
            candidates.append(
                {
                    "request_id": requests[i]["request_id"],
                    "ad_id": ad["ad_id"],
                    "ctr": 0.1 + 0.001 * k,
                    "gctr": 0.05,
                    "octr": 0.02 if standard else None,
                    "impressed": shown,
                    "position": k if shown else None,
                    "clicked": k == 0 if shown else None,
                    "good_clicked": k == 0 if shown else None,
                    "outbound_clicked": k == 0 if shown and standard else None,
                    "hidden": False if shown else None,
                    "repinned": False if shown else None,
                }
            )
    return {"requests": requests, "ads": ads, "candidates": candidates}


def damaged(path: Path, *statements: str) -> None:
    """Change a file's table, named `t`, with SQL."""
    with duckdb.connect() as connection:
        connection.execute(f"create table t as from read_parquet('{path}', hive_partitioning = false)")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"copy t to '{path}' (format parquet)")


@dataclass(frozen=True)
class Logs:
    """A directory of logs of `DAY` and the day before it."""

    root: Path
    preset: Preset

    def write(self, day: date) -> None:
        columns = table_columns(self.preset.declarations)
        for table, rows in _day(self.preset, day).items():
            schema = arrow_schema(columns[table])
            path = self.file(table, day)
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)

    def file(self, table: str, day: date = DAY) -> Path:
        return self.root / table / f"date={day.isoformat()}" / "part-0.parquet"

    def damage(self, table: str, *statements: str) -> None:
        """Change the table of `DAY`, named `t`, with SQL."""
        damaged(self.file(table), *statements)

    @property
    def source(self) -> LogSource:
        return LogSource(self.root)

    def failing(self, *trailing: DayProfile) -> dict[str, int | None]:
        """Unexpected count of each expectation that did not pass."""
        results = self.validate(*trailing).results
        return {f"{one.table}.{one.name}": one.unexpected for one in results if not one.success}

    def validate(self, *trailing: DayProfile) -> DayValidation:
        return validate_day(self.source, DAY, self.preset, trailing)


def repeated(profile: DayProfile) -> list[DayProfile]:
    """Five days of the same numbers, without the values of their categories: the newest is the day before `DAY`."""
    days = [{"day": DAY - timedelta(days=age), "cells": ()} for age in range(1, 6)]
    return [profile.model_copy(update=changes) for changes in days]


@pytest.fixture(scope="session")
def strict_preset(tiny_preset: Preset) -> Preset:
    limits = tiny_preset.data.model_copy(update={"min_domain_rows": 40})
    return tiny_preset.model_copy(update={"data": limits})


@pytest.fixture
def logs(tmp_path: Path, strict_preset: Preset) -> Logs:
    made = Logs(tmp_path / "logs", strict_preset)
    made.write(DAY)
    made.write(YESTERDAY)
    return made


@pytest.fixture(scope="session")
def yesterday(tmp_path_factory: pytest.TempPathFactory, strict_preset: Preset) -> DayProfile:
    made = Logs(tmp_path_factory.mktemp("yesterday"), strict_preset)
    made.write(YESTERDAY)
    return validate_day(made.source, YESTERDAY, strict_preset).profile
