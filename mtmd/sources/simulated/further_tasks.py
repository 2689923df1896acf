"""Two more tasks, when asked for: who buys a shopping ad that was clicked, and whether people find an ad relevant.

`cvr` is P(conversion | click) · P(click), as a child of ctr; `relevance` is a root: the chance that somebody who saw
the ad, clicked or not, would say in a survey that it suits the moment. Both share most effects with clicks; some flip,
others are their own, per domain. Their random numbers come from streams of their own, so that the rest of the logs is
the same with them and without. P pairs, K = 2 tasks.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.sources.simulated.ads import FORMATS, Ads
from mtmd.sources.simulated.effects import Row
from mtmd.sources.simulated.outcomes import Actions, Bools, Scores, blind_spot, chances
from mtmd.sources.simulated.population import Floats, Population, generator
from mtmd.sources.simulated.requests import Pairs, Requests

TASKS = ("cvr", "relevance")
SCHEMA = pa.schema(
    [("cvr", pa.float32()), ("relevance", pa.float32()), ("converted", pa.bool_()), ("relevant", pa.bool_())]
)
_SEES = np.array([0.08, 0.06])  # as `teacher._SEEN`: standard deviation in log-odds, by task

# By surface: home_feed, search, related_pin; in two columns, standard and shopping.
_BUY_BASE = np.array([-1.55, -1.25, -1.7])
_BUY_AFFINITY = np.array([0.9, 0.8, 1.0])
_BUY_OFF_BUDGET = np.array([0.5, 0.3, 0.45])
_BUY_DEAR = np.array([0.4, 0.3, -0.3])
_BUY_INTENT = np.array([0.0, 0.6, 0.0])
_BUY_PROPENSITY = np.array([-0.3, 0.25, -0.25])
_BUY_DEVICE = np.array([-0.25, -0.1, 0.35, 0.1])
_FIT_BASE = np.array([[-1.9, -1.5], [-1.8, -1.6], [-1.8, -1.5]])
_FIT_AFFINITY = np.array([[1.3, 1.2], [1.0, 1.1], [1.4, 1.2]])
_FIT_TOPIC = np.array([0.4, 0.9, 0.7])
_FIT_APPEAL = np.array([-0.3, -0.4, -0.25])
_FIT_FRESH = np.array([[-0.3, -0.2], [0.3, 0.2], [0.3, 0.25]])
_FIT_LANDING = np.array([0.3, -0.15, 0.25])


@dataclass(frozen=True)
class Further:
    """Chances (P, K) of both tasks, NaN where there is none, and outcomes (P,)."""

    scores: Scores
    converted: Bools  # means something on shopping ads that were shown
    relevant: Bools  # likewise on ads that were shown


class FurtherTasks:
    """Effect sizes of the two tasks: the constants above, and tables drawn from the platform's seed."""

    def __init__(self, population: Population) -> None:
        self.population = population
        rng = generator(population.seed, "further effects")
        shape = (3, 2, population.config.latent_width)
        # Which coordinates of taste make people buy, and which make an ad fit: not always those that attract.
        self.buying = np.where(rng.random(shape) < 0.3, rng.uniform(-0.9, 0.2, shape), 1.0)
        self.fitting = np.where(rng.random(shape) < 0.15, rng.uniform(-0.6, 0.3, shape), 1.0)
        categories = 8 * population.config.topics
        self.category = 0.35 * rng.standard_normal((categories, 3)) * np.array([1.0, -0.7, 1.0])
        self.format = 0.25 * rng.standard_normal((len(FORMATS), 3))
        self.phase = rng.uniform(0, 2 * np.pi, 3)

    def happen(
        self,
        requests: Requests,
        ads: Ads,
        pairs: Pairs,
        scores: Scores,
        actions: Actions,
        where: tuple[int, int],
    ) -> Further:
        """Chances and outcomes of both tasks for a block of pairs; `where` is its day's ordinal and its start."""
        seed, count = self.population.seed, len(pairs.ad)
        since = where[0] - self.population.config.origin.toordinal()
        noise = generator(seed, "further noise", *where).standard_normal((2, count, len(TASKS)))
        u = generator(seed, "further acts", *where).random((count, len(TASKS)))
        given, further = self.score_with(requests, ads, pairs, scores, since, noise)
        return Further(further, actions.clicked & (u[:, 0] < given[:, 0]), u[:, 1] < given[:, 1])

    def score_with(
        self, requests: Requests, ads: Ads, pairs: Pairs, clicks: Scores, day: int, noise: Floats
    ) -> tuple[Floats, Scores]:
        """(P, K) true chances given the task's parent, and (P, K) Scores, as `teacher.score` has them.

        `noise` is standard normal (2, P, K), and `clicks` are the Scores of the other tasks of the same pairs.
        """
        base = self.logits(requests, ads, pairs, day)
        given = chances(base, _SEES, blind_spot(requests, ads, pairs), noise)
        standard = ads.product[pairs.ad] == 0
        parents = (clicks.truth, clicks.teacher)
        joint = (_joint(part, click[:, 0], standard) for part, click in zip(given, parents, strict=True))
        return given[0], Scores(*joint)

    def logits(self, requests: Requests, ads: Ads, pairs: Pairs, day: int) -> Floats:
        """(P, K) log-odds before what nobody logs: of a conversion among clicks, and of being relevant."""
        row = Row(self.population, requests, ads, pairs)
        return np.stack([self._buying(row, day), self._fitting(row)], axis=1)

    def _buying(self, row: Row, day: int) -> Floats:
        dear = np.logaddexp(0.0, 1.2 * row.price_sensitivity * row.price)
        return np.asarray(
            _BUY_BASE[row.surface]
            + _BUY_AFFINITY[row.surface] * np.tanh(2.0 * row.affinity(self.buying))
            - _BUY_OFF_BUDGET[row.surface] * np.abs(row.price - row.budget)
            - _BUY_DEAR[row.surface] * dear
            + 0.7 * row.discount * np.logaddexp(0.0, 1.5 * row.price_sensitivity)
            + _BUY_INTENT[row.surface] * row.intent
            + _BUY_PROPENSITY[row.surface] * row.propensity
            + _BUY_DEVICE[row.device]
            + self.category[row.category, row.surface]
            + 0.35 * row.rating
            + 0.35 * row.conversion
            - 0.3 * (row.worst_mismatch - 2.2)
            - 0.35 * row.appeal  # what draws the click is not what is bought
            - 0.3 * np.maximum(row.curiosity, -row.quality)
            + 0.1 * np.sin(2 * np.pi * day / 41.0 + self.phase[row.surface])
        )

    def _fitting(self, row: Row) -> Floats:
        shopping = 0.25 * row.rating - 0.4 * np.abs(row.price - row.budget)
        standard = _FIT_LANDING[row.surface] * row.landing - 0.3 * np.abs(row.curiosity - row.landing)
        return np.asarray(
            row.of(_FIT_BASE)
            + row.of(_FIT_AFFINITY) * np.tanh(2.5 * row.affinity(self.fitting) * row.focus)
            + _FIT_TOPIC[row.surface] * row.same_topic
            - 0.55 * (row.worst_mismatch - 2.2)
            + _FIT_APPEAL[row.surface] * row.appeal
            + row.of(_FIT_FRESH) * row.novelty
            + 0.3 * np.tanh(row.quality + row.fame)
            + self.format[row.format, row.surface]
            + np.where(row.shopping, shopping, standard)
        )


def with_further(candidates: pa.Table, further: Further, impressed: Bools) -> pa.Table:
    """The candidates as the logs have them, with the scores and labels of both tasks as further columns."""
    standard = np.isnan(further.scores.teacher[:, 0])
    scores = further.scores.teacher.astype(np.float32)
    # In float32 rounding could lift a child above its parent.
    cvr = np.minimum(scores[:, 0], candidates["ctr"].to_numpy())
    columns: list[tuple[NDArray[np.generic], Bools]] = [
        (cvr, standard),
        (scores[:, 1], np.zeros_like(impressed)),
        (further.converted, ~impressed | standard),
        (further.relevant, ~impressed),
    ]
    for field, (values, null) in zip(SCHEMA, columns, strict=True):
        candidates = candidates.append_column(field, pa.array(values, field.type, mask=null))
    return candidates


def _joint(given: Floats, click: Floats, standard: Bools) -> Floats:
    """P(click) · P(conversion | click), none on standard ads, and P(relevant)."""
    joint = given.copy()
    joint[:, 0] *= click
    joint[standard, 0] = np.nan
    return joint
