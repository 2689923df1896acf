"""Scores moved towards actions: how far, which ones, and that a training learns them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mtmd import extras
from mtmd.config import Preset, load_preset
from mtmd.errors import ConfigError
from mtmd.extract.shards import Shard, ShardRef, open_shard
from mtmd.extract.stage import extract_day
from mtmd.extras.forecast import targets as forecast
from mtmd.extras.forecast.targets import PRIOR, targets
from mtmd.logs.source import LogSource
from mtmd.model.batch import Batch
from mtmd.run import RunPlan
from mtmd.train.stage import training_key, window_data
from tests.conftest import FIRST_DAY, TINY
from tests.train.windows import with_training

DAYS = tuple(FIRST_DAY + timedelta(days=n) for n in range(2))


@pytest.fixture(scope="module")
def window(tiny_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> list[ShardRef]:
    root, preset = tmp_path_factory.mktemp("shards"), load_preset(TINY)
    return [extract_day(LogSource(tiny_logs), day, preset.declarations, root) for day in DAYS]


@pytest.fixture(scope="module")
def shards(window: Sequence[ShardRef]) -> list[Shard]:
    return [open_shard(Path(ref.path)) for ref in window]


@pytest.fixture(scope="module")
def preset() -> Preset:
    return with_training(load_preset(TINY), forecast_step=0.5)


def batches(preset: Preset, window: Sequence[ShardRef]) -> list[Batch]:
    plan = RunPlan(
        as_of=DAYS[-1] + timedelta(days=1), days=DAYS, preset=preset, logs="logs", artifacts="none"
    )
    data = window_data(plan, window)
    return [*data.epoch(1, 64), *data.validation(64)]


def odds(p: float) -> float:
    return math.log(p / (1.0 - p))


def by_rows(shard: Shard, preset: Preset) -> dict[tuple[int, int], float]:
    """The difference of each (domain, task), row by row: of a child its score given ctr, where ctr happened."""
    domain = shard.domain(len(preset.domains.products)).tolist()
    rows = list(
        zip(domain, shard.teacher.tolist(), shard.labels.tolist(), shard.impressed.tolist(), strict=True)
    )
    found = {}
    for task in range(len(preset.domains.tasks)):
        sums = {at: [0.0, 0.0] for at in (-1, *range(len(preset.domains.domains)))}
        for of, scores, labels, impressed in rows:
            if not impressed or labels[task] < 0 or math.isnan(scores[task]) or (task and not labels[0]):
                continue
            q = scores[task] / scores[0] if task else scores[0]
            for at in (-1, of):
                sums[at][0] += labels[task] - q
                sums[at][1] += q * (1.0 - q)
        everywhere = sums[-1][0] / (sums[-1][1] + PRIOR)
        found |= {
            (at, task): (apart + PRIOR * everywhere) / (known + PRIOR) for at, (apart, known) in sums.items()
        }
    return found


def test_scores_move_by_the_differences_of_their_day_and_of_later_ones(
    preset: Preset, window: list[ShardRef], shards: list[Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "_PIECE", 100)
    first, second = (by_rows(shard, preset) for shard in shards)
    assert any(abs(value) > 0.02 for value in first.values())
    plain, moved = batches(load_preset(TINY), window), batches(preset, window)
    seen = 0
    for before, after in zip(plain, moved, strict=True):
        assert torch.equal(before.candidate, after.candidate)
        assert torch.equal(before.teacher.isnan(), after.teacher.isnan())
        of_first = _holds(shards[0], before)
        for domain, was, now in zip(before.pair_domain.tolist(), *map(_rows, (before, after)), strict=True):
            for task in (t for t in range(3) if not math.isnan(was[t])):
                shift = 0.5 * (second[domain, task] + (first[domain, task] if of_first else 0.0))
                given, expected = (now[task] / now[0], was[task] / was[0]) if task else (now[0], was[0])
                assert odds(given) - odds(expected) == pytest.approx(shift, abs=2e-4)
                seen += 1
    assert seen > 1000


def _rows(batch: Batch) -> list[list[float]]:
    rows: list[list[float]] = batch.teacher.double().tolist()
    return rows


def _holds(shard: Shard, batch: Batch) -> bool:
    """Whether a batch is of a day: its scores are those of its candidates."""
    return len(shard.teacher) > int(batch.candidate.max()) and torch.equal(
        shard.teacher[batch.candidate].nan_to_num(), batch.teacher.nan_to_num()
    )


def test_one_domain_by_hand(preset: Preset, shards: list[Shard]) -> None:
    """Scores of 0.2, and all shown ads of domain 0 clicked: Σ (1 − 0.2) over Σ 0.16, drawn to the day's difference."""
    shard, products = shards[1], len(preset.domains.products)
    own, shown = shard.domain(products) == 0, shard.impressed == 1
    labels = torch.full_like(shard.labels, -1)
    labels[own & shown, 0] = 1
    even = replace(shard, teacher=torch.full_like(shard.teacher, 0.2), labels=labels)
    count = int((own & shown).sum())
    whole = 0.8 * count / (0.16 * count + PRIOR)
    difference = min(1.0, (0.8 * count + PRIOR * whole) / (0.16 * count + PRIOR))
    moved = targets([even], preset.domains, 0.5)
    taught = moved(even.day, _one_pair(even))
    assert taught[0, 0] == pytest.approx(1.0 / (1.0 + math.exp(-(odds(0.2) + 0.5 * difference))), abs=1e-6)
    # Nothing was seen of gctr: given a click, its score is what it was.
    assert taught[0, 1] / taught[0, 0] == pytest.approx(1.0, abs=1e-5)


def _one_pair(shard: Shard) -> Batch:
    scores: Tensor = shard.teacher[:1]
    nothing = torch.zeros(1, dtype=torch.long)
    return Batch(None, None, nothing, nothing, nothing, scores, nothing)  # type: ignore[arg-type]


def test_tasks_that_learn_from_actions_and_labels_that_are_not_final_move_nothing(
    preset: Preset, shards: list[Shard]
) -> None:
    ctr, *others = preset.domains.tasks
    acting = ctr.model_copy(update={"learn_from": "actions"})
    young = [task.model_copy(update={"maturity": 2}) for task in others]
    domains = preset.domains.model_copy(update={"tasks": (acting, *young)})
    moved = targets(shards, domains, 0.5)
    shard = shards[1]
    taught = moved(shard.day, _one_pair(shard))
    torch.testing.assert_close(taught, shard.teacher[:1], equal_nan=True, rtol=1e-5, atol=0.0)
    earlier = moved(shards[0].day, _one_pair(shards[0]))
    assert taught[0, 0] == shard.teacher[0, 0]
    assert not torch.allclose(earlier[0, 1], shards[0].teacher[0, 1], rtol=1e-4)


def test_a_step_names_other_trainings_and_none_is_the_usual_name(preset: Preset) -> None:
    usual = training_key("mtmd", "w", load_preset(TINY))
    assert training_key("mtmd", "w", with_training(preset, forecast_step=0.0)) == usual
    assert (
        len({usual, *(training_key("mtmd", "w", with_training(preset, forecast_step=s)) for s in (0.5, 1.0))})
        == 3
    )


def test_without_the_extra_a_step_is_refused(
    preset: Preset, window: list[ShardRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "EXTRAS", ())
    with pytest.raises(
        ConfigError, match=r"forecast_step \(0\.5\) needs the extra 'forecast', which is not in"
    ):
        batches(preset, window)
