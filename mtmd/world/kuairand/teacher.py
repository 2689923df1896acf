"""Scores every row with heavyweight teachers that never saw it.

Let L be the newest day. The days up to L − 2 are cut into contiguous blocks of about equal rows. A block
is scored by teachers fitted on the other blocks; L − 1 and L by teachers fitted on all blocks, so on
earlier days only. Each score is the mean logit of members that differ in their seed alone: two lone
members differ by 5 to 15 % in LogMAE terms, noise that no student can learn.

What still crosses over, by design: a later row's *history counts* hold an earlier row's action, as they
would live; and the number of epochs is found once, on the newest block with a teacher of the older ones,
and used for all. There is no rescaling afterwards: fitted on the scores of other blocks it would depend
on the row through their teachers, and the mean scores are within 6 % of the mean actions without it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtmd.errors import LogsError
from mtmd.world.kuairand.mapping import Exposures, Ints
from mtmd.world.kuairand.teacher_config import TeacherConfig
from mtmd.world.kuairand.teacher_fit import Logits, TeacherFits
from mtmd.world.kuairand.teacher_inputs import TeacherInputs

NEWEST = -1

_NEWEST_DAYS = 2
_LOGIT_LIMIT = 13.0  # 2e-6 from 0 and 1: a float32 score is then strictly inside


@dataclass(frozen=True)
class TeacherScores:
    """scores (N, 3) float32 in (0, 1), children ≤ ctr; block (N,), NEWEST for the last two days."""

    scores: NDArray[np.float32]
    block: Ints
    epochs: int
    members: int


def cross_fit(
    inputs: TeacherInputs,
    exposures: Exposures,
    config: TeacherConfig,
    *,
    seed: int,
    on_progress: Callable[[str], None],
) -> TeacherScores:
    """Score all N rows; the same inputs and seed give the same scores on one machine and thread count.

    Raises LogsError when there are fewer than four days.
    """
    labels = exposures.labels
    fits = TeacherFits(inputs, labels, config)
    block = day_blocks(exposures.day, config.blocks)
    last = int(block.max())
    probe = np.flatnonzero((block != NEWEST) & (block != last))
    epochs = fits.best_epochs(probe, np.flatnonzero(block == last), seed)
    on_progress(f"teacher: {epochs} epochs are best on the newest of {last + 1} day blocks")
    members = config.members_for(len(block))
    logits = np.empty((len(block), 3))
    for held in (*range(last + 1), NEWEST):
        rows = np.flatnonzero((block != NEWEST) & (block != held))
        scored = np.flatnonzero(block == held)
        logits[scored] = fits.mean_logits(rows, scored, epochs, range(seed + 1, seed + 1 + members))
        name = "the last two days" if held == NEWEST else f"day block {held + 1} of {last + 1}"
        on_progress(f"teacher: {name}: {len(scored)} rows by {members} teachers of {len(rows)} other rows")
    return TeacherScores(_probabilities(logits), block, epochs, members)


def day_blocks(day: Ints, blocks: int) -> Ints:
    """(N,) block of each row: 0, 1, … oldest first and none empty; NEWEST for the last two days.

    Raises LogsError when the days before those two do not make at least two blocks.
    """
    days, counts = np.unique(day, return_counts=True)
    older = counts[:-_NEWEST_DAYS]
    if len(older) < 2:
        raise LogsError(
            f"the logs cover {len(days)} days; a cross-fitted teacher needs at least {_NEWEST_DAYS + 2}:"
            " import more of the download"
        )
    middle = np.cumsum(older) - older / 2
    wanted = (middle / older.sum() * blocks).astype(np.int64)
    wanted[-1] = max(wanted[-1], wanted[0] + 1)  # one huge day must not swallow all others
    _, dense = np.unique(wanted, return_inverse=True)
    of_day = np.concatenate([dense, np.full(_NEWEST_DAYS, NEWEST)])
    return np.asarray(of_day[np.searchsorted(days, day)])


def _probabilities(logits: Logits) -> NDArray[np.float32]:
    """(N, 3) unconditional scores: a child is its conditional times the click, hence never above it."""
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -_LOGIT_LIMIT, _LOGIT_LIMIT)))
    scores[:, 1:] *= scores[:, :1]
    return np.asarray(scores.astype(np.float32))
