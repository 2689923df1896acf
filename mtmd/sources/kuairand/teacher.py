"""Scores every KuaiRand exposure with heavyweight teachers that never saw it: the model, its fit and the cross-fit.

The teacher is a factorisation machine and an MLP over ids, attributes and earlier-day rates. Unlike in two towers, all
fields meet:

    e_f = embedding of field f;  pairs = ½ ((Σ e_f)² − Σ e_f²)
    logits = linear(codes) + MLP([e_1 … e_F, pairs, static, past])
    P(click) = σ(l₀);  P(good click) = σ(l₁) · P(click);  P(profile enter) = σ(l₂) · P(click)

The cross-fit: let L be the newest day. The days up to L − 2 are split into contiguous blocks of about equal rows. A
block is scored by teachers fitted on the other blocks; L − 1 and L by teachers fitted on all blocks, so on earlier days
only. Each score is the mean logit of members that differ in their seed alone: two lone members differ by 5 to 15 % in
LogMAE terms, noise that no student can learn.

What still crosses over, on purpose: a later row's *history counts* hold an earlier row's action, as they would live;
and the number of epochs is found once, on the newest block with a teacher of the older ones, and used for all. There is
no rescaling afterwards: fitted on the scores of other blocks it would depend on the row through their teachers, and the
mean scores are within 6 % of the mean actions without it.

Shapes: N rows, F coded fields, D embedding width, M static and H past numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.sources.kuairand.mapping import Bools, Exposures, Ints
from mtmd.sources.kuairand.teacher_inputs import TeacherInputs

_TASKS = 3

Logits = NDArray[np.float64]
_SCORING_ROWS = 1 << 16

NEWEST = -1
_NEWEST_DAYS = 2
_LOGIT_LIMIT = 13.0  # 2e-6 from 0 and 1: a float32 score is then strictly inside


class TeacherConfig(Frozen):
    """Found on the sample: fitted on days up to 04-28, tried on 04-29 and 04-30."""

    width: int = Field(8, ge=1, description="embedding width of every coded field")
    hidden: int = Field(128, ge=2, description="first MLP layer; the second has half")
    dropout: float = Field(0.2, ge=0, lt=1)
    id_dropout: float = Field(0.2, ge=0, lt=1, description="share of ids hidden, as new ids will be")
    past_dropout: float = Field(0.25, ge=0, lt=1, description="share of rows with no past, as early days")
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    batch_rows: int = Field(512, ge=2)
    max_epochs: int = Field(4, ge=1, description="more than 3 overfits: ids learn their rows by heart")
    blocks: int = Field(5, ge=2, description="blocks of days, at most")
    members: int = Field(8, ge=1, description="teachers averaged in each score, at most")
    least_members: int = Field(3, ge=1, description="likewise, at least, however many the rows")
    member_rows: int = Field(800_000, ge=1, description="log rows × members, but for least_members")

    def members_for(self, rows: int) -> int:
        """Teachers to average: fewer where the log is large, since more rows make them differ less."""
        return min(self.members, max(self.least_members, self.member_rows // rows))


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


class HeavyweightTeacher(nn.Module):
    """Three conditional logits per row: click, good click | click, profile enter | click."""

    def __init__(
        self, sizes: tuple[int, ...], ids: tuple[int, ...], static: int, past: int, config: TeacherConfig
    ) -> None:
        """sizes: codes of each of F fields; ids: the fields that name something; static, past: M and H."""
        super().__init__()
        self.starts: Tensor
        self.ids: Tensor
        self.register_buffer("starts", torch.tensor((0, *sizes[:-1])).cumsum(0))
        self.register_buffer("ids", torch.tensor(ids))
        self.id_dropout = config.id_dropout
        self.past_dropout = config.past_dropout
        self.embedding = nn.Embedding(sum(sizes), config.width)
        self.linear = nn.Embedding(sum(sizes), _TASKS)
        # Near zero, so that an id that was hardly seen says hardly anything.
        nn.init.normal_(self.embedding.weight, std=0.01)
        nn.init.zeros_(self.linear.weight)
        self.norm = nn.BatchNorm1d(static)
        joined = len(sizes) * config.width + config.width + static + past
        self.mlp = nn.Sequential(
            nn.Linear(joined, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden // 2),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden // 2, _TASKS),
        )

    def forward(self, codes: Tensor, static: Tensor, past: Tensor) -> Tensor:
        """codes (N, F) int32, static (N, M), past (N, H) → (N, 3) conditional logits."""
        if self.training:
            codes, past = self._hide(codes, past)
        rows = codes + self.starts
        fields = self.embedding(rows)  # (N, F, D)
        pairs = (fields.sum(1).square() - fields.square().sum(1)) / 2  # (N, D)
        joined = torch.cat([fields.flatten(1), pairs, self.norm(static), past], dim=1)  # (N, F·D + D + M + H)
        logits: Tensor = self.linear(rows).sum(1) + self.mlp(joined)
        return logits

    def _hide(self, codes: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Ids become unknown and pasts empty at random: new ids and early days then look familiar."""
        lost = torch.rand(len(codes), len(self.ids)) < self.id_dropout
        codes = codes.clone()
        codes[:, self.ids] = codes[:, self.ids].masked_fill(lost, 0)
        return codes, past * (torch.rand(len(past), 1) >= self.past_dropout)


