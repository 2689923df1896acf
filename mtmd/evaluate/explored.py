"""How the candidates came to be scored: drawn at random from the eligible ads, or chosen by retrieval.

A ranker of the delivery funnel meets every eligible ad. Chosen rows say little of the ones that retrieval never chose;
explored rows are a fair sample of all that it did not choose.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtmd.evaluate.held_out import SliceRows
from mtmd.evaluate.metrics import Floats, clip_log_p
from mtmd.evaluate.report import ExploredMetrics

Figures = dict[str, float | None]


def explored_metrics(
    explored: NDArray[np.bool_],
    slices: Sequence[SliceRows],
    predictions: Mapping[str, NDArray[np.floating]],
    tasks: Sequence[str],
) -> Iterator[ExploredMetrics]:
    """LogMAE and calibration of each predictor on the explored rows of each task, and on its chosen ones.

    explored  (P,) bool; the slices are of all rows, explored or not
    """
    for task in tasks:
        parts = [part for part in slices if part.slice.task == task]
        rows = np.concatenate([part.rows for part in parts]) if parts else np.empty(0, np.int64)
        teacher = np.concatenate([part.teacher.score for part in parts]) if parts else np.empty(0)
        is_explored = explored[rows]
        own, others = (
            {
                name: _figures(log_p[rows[kind], parts[0].task], teacher[kind])
                if kind.any()
                else (None, None)
                for name, log_p in predictions.items()
            }
            for kind in (is_explored, ~is_explored)
        )
        yield ExploredMetrics(
            task=task,
            rows=int(is_explored.sum()),
            chosen=int((~is_explored).sum()),
            logmae={name: logmae for name, (logmae, _) in own.items()},
            logmae_of_chosen={name: logmae for name, (logmae, _) in others.items()},
            calibration={name: level for name, (_, level) in own.items()},
            calibration_of_chosen={name: level for name, (_, level) in others.items()},
        )


def _figures(log_p: NDArray[np.floating], teacher: Floats) -> tuple[float, float]:
    """LogMAE, and mean prediction / mean teacher score, of one or more rows."""
    own = clip_log_p(log_p)
    return float(np.abs(own - np.log(teacher)).mean()), float(np.exp(own).mean() / teacher.mean())
