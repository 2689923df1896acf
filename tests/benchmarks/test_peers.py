"""Peers on the tiny platform; what needs a peer's library is skipped, with a word, where it is not installed."""

import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from benchmarks.peers import catalogue
from benchmarks.peers.__main__ import main
from benchmarks.peers.catalogue import PEERS, build_peer, chosen_peers, installed, missing_note
from benchmarks.peers.features import Moments, PairColumns, Peer, SideColumns, WindowMoments, window_moments
from benchmarks.peers.flops import pair_flops
from benchmarks.peers.sizes import peer_sizes
from benchmarks.peers.table import tuning_table
from benchmarks.peers.train import fit_peer, make_optimizer, validation_kl
from mtmd.batch import Batch
from mtmd.config import Preset
from mtmd.data import WindowData, extract_day, open_shard
from mtmd.errors import ConfigError, TrainingError
from mtmd.training import bernoulli_kl
from tests.conftest import FIRST_DAY, TINY
from tests.training.windows import with_training

BATCH = 128
AS_OF = FIRST_DAY + timedelta(days=3)


@pytest.fixture(scope="module")
def window(tiny_preset: Preset, tiny_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> WindowData:
    """Three days."""
    shards = tmp_path_factory.mktemp("shards")
    days = [FIRST_DAY + timedelta(days=n) for n in range(3)]
    refs = [extract_day(tiny_logs, day, tiny_preset.declarations, shards) for day in days]
    opened = [open_shard(Path(ref.path)) for ref in refs]
    return WindowData(opened, tiny_preset.declarations, validation_fraction=0.05, seed=0)


@pytest.fixture(scope="module")
def moments(window: WindowData) -> WindowMoments:
    return window_moments(window, BATCH)


@pytest.fixture(scope="module")
def batch(window: WindowData) -> Batch:
    return next(window.validation(BATCH))


@pytest.fixture(scope="module")
def columns(tiny_preset: Preset, moments: WindowMoments) -> PairColumns:
    return PairColumns(tiny_preset.declarations, moments)


@pytest.fixture(params=PEERS)
def name(request: pytest.FixtureRequest) -> str:
    """Every peer whose library is installed."""
    peer = str(request.param)
    if not installed(peer):
        pytest.skip(missing_note([peer]) or peer)
    return peer


class Lookup(Peer):
    """A peer without a library: a logit per surface and task."""

    def __init__(self, columns: PairColumns, tasks: int) -> None:
        super().__init__()
        self.columns = columns
        self.table = torch.nn.Embedding(columns.query.sizes["surface"], tasks)

    def forward(self, batch: Batch) -> torch.Tensor:
        return torch.nn.functional.logsigmoid(self.table(self.columns(batch)["surface"]))

    def initialise_bias(self, base_rates: torch.Tensor) -> None:
        torch.nn.init.constant_(self.table.weight, -3.0)


class Seen:
    """A window that validates on what it trains on: whether a peer learns must not hang on a handful of requests."""

    def __init__(self, window: WindowData) -> None:
        self.epoch, self.steps, self.base_rates = window.epoch, window.steps, window.base_rates

    def validation(self, batch_requests: int) -> Iterator[Batch]:
        return self.epoch(1, batch_requests)


# ---- the data path: no library needed


def test_operations_of_a_pair_are_counted_by_hand(
    tiny_preset: Preset, columns: PairColumns, window: WindowData
) -> None:
    """A pair of one request and one ad: 2 · 3 · 5 operations of the linear layer; a lookup multiplies nothing."""

    class Linear(Lookup):
        def __init__(self) -> None:
            super().__init__(columns, 3)
            self.linear = torch.nn.Linear(3, 5)

        def forward(self, batch: Batch) -> torch.Tensor:
            assert (len(batch.query.continuous), len(batch.item.continuous), len(batch.teacher)) == (1, 1, 1)
            assert sum(batch.query.counts) == sum(batch.item.counts) == 1
            return self.linear(super().forward(batch))

    assert pair_flops(Linear(), window.shards[0], tiny_preset.declarations) == 2 * 3 * 5


def test_each_pair_has_the_ids_of_its_request_and_its_ad(
    tiny_preset: Preset, window: WindowData, batch: Batch, columns: PairColumns
) -> None:
    shard = window.shards[0]  # validation starts with the oldest day
    found = columns(batch)
    request = shard.request_row[batch.candidate].long()
    ad = shard.ad_row[batch.candidate].long()
    for rows, side, matrices in ((request, "query", shard.query), (ad, "item", shard.item)):
        schema = getattr(tiny_preset.declarations, side)
        for place, feature in enumerate(schema.categorical):
            assert torch.equal(found[f"{side}_{feature.name}"], matrices.categorical[rows, place].long())
    assert torch.equal(found["surface"], shard.surface[request].long())
    assert torch.equal(found["product"], shard.product[ad].long())
    assert torch.equal(found["surface"] * 2 + found["product"], batch.pair_domain)


def test_missing_ids_stay_0_and_all_ids_fit_their_tables(batch: Batch, columns: PairColumns) -> None:
    found = columns(batch)
    sizes = columns.query.sizes | columns.item.sizes
    assert all(int(found[name].min()) >= 0 and int(found[name].max()) < size for name, size in sizes.items())
    only_search = found["query_query_term"][found["surface"] != 1]
    assert len(only_search)
    assert not only_search.any()


def test_numbers_are_standardised_and_missing_ones_are_the_mean(
    window: WindowData, batch: Batch, columns: PairColumns
) -> None:
    shard, found = window.shards[0], columns(batch)
    rows = shard.request_row[batch.candidate].long()
    raw = torch.cat([shard.query.continuous, shard.query.embedding], dim=1)[rows]
    numbers = found["query_numbers"]
    assert raw.isnan().any()
    assert not numbers.isnan().any()
    assert not numbers[raw.isnan()].any()
    back = numbers / columns.query.inverse + columns.query.mean
    torch.testing.assert_close(back[~raw.isnan()], raw[~raw.isnan()], rtol=1e-4, atol=1e-4)


def test_moments_are_of_the_training_requests_alone(window: WindowData, moments: WindowMoments) -> None:
    seen = torch.cat([b.query.continuous for b in window.epoch(1, BATCH)]).double()
    torch.testing.assert_close(
        moments.query.mean[: seen.shape[1]].double(), seen.nanmean(dim=0), rtol=1e-4, atol=1e-4
    )
    spread = (seen - seen.nanmean(dim=0)).square().nanmean(dim=0).sqrt()
    torch.testing.assert_close(
        moments.query.deviation[: seen.shape[1]].double(), spread, rtol=1e-3, atol=1e-3
    )


def test_a_column_without_a_spread_is_0(tiny_preset: Preset, batch: Batch) -> None:
    width = batch.item.continuous.shape[1] + batch.item.embedding.shape[1]
    side = SideColumns(tiny_preset.declarations.item, Moments(torch.zeros(width), torch.zeros(width)))
    assert not side(batch.item)["item_numbers"].any()


def test_labels_are_the_teacher_scores_and_octr_is_masked_on_shopping(
    window: WindowData, batch: Batch, columns: PairColumns
) -> None:
    shopping = columns(batch)["product"] == 1
    assert torch.equal(batch.teacher[:, :2], window.shards[0].teacher[batch.candidate, :2])
    assert torch.equal(batch.teacher[:, 2].isnan(), shopping)
    log_p = torch.full_like(batch.teacher, -1.0, requires_grad=True)
    bernoulli_kl(log_p, batch.teacher).sum().backward()  # type: ignore[no-untyped-call]
    assert log_p.grad is not None
    assert not log_p.grad[shopping, 2].any()
    assert log_p.grad[~shopping, 2].all()


# ---- training


def test_training_lowers_the_validation_kl_and_keeps_the_best_epoch(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    model = Lookup(columns, 3)
    seen: list[float] = []
    fit = fit_peer(model, window, tiny_preset, 0.05, "float32", lambda epoch, kl, speed: seen.append(kl))
    assert fit.epochs == len(seen) == tiny_preset.training.epochs
    assert fit.validation_kl == min(seen) == seen[fit.best_epoch - 1]
    assert seen[-1] < seen[0]
    assert validation_kl(model, window, tiny_preset) == pytest.approx(fit.validation_kl)
    assert not model.training


def test_training_stops_when_patience_is_out(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    preset = with_training(tiny_preset, epochs=20, patience=1, warmup_fraction=0.0)
    fit = fit_peer(Lookup(columns, 3), window, preset, 5.0, "float32")  # far too large a step
    assert fit.epochs == fit.best_epoch + 1 < 20


def test_a_loss_that_is_not_finite_ends_the_training(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    model = Lookup(columns, 3)
    model.initialise_bias = lambda base_rates: model.table.weight.data.fill_(torch.nan)  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"Lookup: loss nan .* epoch 1, step 1"):
        fit_peer(model, window, tiny_preset, 1e-3, "float32")


def test_a_validation_slice_without_a_task_ends_the_training(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    seen = Seen(window)
    seen.validation = lambda batch_requests: iter(())  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"Lookup: validation KL nan after epoch 1"):
        fit_peer(Lookup(columns, 3), seen, tiny_preset, 1e-3, "float32")


def test_weights_of_linear_layers_decay_and_tables_have_their_own_rate(tiny_preset: Preset) -> None:
    model = torch.nn.Sequential(
        torch.nn.Embedding(5, 4), torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1)
    )
    training = tiny_preset.training.model_copy(update={"embedding_rate": 4.0})
    groups = make_optimizer(model, training).param_groups
    linear, tables, others = [[tuple(p.shape) for p in group["params"]] for group in groups]
    assert (linear, tables) == ([(3, 4), (1, 3)], [(5, 4)])
    assert sorted(others) == [(1,), (3,), (3,), (3,)]  # two biases, BatchNorm's two
    assert [group["weight_decay"] for group in groups] == [training.weight_decay, 0.0, 0.0]
    assert [group["rate"] for group in groups] == [1.0, 4.0, 1.0]


def test_tables_move_by_the_embedding_rate_times_as_far(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    def moved(embedding_rate: float) -> float:
        model = Lookup(columns, 3)
        fit_peer(model, window, with_training(tiny_preset, embedding_rate=embedding_rate), 1e-4, "float32")
        return float((model.table.weight.detach() + 3.0).abs().mean())  # -3.0 is where it starts

    # Adam's steps are as long as the rate says, whatever the gradient.
    assert moved(8.0) == pytest.approx(8.0 * moved(1.0), rel=0.1)


# ---- what is installed, and the command line


def test_the_extra_asks_for_what_the_catalogue_needs() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    extra = project["project"]["optional-dependencies"]["peers"]
    assert set(extra) == {entry.library.requirement for entry in PEERS.values()}


def test_missing_libraries_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda module: None)
    note = missing_note(["rechub-ple", "deepctr-ple"])
    assert note is not None
    assert "left out: rechub-ple, deepctr-ple" in note
    assert note.endswith("-m pip install 'torch-rechub>=0.9' 'deepctr-torch>=0.3'")
    assert main(["--preset", TINY, "--as-of", "2026-01-04"]) == 1
    assert "there is nothing to compare with" in capsys.readouterr().out


def test_nothing_is_noted_when_all_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda module: object())
    assert missing_note(list(PEERS)) is None


def test_the_command_goes_on_with_the_libraries_that_are_there(
    tiny_logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch_rechub", reason="torch-rechub is not installed")
    monkeypatch.setattr(
        catalogue, "find_spec", lambda module: None if module == "deepctr_torch" else object()
    )
    arguments = [
        "--preset",
        TINY,
        "--logs",
        str(tiny_logs),
        "--as-of",
        AS_OF.isoformat(),
        "--window-days",
        "3",
    ]
    arguments += ["--only", "rechub-two-tower", "deepctr-mmoe", "--epochs", "1", "--without-own"]
    arguments += ["--threads", str(torch.get_num_threads()), "--artifacts", str(tmp_path)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "not installed, left out: deepctr-mmoe" in shown
    assert "| rows | rechub-two-tower | constant |" in shown


def test_an_unknown_peer_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\['dlrm'\] are not known; use some of \['rechub-mmoe'"):
        chosen_peers(["dlrm"])


@pytest.mark.parametrize("pair", ["rechub-ple", "rechub-ple=fast", "rechub-ple=-1", "dlrm=1e-3"])
def test_a_wrong_learning_rate_is_refused(pair: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--preset", TINY, "--as-of", "2026-01-04", "--learning-rate", pair]) == 1
    assert f"learning rate '{pair}' must be" in " ".join(capsys.readouterr().out.split())


def test_the_tuning_table_has_a_rate_per_column() -> None:
    table = tuning_table({"a": {1e-3: 0.01, 2e-3: 0.02}, "b": {2e-3: 0.03}}, epochs=2)
    assert [column.name for column in table.columns] == ["peer", "0.001", "0.002"]
    assert table.texts() == [["a", "0.01000", "0.02000"], ["b", "–", "0.03000"]]


# ---- the peers themselves


def test_a_peer_scores_every_pair_and_starts_at_the_base_rates(
    name: str, tiny_preset: Preset, window: WindowData, moments: WindowMoments, batch: Batch
) -> None:
    peer = build_peer(name, tiny_preset, moments)
    peer.initialise_bias(window.base_rates())
    with torch.no_grad():
        log_p = peer.eval()(batch)
    assert log_p.shape == batch.teacher.shape
    assert log_p.dtype == torch.float32
    assert bool((log_p < 0).all())
    rates = window.base_rates().nanmean(dim=0)
    assert log_p.mean(dim=0).exp().tolist() == pytest.approx(rates.tolist(), rel=0.6)


def test_a_peer_reads_each_side(name: str, tiny_preset: Preset, moments: WindowMoments, batch: Batch) -> None:
    peer = build_peer(name, tiny_preset, moments).train()
    peer(batch).sum().backward()
    tables = [module for module in peer.modules() if isinstance(module, torch.nn.Embedding)]
    assert len(tables) == len(peer_tables(tiny_preset))
    assert sorted(len(table.weight) for table in tables) == sorted(peer_tables(tiny_preset))
    assert all(table.weight.grad is not None and table.weight.grad.any() for table in tables)
    assert peer.embedding_parameter_count == sum(table.weight.numel() for table in tables)


def peer_tables(preset: Preset) -> list[int]:
    """Rows of every table: ids with 0 = missing, and the two domains."""
    features = preset.declarations.query.categorical + preset.declarations.item.categorical
    domains = [len(preset.domains.surfaces), len(preset.domains.products)]
    return [feature.buckets + 1 for feature in features if feature.buckets is not None] + domains


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone(
    name: str, tiny_preset: Preset, moments: WindowMoments
) -> None:
    state = torch.get_rng_state()
    first, second = (build_peer(name, tiny_preset, moments).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(state, torch.get_rng_state())


def test_training_a_peer_helps(
    name: str, tiny_preset: Preset, window: WindowData, moments: WindowMoments
) -> None:
    peer = build_peer(name, tiny_preset, moments)
    peer.initialise_bias(window.base_rates())
    seen, preset = Seen(window), with_training(tiny_preset, epochs=15, patience=15)
    before = validation_kl(peer, seen, preset)
    fit = fit_peer(peer, seen, preset, 0.01, "float32")
    assert fit.validation_kl < 0.5 * before
    assert fit.rows_per_s > 0


def test_deepctr_refuses_more_shared_experts_than_it_makes(tiny_preset: Preset, columns: PairColumns) -> None:
    deepctr = pytest.importorskip("benchmarks.peers.deepctr", reason="deepctr-torch is not installed")
    sizes = peer_sizes(tiny_preset)._replace(shared=2)
    with pytest.raises(ConfigError, match=r"shared experts \(2\) must not be more than a task's own \(1\)"):
        deepctr.ple(columns, tiny_preset.domains.task_names, sizes, seed=0)


def test_the_command_compares_and_tunes(
    name: str, tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", AS_OF.isoformat(), "--window-days", "3"]
    common += ["--epochs", "1", "--only", name, "--threads", str(torch.get_num_threads())]
    common += ["--artifacts", str(tmp_path / "artifacts")]
    assert main([*common, "--tune", "--rate", "1e-3", "1e-2"]) == 0
    assert "| peer | 0.001 | 0.01 |" in capsys.readouterr().out
    output = tmp_path / "table.md"
    assert main([*common, "--learning-rate", f"{name}=0.01", "--output", str(output)]) == 0
    lines = [line.split(" | ") for line in output.read_text(encoding="utf-8").splitlines() if " | " in line]
    assert lines[0][4:] == ["mtmd", "per_slice", "pooled", name, "constant |"]
    labels = [line[0].removeprefix("| ") for line in lines]
    assert {"home_feed", "all", "mtmd against it", "parameters", "training rows/s", "validation KL"} <= set(
        labels
    )
    rates = next(line for line in lines if line[0] == "| learning rate")
    assert rates[7] == "0.01"
    assert {len(line) for line in lines} == {len(lines[0])}
