"""What a teacher reads of any contract logs: codes, numbers and histories, as in `layout.py`."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations
from mtmd.extras.kuairand.teacher.history import past_numbers
from mtmd.extras.kuairand.teacher.layout import CROSSES, history_categories
from mtmd.extras.kuairand.teacher.log_rows import LogRows, most_frequent
from mtmd.extras.kuairand.teacher.rows import Ints, TeacherInputs

_MOST_VALUES = 100_000  # of a field that have an embedding each: those with most rows
_ID_VALUES = 1_000  # of a field above which its values are hidden at times, as new ones will be
_FURTHEST = 8.0  # standard deviations of a number
_PRIOR = 0.05  # rate of every task before anything was logged; the first day's rows only
_MOST_CROSSED = 1_000  # values of a category that is crossed with users


def log_inputs(rows: LogRows, declarations: Declarations) -> TeacherInputs:
    """Codes and numbers of every row; of outcomes nothing of the row's own day, and nothing later."""
    fields = dict(rows.codes)
    products = len(declarations.domains.products)
    fields["domain"] = (fields["surface"] - 1) * products + fields["product"]
    codes = np.empty((len(rows), len(fields)), np.int32)
    for f, values in enumerate(fields.values()):
        codes[:, f] = most_frequent(values.astype(np.int64), _MOST_VALUES)
    sizes = tuple(int(size) + 1 for size in codes.max(axis=0))
    ids = [f for f, name in enumerate(fields) if name in {"user", "ad"} or sizes[f] > _ID_VALUES]
    return TeacherInputs(codes, sizes, tuple(ids), _standardised(rows.static), _past(rows, declarations))


def _standardised(static: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, M), in place: less the mean, by the standard deviation, no further than `_FURTHEST`; 0 where missing."""
    for m in range(static.shape[1]):
        column = static[:, m]
        known = column[~np.isnan(column)].astype(np.float64)
        mean, spread = (known.mean(), known.std()) if len(known) else (0.0, 0.0)
        column -= mean
        column /= spread or 1.0
        np.clip(column, -_FURTHEST, _FURTHEST, out=column)
        np.nan_to_num(column, copy=False)
    return static


def _past(rows: LogRows, declarations: Declarations) -> NDArray[np.float32]:
    """(N, H): of each key and its crosses what strictly earlier days say."""
    names = [*_history_names(rows, declarations)]
    tasks = len(rows.teaching.tasks)
    past = np.empty((len(rows), len(names) * (1 + tasks)), np.float32)
    keys = ((" × ".join(name), _key(rows, name)) for name in names)
    numbers = past_numbers(keys, rows.teaching, rows.shown, np.full(tasks, _PRIOR), rows.lags)
    for place, (_, column) in enumerate(numbers):
        past[:, place] = column
    return past


def _history_names(rows: LogRows, declarations: Declarations) -> Iterator[tuple[str, ...]]:
    """The fields of each key."""
    categories = history_categories(declarations)
    yield from ((name,) for name in ("user", "ad", *categories))
    yield from CROSSES
    yield from (("user", name) for name in categories if rows.codes[name].max() <= _MOST_CROSSED)


def _key(rows: LogRows, fields: tuple[str, ...]) -> Ints:
    """(N,) one number for the values of all fields; -1 where one is missing."""
    key = np.zeros(len(rows), np.int64)
    missing = np.zeros(len(rows), np.bool_)
    for field in fields:
        codes = rows.codes[field]
        key = key * (int(codes.max()) + 1) + codes
        missing |= codes == 0
    return np.where(missing, -1, key)
