"""Hides and saves: they follow from the chance of a click, or have a cause of their own with `own_reactions`.

By default both chances are functions of the chance of a click, so that a ranker which gains clicks changes hides and
saves by construction. In a world with `own_reactions` people hide what annoys them and save what they plan to use, by
coordinates of taste, formats and styles that are drawn apart from those that attract clicks. No ranker is asked for
either, and nothing else in the logs changes: the same random numbers are compared with other chances.
P pairs.
"""

import numpy as np

from mtmd.sources.simulated.ads import FORMATS, STYLES, Ads
from mtmd.sources.simulated.effects import Row
from mtmd.sources.simulated.population import Population
from mtmd.sources.simulated.requests import Pairs, Requests
from mtmd.sources.simulated.streams import Floats, generator

# By surface: home_feed, search, related_pin; in two columns, standard and shopping. The levels are such that hides and
# saves are about as frequent as by default.
_HIDE_BASE = np.array([[-4.9, -4.5], [-5.4, -5.0], [-5.0, -5.0]])
_HIDE_APPEAL = np.array([0.35, 0.25, 0.3])
_SAVE_BASE = np.array([[-4.2, -4.6], [-3.8, -3.4], [-3.9, -4.2]])
_SAVE_DEAR = np.array([0.5, 0.3, 0.45])


def following_clicks(ctr: Floats) -> Floats:
    """(P, 2) chance that an ad is hidden where it was not clicked, and that it is saved, from that of a click."""
    hidden = 0.004 + 0.02 * np.exp(-20.0 * ctr)
    saved = np.minimum(0.002 + 0.25 * ctr, 0.5)
    return np.stack([hidden, saved], axis=1)


class OwnReactions:
    """Effect sizes of hides and saves: the constants above, and tables drawn from the platform's seed."""

    def __init__(self, population: Population) -> None:
        self.population = population
        rng = generator(population.seed, "own reactions")
        shape = (3, 2, population.config.latent_width)
        self.annoying = rng.choice([-1.0, 0.0, 1.0], shape)
        self.useful = rng.choice([-1.0, 0.3, 1.0], shape)
        self.hidden_format = 0.3 * rng.standard_normal((len(FORMATS), 3))
        self.hidden_style = 0.3 * rng.standard_normal(len(STYLES))
        self.saved_style = 0.3 * rng.standard_normal(len(STYLES))
        self.saved_category = 0.4 * rng.standard_normal((8 * population.config.topics, 3))

    def chances(self, requests: Requests, ads: Ads, pairs: Pairs) -> Floats:
        """(P, 2) chance that an ad is hidden where it was not clicked, and that it is saved, clicked or not."""
        row = Row(self.population, requests, ads, pairs)
        logits = np.stack([self._hiding(row), self._saving(row)], axis=1)
        return np.asarray(1.0 / (1.0 + np.exp(-logits)))

    def _hiding(self, row: Row) -> Floats:
        return np.asarray(
            row.of(_HIDE_BASE)
            + 1.1 * np.tanh(2.0 * row.affinity(self.annoying))
            + _HIDE_APPEAL[row.surface] * row.appeal  # what shouts draws clicks, and annoys
            - 0.25 * row.landing
            + self.hidden_format[row.format, row.surface]
            + np.where(row.shopping, 0.0, self.hidden_style[row.style])
        )

    def _saving(self, row: Row) -> Floats:
        dear = np.maximum(row.price - row.budget, 0.0)  # what is too dear to buy now is kept for later
        shopping = _SAVE_DEAR[row.surface] * dear + self.saved_category[row.category, row.surface]
        return np.asarray(
            row.of(_SAVE_BASE)
            + 1.2 * np.tanh(2.0 * row.affinity(self.useful))
            + 0.3 * row.quality
            + np.where(row.shopping, shopping, self.saved_style[row.style] + 0.2 * row.curiosity)
        )
