"""The log contract in plain Python, as docs/your-own-logs.md states it: what of a day's tables breaks it."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from tests.fuzz.day_tables import DAY, WIDTH, LogDay, sound_day

SURFACES, PRODUCTS = ("home_feed", "search", "related_pin"), ("standard", "shopping")
GOALS = "click", "conversion"
TASKS = {"ctr": "clicked", "gctr": "good_clicked", "octr": "outbound_clicked"}  # each one's label
OPTIONAL = {"position", "hidden", "repinned"}
LARGEST, LONGEST_TEXT, LONGEST_LIST, READ = 1e18, 65_536, 10_000, 3
_START = datetime(DAY.year, DAY.month, DAY.day)
Row = dict[str, Any]


def breaches(day: LogDay) -> set[str]:
    """Names of what is wrong; the columns are looked at first, and their values only where all can be read."""
    wrong = {f"{table}: {words}" for table in day.columns for words in _columns(day, table)}
    if wrong:
        return wrong
    tables = {table: _read(day, table) for table in day.columns}
    wrong = {f"{table}: no row" for table, rows in tables.items() if not rows}
    wrong |= {f"requests: {words}" for row in tables["requests"] for words in _request(row)}
    wrong |= {f"ads: {words}" for row in tables["ads"] for words in _ad(row)}
    wrong |= {f"ids: {words}" for words in _ids(tables, day)}
    products = {row["ad_id"]: row["product"] for row in tables["ads"]}
    wrong |= {
        f"candidates: {words}"
        for row in tables["candidates"]
        for words in _candidate(row, products.get(row["ad_id"]), "position" in day.columns["candidates"])
    }
    return wrong


def _columns(day: LogDay, table: str) -> Iterator[str]:
    """`tests/logs/test_columns.py` has other types and columns."""
    optional = OPTIONAL if table == "candidates" else set()
    lacking = sound_day(day.ids).columns[table].keys() - day.columns[table].keys() - optional
    yield from (f"{name} is missing" for name in lacking)


def _read(day: LogDay, table: str) -> list[Row]:
    """The rows, with numbers as float32 has them; a missing optional column is null."""
    content = day.table(table)
    rows = [dict.fromkeys(sound_day(day.ids).columns[table]) | row for row in content.to_pylist()]
    for name in content.schema.names:
        kind = content.schema.field(name).type
        if pa.types.is_floating(kind) or (pa.types.is_list(kind) and pa.types.is_floating(kind.value_type)):
            for row in rows:
                row[name] = _float32(row[name])
    return rows


def _float32(value: Any) -> Any:
    if isinstance(value, list):
        return [_float32(one) for one in value]
    with np.errstate(over="ignore"):
        return None if value is None else float(np.float32(value))


def _missing(number: float | None) -> bool:
    return number is None or math.isnan(number)


def _too_large(number: float | None) -> bool:
    return not _missing(number) and abs(number or 0.0) > LARGEST


def _request(row: Row) -> Iterator[str]:
    if row["request_id"] is None:
        yield "request_id null"
    ts = row["ts"]
    if ts is None or not _START <= ts.replace(tzinfo=None) < _START + timedelta(days=1):
        yield "ts null or outside the day"
    if row["surface"] not in SURFACES:
        yield "surface unknown"
    yield from _query_features(row)


def _query_features(row: Row) -> Iterator[str]:
    if row["country"] is not None and len(row["country"]) > LONGEST_TEXT:
        yield "country long"
    if _too_large(row["activity"]) or _too_large(row["history"]):
        yield "a number too large"
    if not _missing(row["history"]) and row["surface"] in SURFACES[1:]:
        yield "history where it is lacking"
    if row["taste"] is not None and (
        len(row["taste"]) != WIDTH or any(_missing(one) or _too_large(one) for one in row["taste"])
    ):
        yield "taste no vector"
    if row["words"] is not None and (
        None in row["words"]
        or len(row["words"]) > LONGEST_LIST
        or any(len(one) > LONGEST_TEXT for one in row["words"][:READ])
    ):
        yield "words no list"


def _ad(row: Row) -> Iterator[str]:
    if row["ad_id"] is None:
        yield "ad_id null"
    if row["product"] not in PRODUCTS:
        yield "product unknown"
    if row["goal"] not in GOALS:
        yield "goal unknown"
    bid = row["bid"]
    if _missing(bid) or bid < 0 or _too_large(bid):
        yield "bid no amount"
    if _too_large(row["price"]):
        yield "price too large"
    if not _missing(row["price"]) and row["product"] == "standard":
        yield "price where it is lacking"


def _ids(tables: dict[str, list[Row]], day: LogDay) -> Iterator[str]:
    keys = {
        table: [tuple(row[name] for name in names) for row in tables[table]]
        for table, names in (
            ("requests", ["request_id"]),
            ("ads", ["ad_id"]),
            ("candidates", ["request_id", "ad_id"]),
        )
    }
    for table, of_table in keys.items():
        if len(set(of_table)) < len(of_table):
            yield f"{table} repeated"
    for request, ad in keys["candidates"]:
        if (request,) not in keys["requests"] or (ad,) not in keys["ads"] or request is None or ad is None:
            yield "a candidate of nothing"
    if day.ids == "VARCHAR":
        texts = [one for of_table in keys.values() for key in of_table for one in key]
        texts += [row["user_id"] for row in tables["requests"]]
        if any(one is not None and (not 1 <= len(one) <= 128 or "\0" in one) for one in texts):
            yield "a text that is no id"


def _candidate(row: Row, product: str | None, has_position: bool) -> Iterator[str]:
    for task, label in TASKS.items():
        has = task != "octr" or product == "standard"
        yield from _score(row, task, product in PRODUCTS, has)
        if row["impressed"] and product in PRODUCTS and (row[label] is not None) != has:
            yield f"{label} null or not"
        if row[label] and row["clicked"] is False:
            yield f"{label} without a click"
    if row["impressed"] is None:
        yield "impressed null"
    outcomes = ("position", "hidden", "repinned", *TASKS.values())
    if row["impressed"] is False and any(row[name] is not None for name in outcomes):
        yield "an outcome of what was not shown"
    if row["impressed"] and has_position and (row["position"] is None or row["position"] < 0):
        yield "position"


def _score(row: Row, task: str, known: bool, has: bool) -> Iterator[str]:
    score = row[task]
    if known and (score is not None) != has:
        yield f"{task} null or not"
    if score is not None and not 0 < score < 1:
        yield f"{task} no probability"
    if score is not None and row["ctr"] is not None and score > row["ctr"]:
        yield f"{task} above its parent"
