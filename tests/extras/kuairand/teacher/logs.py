"""Small logs for teachers: two surfaces, two products, a chain of three tasks, and text ids."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from mtmd.config import Declarations, Domains, Task
from mtmd.extras.kuairand.log_rows import LogRows
from mtmd.extras.kuairand.rows import TeacherInputs, TeachingRows
from mtmd.features import feature

FIRST = date(2026, 1, 1)
DOMAINS = Domains(
    surfaces=("feed", "search"),
    products=("pin", "shop"),
    tasks=(
        Task(name="ctr", label="clicked"),
        Task(name="cvr", label="bought", parent="ctr", products=("shop",)),
        Task(name="kept", label="not_returned", parent="cvr", products=("shop",)),
    ),
)
DECLARATIONS = Declarations(
    domains=DOMAINS,
    features=(
        feature(name="user_id", side="query", kind="categorical", buckets=10, shallow=True),
        feature(name="taste", side="query", kind="embedding", width=2),
        feature(name="age", side="query", kind="continuous"),
        feature(name="brand", side="item", kind="categorical", buckets=10, shallow=True),
        feature(name="look", side="item", kind="embedding", width=2),
        feature(name="price", side="item", kind="continuous", log1p=True),
    ),
)


def requests(day: date, *rows: dict[str, Any]) -> pa.Table:
    """One request a row, at 03:00."""
    at = datetime.combine(day, datetime.min.time()) + timedelta(hours=3)
    quiet = {"ts": at, "surface": "feed", "user_id": "ann", "taste": [1.0, 0.0], "age": 30.0}
    return pa.Table.from_pylist([quiet | row for row in rows])


def ads(*rows: dict[str, Any]) -> pa.Table:
    """One ad a row."""
    quiet = {"product": "shop", "goal": "click", "bid": 1.0, "brand": "a", "look": [0.0, 1.0], "price": 0.0}
    return pa.Table.from_pylist([quiet | row for row in rows])


def candidates(*rows: tuple[str, str, str]) -> pa.Table:
    """(request_id, ad_id, what happened): `-` not shown, `s` shown, `c` clicked, `b` bought, `k` bought and kept."""
    table = []
    for request_id, ad_id, happened in rows:
        shown = happened != "-"
        table.append(
            {
                "request_id": request_id,
                "ad_id": ad_id,
                "impressed": shown,
                "clicked": happened in "cbk" if shown else None,
                "bought": happened in "bk" if shown else None,
                "not_returned": happened == "k" if shown else None,
            }
        )
    return pa.Table.from_pylist(table)


def random_day(day: date, size: int = 60) -> dict[str, pa.Table]:
    """Six users, half of whom click often, and four ads, the last of which is never shown."""
    random = np.random.default_rng(day.toordinal())
    names, each = ("ann", "bob", "cem", "dee", "eve", "fay"), [f"ad{n}" for n in range(4)]
    rows = []
    for n in range(size):
        eager, ad = n % 2 == 0, int(random.integers(4))
        happened = "-"
        if ad < 3:
            clicked = random.random() < (0.8 if eager else 0.2)
            happened = str(random.choice(list("cbk"))) if clicked else "s"
        rows.append((f"r{n:03}", each[ad], happened))
    return {
        "requests": requests(
            day,
            *(
                {"request_id": f"r{n:03}", "user_id": names[n % 6], "surface": DOMAINS.surfaces[n % 3 // 2]}
                for n in range(size)
            ),
        ),
        "ads": ads(*({"ad_id": ad, "brand": ad[-1], "price": 1.0 + n} for n, ad in enumerate(each))),
        "candidates": candidates(*rows),
    }


def read(days: int = 4) -> tuple[TeacherInputs, TeachingRows]:
    """Random days as a teacher is given them."""
    rows = LogRows(DECLARATIONS)
    for day in (FIRST + timedelta(days=n) for n in range(days)):
        rows.add(day, random_day(day))
    teaching = rows.teaching()
    return rows.inputs(teaching), teaching
