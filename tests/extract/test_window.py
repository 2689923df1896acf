"""The window: its days, its split, its batches, its base rates."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch

from mtmd.config import Declarations
from mtmd.errors import ConfigError
from mtmd.extract import window
from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.extract.window import WindowData, _mix, window_fingerprint
from mtmd.logs.source import LogSource
from mtmd.model.batch import Batch

DAYS = (date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3))
REQUESTS = (50, 31, 8)


@pytest.fixture
def shards(tmp_path: Path, write: Callable[..., Path], declarations: Declarations) -> list[Shard]:
    """Three days of 50, 31 and 8 requests, each with two candidates: ads 1 (standard) and 2 (shopping)."""
    opened = []
    for n, (day, count) in enumerate(zip(DAYS, REQUESTS, strict=True)):
        ids = range(1000 * n, 1000 * n + count)
        surfaces = ("home_feed", "search")
        write(
            tmp_path / "logs",
            "requests",
            day,
            [{"request_id": i, "ts": 0, "surface": surfaces[i % 2], "activity": float(i)} for i in ids],
        )
        ads = [{"ad_id": 1, "product": "standard"}, {"ad_id": 2, "product": "shopping"}]
        write(tmp_path / "logs", "ads", day, ads)
        write(
            tmp_path / "logs",
            "candidates",
            day,
            [{"request_id": i, "ad_id": a, "ctr": 0.25 * a, "impressed": False} for i in ids for a in (1, 2)],
        )
        opened.append(
            open_shard(
                Path(extract_day(LogSource(tmp_path / "logs"), day, declarations, tmp_path / "shards").path)
            )
        )
    return opened


@pytest.fixture
def data(shards: list[Shard], declarations: Declarations) -> WindowData:
    return WindowData(shards, declarations, validation_fraction=0.2, seed=5)


def ids_of(batches: Iterable[Batch]) -> list[list[int]]:
    """The request ids of each batch, found by their features: `activity` is log1p of the id."""
    return [torch.expm1(batch.query.continuous[:, 0].double()).round().long().tolist() for batch in batches]


def test_an_epoch_has_every_training_request_once_and_validation_the_rest(data: WindowData) -> None:
    training = [i for ids in ids_of(data.epoch(0, 8)) for i in ids]
    validation = [i for ids in ids_of(data.validation(8)) for i in ids]
    everyone = [1000 * n + i for n, count in enumerate(REQUESTS) for i in range(count)]
    assert sorted(training + validation) == everyone
    assert 8 <= len(validation) <= 28  # a fifth of 89, within three standard deviations


def test_batches_come_from_one_day_and_are_even_in_size(data: WindowData) -> None:
    batches = ids_of(data.epoch(3, 8))
    assert len(batches) == data.steps(8)
    sizes: dict[int, list[int]] = {}
    for ids in batches:
        (day,) = {i // 1000 for i in ids}
        sizes.setdefault(day, []).append(len(ids))
    assert all(max(day) - min(day) <= 1 and max(day) <= 8 for day in sizes.values())
    order = [ids[0] // 1000 for ids in batches]
    assert order != sorted(order)


def test_batches_of_one_surface_are_its_part_of_a_batch_but_never_tiny(
    data: WindowData, shards: list[Shard], declarations: Declarations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "_FEWEST", 6)
    apart = WindowData(shards, declarations, validation_fraction=0.2, seed=5, by_surface=True)
    batches = ids_of(apart.epoch(1, 16))
    everyone = sorted(i for ids in ids_of(data.epoch(1, 16)) for i in ids)
    assert sorted(i for ids in batches for i in ids) == everyone
    assert all(len({i % 2 for i in ids}) == 1 for ids in batches)  # even ids are of home_feed
    assert max(map(len, batches)) == 8  # half of a day's requests are of each surface
    assert len(batches) == apart.steps(16)
    assert max(map(len, ids_of(apart.epoch(1, 8)))) == 6


def test_an_epoch_is_decided_by_seed_and_number(
    data: WindowData, shards: list[Shard], declarations: Declarations
) -> None:
    again = WindowData(shards, declarations, validation_fraction=0.2, seed=5)
    other = WindowData(shards, declarations, validation_fraction=0.2, seed=6)
    first = ids_of(data.epoch(1, 8))
    assert first == ids_of(again.epoch(1, 8))
    assert first != ids_of(data.epoch(2, 8))
    assert first != ids_of(other.epoch(1, 8))


def test_a_requests_side_of_the_split_does_not_depend_on_the_window(
    data: WindowData, shards: list[Shard], declarations: Declarations
) -> None:
    alone = WindowData(shards[:1], declarations, validation_fraction=0.2, seed=5)
    whole = [i for ids in ids_of(data.validation(8)) for i in ids if i < 1000]
    assert whole == [i for ids in ids_of(alone.validation(100)) for i in ids]


def test_the_split_takes_its_fraction() -> None:
    mixed = _mix(np.arange(100_000, dtype=np.uint64), seed=0)
    assert (mixed < np.uint64(int(0.05 * 2.0**64))).mean() == pytest.approx(0.05, abs=0.003)
    # splitmix64's published first output for state 0
    assert _mix(np.zeros(1, np.uint64), seed=0)[0] == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("piece", [2, 2**18])
def test_base_rates_are_the_mean_scores_of_the_training_requests(
    shard: Shard, declarations: Declarations, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "_PIECE", piece)
    # Seed 1 keeps request 11 alone for validation: the rates are those of requests 10 and 12, by hand.
    data = WindowData([shard], declarations, validation_fraction=0.3, seed=1)
    assert [batch.candidate.tolist() for batch in data.validation(8)] == [[0]]
    nan = float("nan")
    expected = [[nan, nan], [nan, nan], [(0.25 + 0.375) / 2, (0.125 + 0.25) / 2], [(0.75 + 0.5) / 2, nan]]
    torch.testing.assert_close(data.base_rates(), torch.tensor(expected, dtype=torch.float64), equal_nan=True)


def test_labels_that_are_not_final_teach_nothing(shards: list[Shard], declarations: Declarations) -> None:
    """Days of age 3, 2 and 1 at the end of the window, of labels that are final after two."""
    tasks = [task.model_copy(update={"learn_from": "actions"}) for task in declarations.domains.tasks]
    tasks[1] = tasks[1].model_copy(update={"maturity": 2})
    domains = declarations.domains.model_copy(update={"tasks": tuple(tasks)})
    acting = declarations.model_copy(update={"domains": domains})
    taught = [replace(one, teacher=torch.ones(one.candidates, 2)) for one in shards]
    data = WindowData(taught, acting, validation_fraction=0.2, seed=5)
    known: dict[int, set[bool]] = {}
    for batch in (*data.epoch(1, 8), *data.validation(8)):
        (day,) = {i // 1000 for i in ids_of([batch])[0]}
        assert not batch.teacher[:, 0].isnan().any()
        known.setdefault(day, set()).update(batch.teacher[:, 1].isfinite().tolist())
    assert known == {0: {True}, 1: {True}, 2: {False}}


def test_a_day_weighs_half_as_much_for_each_half_life_of_its_age(
    data: WindowData, shards: list[Shard], declarations: Declarations
) -> None:
    aged = WindowData(shards, declarations, validation_fraction=0.2, seed=5, half_life_days=2)
    for batches, weights in ((data, [1, 1, 1]), (aged, [0.5, 0.5**0.5, 1])):
        for batch in (*batches.epoch(1, 8), *batches.validation(8)):
            assert batch.weight == weights[ids_of([batch])[0][0] // 1000]


def test_requests_without_candidates_are_left_out(shard: Shard, declarations: Declarations) -> None:
    data = WindowData([shard], declarations, validation_fraction=0.3, seed=1)
    assert sum(sum(batch.query.counts) for batch in data.epoch(0, 1)) == 2


def test_an_empty_side_of_the_split_is_refused(shard: Shard, declarations: Declarations) -> None:
    with pytest.raises(ConfigError, match=r"1e-09 splits the requests of 1 day\(s\) into 3 .* and 0 for"):
        WindowData([shard], declarations, validation_fraction=1e-9, seed=0)
    with pytest.raises(ConfigError, match=r"0\.3 with sample_fraction 1e-09 splits .* into 0 for training"):
        WindowData([shard], declarations, validation_fraction=0.3, seed=1, sample_fraction=1e-9)


def test_a_window_is_named_by_its_shards(logs: Path, tmp_path: Path, declarations: Declarations) -> None:
    refs = [extract_day(LogSource(logs), day, declarations, tmp_path / "shards") for day in DAYS[:2]]
    name = window_fingerprint(refs)
    assert window_fingerprint(refs[::-1]) == name
    assert window_fingerprint([ref.model_copy(update={"reused": True, "path": "/x"}) for ref in refs]) == name
    assert window_fingerprint(refs[:1]) != name
    assert window_fingerprint([refs[0], refs[1].model_copy(update={"fingerprint": "0"})]) != name


def test_a_sample_is_a_share_of_the_training_requests_and_leaves_validation_alone(
    data: WindowData, shards: list[Shard], declarations: Declarations
) -> None:
    def sampled(seed: int) -> WindowData:
        return WindowData(shards, declarations, validation_fraction=0.2, seed=seed, sample_fraction=0.5)

    everyone = {i for ids in ids_of(data.epoch(0, 8)) for i in ids}
    half = {i for ids in ids_of(sampled(5).epoch(0, 8)) for i in ids}
    assert half < everyone
    assert abs(len(half) / len(everyone) - 0.5) < 0.2
    assert ids_of(sampled(5).validation(8)) == ids_of(data.validation(8))
    assert sampled(5).steps(8) == len(ids_of(sampled(5).epoch(0, 8)))
    other = {i for ids in ids_of(sampled(6).epoch(0, 8)) for i in ids}
    both = {i for ids in ids_of(sampled(6).validation(8)) for i in ids} | {
        i for ids in ids_of(data.validation(8)) for i in ids
    }
    assert half - both == other - both  # the sample does not follow the seed