def conditional_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(3,) log loss per task, averaged over all rows; a child counts only where its parent happened."""
    losses = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")  # (N, 3)
    clicked = labels[:, :1]
    return (losses * torch.cat([torch.ones_like(clicked), clicked, clicked], dim=1)).mean(0)


class TeacherFits:
    """All rows as tensors; every fit names the rows that it may see. The same seed gives the same weights."""

    def __init__(self, inputs: TeacherInputs, labels: Bools, config: TeacherConfig) -> None:
        self._inputs = inputs
        self._config = config
        self._codes = torch.from_numpy(inputs.codes)
        self._static = torch.from_numpy(inputs.static)
        self._past = torch.from_numpy(inputs.past)
        self._labels = torch.from_numpy(labels.astype(np.float32))

    def best_epochs(self, rows: Ints, held: Ints, seed: int) -> int:
        """Epochs after which a teacher of `rows` has the least loss on `held`."""
        target = self._labels[torch.from_numpy(held)]
        losses = [
            float(conditional_loss(self._logits(model, held).float(), target).sum())
            for model in self._fitted(rows, self._config.max_epochs, seed)
        ]
        return 1 + int(np.argmin(losses))

    def mean_logits(self, rows: Ints, scored: Ints, epochs: int, seeds: range) -> Logits:
        """(|scored|, 3) mean over teachers fitted on `rows`, one per seed."""
        total = np.zeros((len(scored), 3))
        for seed in seeds:
            *_, model = self._fitted(rows, epochs, seed)
            total += self._logits(model, scored).numpy()
        return total / len(seeds)

    def _fitted(self, rows: Ints, epochs: int, seed: int) -> Iterator[HeavyweightTeacher]:
        """One teacher, after each epoch."""
        config, inputs, index = self._config, self._inputs, torch.from_numpy(rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            widths = inputs.static.shape[1], inputs.past.shape[1]
            model = HeavyweightTeacher(inputs.sizes, inputs.ids, *widths, config)
            optimiser = torch.optim.AdamW(
                model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
            )
            for _ in range(epochs):
                self._epoch(model, optimiser, index[torch.randperm(len(index))])
                yield model

    def _epoch(self, model: HeavyweightTeacher, optimiser: torch.optim.Optimizer, order: Tensor) -> None:
        model.train()
        size = self._config.batch_rows
        for start in range(0, max(len(order) - size, 0) + 1, size):  # rows of a last, smaller batch wait
            batch = order[start : start + size]
            loss = conditional_loss(self._scores(model, batch), self._labels[batch]).sum()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

    @torch.no_grad()
    def _logits(self, model: HeavyweightTeacher, rows: Ints) -> Tensor:
        """(|rows|, 3) float64."""
        model.eval()
        parts = [self._scores(model, part) for part in torch.split(torch.from_numpy(rows), _SCORING_ROWS)]
        return torch.cat(parts).double()

    def _scores(self, model: HeavyweightTeacher, rows: Tensor) -> Tensor:
        logits: Tensor = model(self._codes[rows], self._static[rows], self._past[rows])
        return logits


def _probabilities(logits: Logits) -> NDArray[np.float32]:
    """(N, 3) unconditional scores: a child is its conditional times the click, hence never above it."""
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -_LOGIT_LIMIT, _LOGIT_LIMIT)))
    scores[:, 1:] *= scores[:, :1]
    return np.asarray(scores.astype(np.float32))
