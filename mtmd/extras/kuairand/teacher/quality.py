"""How well scores rank and predict what users did."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import entr
from scipy.stats import rankdata

from mtmd.config import Domains, Frozen
from mtmd.extras.kuairand.teacher.log_rows import LogRows
from mtmd.extras.kuairand.teacher.rows import Bools, Floats


def ranking_auc(scores: NDArray[np.floating], labels: Bools) -> float | None:
    """Area under the ROC curve, ties counted half; None without both kinds of rows."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    return float((rankdata(scores)[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


class FitQuality(Frozen):
    """Scores of one task against what users did, in one domain and part of the days; a mean is None without rows."""

    task: str
    surface: str = Field(description="`all` for every one")
    product: str = Field(description="`all` for every one")
    newest: bool = Field(
        description="the last two days, by teachers of earlier days; or else the cross-fitted days"
    )
    rows: int = Field(description="shown ads with a final label")
    actions: int
    auc: float | None = Field(description="None without both outcomes")
    log_loss: float | None
    log_loss_of_rate: float | None = Field(
        description="of a constant that is the mean action of these very rows"
    )
    calibration: float | None = Field(description="mean score / mean action; None without an action")


def fit_quality(
    scores: NDArray[np.float32], rows: LogRows, newest: Bools, domains: Domains
) -> tuple[FitQuality, ...]:
    """Each task in all domains together, then in each that has it; the cross-fitted days first."""
    surface, product = rows.codes["surface"] - 1, rows.codes["product"] - 1
    everywhere = [("all", "all", np.ones(len(rows), np.bool_))]
    each = [
        (domains.surfaces[s], domains.products[p], (surface == s) & (product == p))
        for s in range(len(domains.surfaces))
        for p in range(len(domains.products))
    ]
    return tuple(
        _quality(task.name, places, part, scores[where, t].astype(np.float64), rows.teaching.labels[where, t])
        for t, task in enumerate(domains.tasks)
        for *places, inside in everywhere + each
        if places[1] == "all" or domains.has_task(places[1], task)
        for part in (False, True)
        for where in [inside & rows.known[:, t] & (newest == part)]
    )


def _quality(task: str, places: list[str], newest: bool, score: Floats, action: Bools) -> FitQuality:
    count, actions = len(score), int(action.sum())
    rate = actions / count if count else 0.0
    return FitQuality(
        task=task,
        surface=places[0],
        product=places[1],
        newest=newest,
        rows=count,
        actions=actions,
        auc=ranking_auc(score, action),
        log_loss=float(-np.log(np.where(action, score, 1 - score)).mean()) if count else None,
        log_loss_of_rate=float(entr(rate) + entr(1 - rate)) if count else None,
        calibration=float(score.mean() / rate) if actions else None,
    )
