"""Scores moved towards actions: how far, which ones, and that batches of a training have them."""

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
from mtmd.extract.shards import Days, Shard, ShardRef, open_shard
from mtmd.extract.stage import extract_day
from mtmd.extras.forecast import targets as forecast
from mtmd.extras.forecast.page import sections
from mtmd.extras.forecast.targets import PRIOR, targets
from mtmd.logs.source import LogSource
from mtmd.model.batch import Batch
from mtmd.promote.stage import DayRun
from mtmd.report.tables import Table
from mtmd.report.view import RunRecords
from mtmd.run import RunPlan
from mtmd.train.stage import require_machine, training_key, window_data
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


def plan_of(preset: Preset) -> RunPlan:
    after = DAYS[-1] + timedelta(days=1)
    return RunPlan(as_of=after, days=DAYS, preset=preset, logs="logs", artifacts="none")


def batches(preset: Preset, window: Sequence[ShardRef]) -> list[Batch]:
    data = window_data(plan_of(preset), window)
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
            if not impressed or labels[task] < 0 or math.isnan(scores[task]) or (task and labels[0] != 1):
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


def test_all_scores_move_by_the_newest_days_difference(
    preset: Preset, window: list[ShardRef], shards: list[Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "_PIECE", 100)
    difference = by_rows(shards[1], preset)
    assert any(abs(value) > 0.02 for value in difference.values())
    plain, moved = batches(load_preset(TINY), window), batches(preset, window)
    seen = 0
    for before, after in zip(plain, moved, strict=True):
        assert torch.equal(before.candidate, after.candidate)
        assert torch.equal(before.teacher.isnan(), after.teacher.isnan())
        rows = (batch.teacher.double().tolist() for batch in (before, after))
        for domain, was, now in zip(before.pair_domain.tolist(), *rows, strict=True):
            for task in (t for t in range(3) if not math.isnan(was[t])):
                given, expected = (now[task] / now[0], was[task] / was[0]) if task else (now[0], was[0])
                shift = 0.5 * difference[domain, task]
                assert odds(given) - odds(expected) == pytest.approx(shift, abs=2e-4)
                seen += 1
    assert seen > 1000


def test_one_domain_by_hand(preset: Preset, shards: list[Shard]) -> None:
    """Scores of 0.2, and ten ads of domain 0 shown and clicked: Σ (1 − 0.2) and Σ 0.16, drawn to all domains'."""
    shard, count = shards[1], 10
    own = shard.domain(len(preset.domains.products)) == 0
    even = changed(shard, 0.2, own & (own.cumsum(0) <= count))
    whole = 0.8 * count / (0.16 * count + PRIOR)
    difference = (0.8 * count + PRIOR * whole) / (0.16 * count + PRIOR)
    assert whole < difference < 1.0
    taught = targets(
        [even, replace(even, day=DAYS[0], labels=torch.zeros_like(even.labels))], preset.domains, 0.5
    )
    moved = taught(one_pair(even))
    assert moved[0, 0] == pytest.approx(1.0 / (1.0 + math.exp(-(odds(0.2) + 0.5 * difference))), abs=1e-6)
    # Nothing was seen of gctr: given a click, its score is what it was.
    assert moved[0, 1] / moved[0, 0] == pytest.approx(0.5, abs=1e-5)


def changed(shard: Shard, score: float, clicked: Tensor) -> Shard:
    """A day with a ctr of `score`, half of it for other tasks; all that was `clicked` (P,), nothing else was shown."""
    scores = torch.full_like(shard.teacher, score)
    scores[:, 1:] /= 2.0
    labels = torch.full_like(shard.labels, -1)
    labels[clicked, 0] = 1
    return replace(shard, teacher=scores, labels=labels)


def one_pair(shard: Shard) -> Batch:
    nothing = torch.zeros(1, dtype=torch.long)
    return Batch(None, None, nothing, nothing, nothing, shard.teacher[:1], nothing)  # type: ignore[arg-type]


def test_a_day_moves_no_log_odds_by_more_than_the_step(preset: Preset, shards: list[Shard]) -> None:
    rare = changed(shards[1], 1e-3, shards[1].impressed == 1)
    moved = targets([rare], preset.domains, 0.5)(one_pair(rare))
    assert odds(float(moved[0, 0])) == pytest.approx(odds(1e-3) + 0.5, abs=1e-5)


def test_a_task_that_learns_from_actions_keeps_them_and_is_no_parent(
    preset: Preset, shards: list[Shard]
) -> None:
    ctr, *others = preset.domains.tasks
    acting = ctr.model_copy(update={"learn_from": "actions"})
    domains = preset.domains.model_copy(update={"tasks": (acting, *others)})
    shard = replace(shards[1], labels=torch.where(shards[1].labels >= 0, 1, shards[1].labels))
    pair = replace(one_pair(shard), teacher=torch.tensor([[0.0, 0.05, 0.02]]))
    moved = targets([shard], domains, 0.5)(pair)
    assert moved[0, 0] == 0.0
    # Not given ctr; all shown ads were good.
    assert odds(float(moved[0, 1])) == pytest.approx(odds(0.05) + 0.5, abs=1e-4)


def test_what_nobody_did_moves_no_score(preset: Preset, shards: list[Shard]) -> None:
    unseen = replace(shards[1], labels=torch.full_like(shards[1].labels, -1))
    pair = replace(one_pair(unseen), teacher=torch.tensor([[0.3, 1e-9, torch.nan]]))
    moved = targets([unseen], preset.domains, 1.0)(pair)
    torch.testing.assert_close(moved, pair.teacher, equal_nan=True, rtol=1e-5, atol=0.0)


def test_the_page_says_how_far_scores_moved(
    preset: Preset, window: list[ShardRef], shards: list[Shard]
) -> None:
    difference, plan = by_rows(shards[1], preset), plan_of(preset)
    run = DayRun.model_construct(plan=plan, days=Days.of([*window, window[-1]]))
    (section,) = sections(RunRecords(run, None, None))  # type: ignore[arg-type]
    (table,) = section.blocks
    assert isinstance(table, Table)
    assert table.title.endswith(f"the actions of {DAYS[1]}")
    for place, (domain, row) in enumerate(zip(preset.domains.domains, table.rows, strict=True)):
        expected = [0.5 * difference[place, task] for task in range(3)]
        assert row[0] == f"{domain.surface} × {domain.product}"
        assert row[1:] == pytest.approx(expected, abs=1e-6)
    plain = run.model_copy(update={"plan": plan_of(load_preset(TINY))})
    assert not sections(RunRecords(plain, None, None))  # type: ignore[arg-type]


def test_a_step_names_other_trainings_and_none_is_the_usual_name(preset: Preset) -> None:
    usual, none, half, whole = (
        training_key("mtmd", "w", one)
        for one in (
            load_preset(TINY),
            *(with_training(preset, forecast_step=step) for step in (0.0, 0.5, 1.0)),
        )
    )
    assert none == usual
    assert len({usual, half, whole}) == 3


def test_without_the_extra_a_step_is_refused_before_anything_is_read(
    preset: Preset, window: list[ShardRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "EXTRAS", ())
    said = r"forecast_step \(0\.5\) needs the extra 'forecast', which is not in"
    with pytest.raises(ConfigError, match=said):
        require_machine(preset)
    with pytest.raises(ConfigError, match=said):
        batches(preset, window)
