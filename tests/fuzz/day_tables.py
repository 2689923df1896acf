"""Days of logs inside and outside of the contract: sound ones that are changed in up to three ways."""

from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from mtmd.config import IdType, Preset, load_preset

DAY = date(2026, 1, 2)
NOON = datetime(2026, 1, 2, 12)
WIDTH = 2  # of vectors
FEATURES: list[dict[str, Any]] = [
    {"name": "user_id", "side": "query", "kind": "categorical", "buckets": 50, "width": 2},
    {"name": "country", "side": "query", "kind": "categorical", "buckets": 20, "width": 2, "shallow": True},
    {"name": "activity", "side": "query", "kind": "continuous"},
    {"name": "history", "side": "query", "kind": "continuous", "domains": ["home_feed"]},
    {"name": "taste", "side": "query", "kind": "embedding", "width": WIDTH},
    {"name": "words", "side": "query", "kind": "multivalued", "buckets": 9, "width": 2, "max_length": 3},
    {"name": "goal", "side": "item", "kind": "categorical", "buckets": 4, "width": 2, "shallow": True},
    {"name": "topic", "side": "item", "kind": "categorical", "type": "INTEGER", "buckets": 20, "width": 2},
    {"name": "bid", "side": "item", "kind": "continuous"},
    {"name": "price", "side": "item", "kind": "continuous", "domains": ["shopping"]},
]  # fmt: skip
_IDS: dict[IdType, pa.DataType] = {"BIGINT": pa.int64(), "VARCHAR": pa.string()}
_F32, _TEXT, _TRUTH, _TIME = pa.float32(), pa.string(), pa.bool_(), pa.timestamp("us")


def preset_of(ids: IdType) -> Preset:
    """The tiny preset with few features, whose ids are of one type."""
    content = load_preset("tiny").model_dump()
    features = [one | ({"type": ids} if one["name"] == "user_id" else {}) for one in FEATURES]
    kinds = dict.fromkeys(("request", "user", "ad"), ids)
    return Preset.model_validate(content | {"features": features, "ids": kinds})


@dataclass
class LogDay:
    """The three tables of a day: each column's type and values."""

    ids: IdType
    columns: dict[str, dict[str, tuple[pa.DataType, list[Any]]]]

    def table(self, name: str) -> pa.Table:
        return pa.table(
            {column: pa.array(values, kind) for column, (kind, values) in self.columns[name].items()}
        )

    def write(self, logs: Path) -> None:
        for name in self.columns:
            folder = logs / name / f"date={DAY}"
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(self.table(name), folder / "part-0.parquet")

    def rows(self, name: str) -> int:
        return max((len(values) for _, values in self.columns[name].values()), default=0)


def sound_day(ids: IdType) -> LogDay:
    """Six requests, two of each surface; four ads, two of each product; each request with each ad."""

    def id_of(number: int) -> int | str:
        return number if ids == "BIGINT" else f"id {number} ünïcödé 📌"

    key, surfaces, products = _IDS[ids], ("home_feed", "search", "related_pin"), ("standard", "shopping")
    requests, ads = range(6), range(4)
    pairs = [(request, ad) for request in requests for ad in ads]
    standard = [ad % 2 == 0 for _, ad in pairs]
    shown = [ad < 2 for _, ad in pairs]

    def where(condition: list[bool], value: Any) -> list[Any]:
        return [value if met else None for met in condition]

    return LogDay(
        ids,
        {
            "requests": {
                "request_id": (key, [id_of(100 + n) for n in requests]),
                "ts": (_TIME, [NOON + timedelta(minutes=n) for n in requests]),
                "surface": (_TEXT, [surfaces[n % 3] for n in requests]),
                "user_id": (key, [None, *(id_of(n) for n in requests[1:])]),
                "country": (_TEXT, ["fr", "de", "", None, "日本", "fr"]),
                "activity": (_F32, [0.0, -1.5, None, float("nan"), 1e6, 2.0]),
                "history": (_F32, [1.0, None, None, 2.0, None, float("nan")]),
                "taste": (pa.list_(_F32), [[0.5, -0.5], None, [1.0, 2.0], [0.0, 0.0], [0.25, 4.0], None]),
                "words": (pa.list_(_TEXT), [["a"], None, [], ["a", "b", "c", "d"], ["é"], [""]]),
            },
            "ads": {
                "ad_id": (key, [id_of(n) for n in ads]),
                "product": (_TEXT, [products[n % 2] for n in ads]),
                "goal": (_TEXT, ["click", "conversion", "click", "click"]),
                "bid": (_F32, [0.0, 1.5, 2.0, 1e5]),
                "topic": (pa.int32(), [1, -2, None, 2**31 - 1]),
                "price": (_F32, [None, 9.5, None, None]),
            },
            "candidates": {
                "request_id": (key, [id_of(100 + request) for request, _ in pairs]),
                "ad_id": (key, [id_of(ad) for _, ad in pairs]),
                "ctr": (_F32, [0.25] * len(pairs)),
                "gctr": (_F32, [0.125] * len(pairs)),
                "octr": (_F32, where(standard, 0.0625)),
                "impressed": (_TRUTH, shown),
                "position": (pa.int32(), where(shown, 3)),
                "clicked": (_TRUTH, where(shown, True)),
                "good_clicked": (_TRUTH, where(shown, False)),
                "outbound_clicked": (_TRUTH, where([a and b for a, b in zip(shown, standard, strict=True)], True)),
                "hidden": (_TRUTH, where(shown, False)),
                "repinned": (_TRUTH, where(shown, None)),
            },
        },
    )  # fmt: skip


