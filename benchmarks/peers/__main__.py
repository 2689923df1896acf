"""MTMD beside torch-rechub's and deepctr-torch's multi-task models: `python -m benchmarks.peers --as-of 2026-01-25`.

All see the same rows, features and teacher scores, train for the same epochs on the same schedule, and keep the epoch
that is best on the same validation requests; then all are held against the same held-out day. MMOE and PLE read flat
(request, ad) pairs, with features of both sides in one network: no dot product can serve them, and they are there as a
reference.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.peers.catalogue import PEERS, build_peer, chosen_peers, installed, missing_note
from benchmarks.peers.features import Peer, window_moments
from benchmarks.peers.flops import pair_flops
from benchmarks.peers.options import add_recipe_options, learning_rates, require_widths
from benchmarks.peers.own import OWN, own_model
from benchmarks.peers.table import Cost, comparison_table, tuning_table
from benchmarks.peers.train import PeerFit, fit_peer
from benchmarks.runs import as_trained, extracted, plan_of, require_no_distillation, told
from mtmd.config import Preset, load_preset
from mtmd.errors import ConfigError
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import predict_constant, score_day, window_medians
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.extract.window import WindowData
from mtmd.report.tables.evaluation import Table
from mtmd.run import RunPlan
from mtmd.store.files import write_text
from mtmd.train.stage import window_data
from mtmd.train.step import Precision, choose_precision

RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)  # what --tune tries

Predictions = dict[str, NDArray[np.floating]]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison or the tuning; exit status 1 when nothing is left to compare or the logs are wrong."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    table = _run(options, console)
    text = table.markdown()
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def _run(options: argparse.Namespace, console: Console) -> Table:
    chosen = chosen_peers(options.only)
    rates = learning_rates(options, chosen)
    require_widths(options.widths)
    plan = _plan(options)
    if note := missing_note(chosen):
        console.print(note, markup=False)
    present = [name for name in chosen if installed(name)]
    if not present:
        raise ConfigError(f"none of {list(chosen)} is installed; there is nothing to compare with")
    window = extracted(plan, plan.days)
    bench = _Bench(plan.preset, window_data(plan, window), options.precision, options.widths, console)
    if options.tune:
        return bench.tune(present, options.rate or RATES)
    return _compare(plan, window, bench, {name: rates[name] for name in present}, own=not options.without_own)


def _compare(
    plan: RunPlan, window: Sequence[ShardRef], bench: "_Bench", rates: dict[str, float], *, own: bool
) -> Table:
    """Train everything and hold it against the held-out day."""
    preset = plan.preset
    shard = open_shard(Path(extracted(plan, [plan.as_of])[0].path))
    day = HeldOutDay.of(shard, preset.declarations)
    predictions: Predictions = {}
    costs: dict[str, Cost] = {}
    for kind in OWN if own else ():
        predictions[kind], costs[kind] = own_model(plan, kind, window, shard, bench.say)
    for name, rate in rates.items():
        model, fit = bench.fit(name, rate)
        predictions[name] = score_day(model, shard, preset.declarations)
        flops = pair_flops(model, shard, preset.declarations)
        costs[name] = _cost(name, model, fit, rate, bench.precision(name), flops)
    chosen = preset.evaluation.rows == "chosen"
    medians = window_medians(bench.data.shards, preset.declarations, chosen=chosen)
    predictions["constant"] = predict_constant(medians, day)
    report = evaluate_predictors(
        plan.as_of,
        preset.declarations,
        day,
        predictions,
        preset.evaluation,
        candidate=next(iter(predictions)),
    )
    return comparison_table(report, costs)


class _Bench:
    """The window that every peer trains on, and how."""

    def __init__(
        self,
        preset: Preset,
        data: WindowData,
        precision: str | None,
        widths: Sequence[int],
        console: Console,
    ) -> None:
        self.data, self._preset, self._console = data, preset, console
        self._precision, self._widths = precision, widths
        self._moments = window_moments(data, preset.training.batch_requests)

    def precision(self, name: str) -> Precision:
        """What the peer is trained in."""
        wanted = self._precision or PEERS[name].precision
        return choose_precision(self._preset.training.model_copy(update={"precision": wanted}))

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def fit(self, name: str, rate: float) -> tuple[Peer, PeerFit]:
        """Train one peer, a line per epoch."""
        model = build_peer(name, self._preset, self._moments, self._widths)

        def on_epoch(epoch: int, kl: float, speed: float) -> None:
            self.say(
                f"{name}: epoch {epoch}, learning rate {rate:g}, validation KL {kl:.5f}, {speed:,.0f} rows/s"
            )

        return model, fit_peer(model, self.data, self._preset, rate, self.precision(name), on_epoch)

    def tune(self, names: Sequence[str], rates: Sequence[float]) -> Table:
        """Validation KL of each peer at each learning rate."""
        found = {name: {rate: self.fit(name, rate)[1].validation_kl for rate in rates} for name in names}
        return tuning_table(found, self._preset.training.epochs)


def _cost(name: str, model: Peer, fit: PeerFit, rate: float, precision: Precision, flops: int) -> Cost:
    return Cost(
        input=PEERS[name].input,
        parameters=model.parameter_count,
        pair_flops=flops,
        rows_per_s=fit.rows_per_s,
        validation_kl=fit.validation_kl,
        learning_rate=rate,
        epochs=f"{fit.best_epoch} of {fit.epochs}",
        precision=precision,
    )


def _plan(options: argparse.Namespace) -> RunPlan:
    preset = as_trained(load_preset(options.preset))  # peers have no such step
    require_no_distillation(preset, "our own models would learn from pairs that no peer sees")
    if options.epochs is not None:
        if options.epochs < 1:
            raise ConfigError(f"epochs ({options.epochs}) must be at least 1")
        training = preset.training.model_copy(update={"epochs": options.epochs})
        preset = preset.model_copy(update={"training": training})
    return plan_of(
        preset,
        options.as_of,
        window_days=options.window_days,
        logs=options.logs,
        artifacts=options.artifacts,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--logs", help="where the log tables are; the preset's when left out")
    parser.add_argument("--as-of", type=date.fromisoformat, required=True, help="the held-out day")
    parser.add_argument("--window-days", type=int, help="training days before it; the preset's when left out")
    parser.add_argument("--epochs", type=int, help="of every model; the preset's when left out")
    parser.add_argument("--only", nargs="+", default=(), metavar="NAME", help=", ".join(PEERS))
    add_recipe_options(parser)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--artifacts", default="artifacts", help="shards and our own models are taken from there"
    )
    parser.add_argument("--without-own", action="store_true", help="the peers alone")
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), help="instead of each peer's own"
    )
    parser.add_argument("--tune", action="store_true", help="only try learning rates on the validation slice")
    parser.add_argument("--rate", type=float, nargs="+", metavar="LR", help="what --tune tries")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
