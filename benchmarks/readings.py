"""Readings of the paper that are no options of the model: `python -m benchmarks.readings --as-of 2026-01-25`.

The paper leaves open what the SE block does to a field and whether a dot product gets a bias. Each reading is the
preset's model with a part held still, trained as the daily job trains, and judged on the validation requests by the
LogMAE against the teacher, as the mean over slices. The held-out day is not read.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

import torch
from rich.console import Console
from torch import Tensor

from benchmarks.runs import extracted, window_parser, window_plan
from benchmarks.tune import validation_logmae
from mtmd.model.adaptation import DomainFields
from mtmd.model.ranker import RankingModel
from mtmd.model.two_tower import MTMD
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.store.files import write_text
from mtmd.train import trainer
from mtmd.train.stage import window_data
from mtmd.train.trainer import fit

Change = Callable[[MTMD], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = window_parser("readings", __doc__).parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    plan = window_plan(options)
    window = extracted(plan, plan.days)
    rows: list[tuple[Cell, ...]] = []
    for name, change in READINGS.items():
        for seed in options.seeds:
            own = plan.changed(None, seed)
            data = window_data(own, window)
            with tempfile.TemporaryDirectory() as work, changed_by(change):
                model, record = fit("mtmd", data, own.preset, Path(work) / "work")
            found = fmean(validation_logmae(model, data).values())
            rows.append((name, seed, found, f"{record.best_epoch}/{len(record.epochs)}"))
            console.print(f"{name}, seed {seed}: {found:.4f}", markup=False)
    columns = (
        Column(name="reading", kind="text"),
        Column(name="seed", kind="count"),
        Column(name="LogMAE, mean of slices"),
        Column(name="best epoch", kind="text"),
    )
    table = Table(title=f"Validation LogMAE, {plan.preset.name}", columns=columns, rows=tuple(rows))
    console.print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


@contextmanager
def changed_by(change: Change) -> Iterator[None]:
    """Trainings inside begin with a model that was changed after it was built."""
    build = trainer.build_model

    def built(*arguments: object) -> RankingModel:
        model = build(*arguments)  # type: ignore[arg-type]
        assert isinstance(model, MTMD)
        change(model)
        return model

    trainer.build_model = built  # type: ignore[assignment]
    try:
        yield
    finally:
        trainer.build_model = build


def _as_it_is(model: MTMD) -> None:
    pass


def _equal_gates(model: MTMD) -> None:
    """Every field keeps the weight that the gates begin with."""
    for part in model.modules():
        if isinstance(part, DomainFields) and part.gated:
            with torch.no_grad():
                part.excite.weight.zero_()
            for parameter in (part.excite.weight, part.excite.bias, part.squeeze.weight, part.squeeze.bias):
                parameter.requires_grad_(False)


def _no_bias(model: MTMD) -> None:
    def keep_zero(base_rates: Tensor) -> None:
        model.query.bias.requires_grad_(False)

    model.initialise_bias = keep_zero  # type: ignore[method-assign]


def _fixed_bias(model: MTMD) -> None:
    model.query.bias.requires_grad_(False)


READINGS: dict[str, Change] = {
    "as it is": _as_it_is,
    "SE gates equal": _equal_gates,
    "no bias": _no_bias,
    "bias fixed at the base rate": _fixed_bias,
}


if __name__ == "__main__":
    raise SystemExit(main())