_TEXTS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "",
            " ",
            "\0",
            "a\0b",
            "search",
            "Search",
            "search ",
            "shopping",
            "standard",
            "click",
            "fame",
            "null",
            "NaN",
        ]
    ),
    st.sampled_from([129, 1025, 65_536, 65_537, 2_000_000]).map(lambda n: "x" * n),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
_NUMBERS = st.one_of(
    st.none(),
    st.sampled_from(
        [0.0, -0.0, 1.0, -1.0, 0.5, 0.25, 1e-45, 1 - 2**-24, 1.0000001, 3e38, -3e38, 1e18, 1.1e18]
    ),
    st.floats(width=32),
)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXTS,
    "float": _NUMBERS,
    "double": st.one_of(_NUMBERS, st.sampled_from([1e60, -1e60, 1 - 1e-12, 1e-60]), st.floats()),
    "int64": st.one_of(st.none(), st.sampled_from([0, 1, 2, 100, 101, -1, 2**24, 2**24 + 1, 2**63 - 1, -(2**63)])),
    "int32": st.one_of(st.none(), st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31)])),
    "bool": st.sampled_from([None, True, False]),
    "timestamp[us]": st.one_of(
        st.none(),
        st.sampled_from([datetime(2026, 1, 2), datetime(2026, 1, 3), datetime(2026, 1, 2, 23, 59, 59, 999_999)]),
        st.sampled_from([datetime(2026, 1, 1, 23), datetime(1, 1, 1), datetime(9999, 12, 31), datetime(1969, 7, 20)]),
    ),
    "list<item: float>": st.one_of(st.none(), st.lists(_NUMBERS, max_size=WIDTH + 1)),
    "list<item: string>": st.one_of(
        st.none(), st.lists(_TEXTS, max_size=5), st.just(["a"] * 10_000), st.just(["a"] * 10_001)
    ),
}  # fmt: skip


@st.composite
def log_days(draw: st.DrawFn) -> LogDay:
    """A sound day, changed once as a rule: what is wrong twice is refused all the more."""
    day = deepcopy(sound_day(draw(st.sampled_from(list(_IDS)))))
    for _ in range(draw(st.sampled_from([1, 1, 1, 1, 2, 3]))):
        of_values = [_cell, _cell, _cell, _column, _borrow, _borrow]
        change = draw(st.sampled_from([*of_values, _rows, _repeat, _drop]))
        change(draw, day, draw(st.sampled_from(["requests", "ads", "candidates", "candidates"])))
    return day


def _place(draw: st.DrawFn, day: LogDay, table: str) -> tuple[str, pa.DataType, list[Any]] | None:
    columns = day.columns[table]
    if not columns or not day.rows(table):
        return None
    name = draw(st.sampled_from(list(columns)))
    return name, *columns[name]


def _cell(draw: st.DrawFn, day: LogDay, table: str) -> None:
    if (place := _place(draw, day, table)) and str(place[1]) in _VALUES:
        place[2][draw(st.integers(0, len(place[2]) - 1))] = draw(_VALUES[str(place[1])])


def _column(draw: st.DrawFn, day: LogDay, table: str) -> None:
    if (place := _place(draw, day, table)) and str(place[1]) in _VALUES:
        place[2][:] = [draw(_VALUES[str(place[1])])] * len(place[2])


def _borrow(draw: st.DrawFn, day: LogDay, table: str) -> None:
    """Another row's value in a few rows."""
    if place := _place(draw, day, table):
        rows = st.integers(0, len(place[2]) - 1)
        value = place[2][draw(rows)]
        for row in draw(st.lists(rows, min_size=1, max_size=3)):
            place[2][row] = value


def _rows(draw: st.DrawFn, day: LogDay, table: str) -> None:
    """Without the rows behind some place: often without any."""
    kept = draw(st.integers(0, day.rows(table)))
    for _, values in day.columns[table].values():
        del values[kept:]


def _repeat(draw: st.DrawFn, day: LogDay, table: str) -> None:
    if day.rows(table):
        row = draw(st.integers(0, day.rows(table) - 1))
        for _, values in day.columns[table].values():
            values.append(values[row])


def _drop(draw: st.DrawFn, day: LogDay, table: str) -> None:
    if place := _place(draw, day, table):
        del day.columns[table][place[0]]
