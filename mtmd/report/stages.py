"""The sections of a run about its stages: data, training, ablations and exported files; an artifact has one each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

from mtmd.config import Slice, Variant, variants
from mtmd.evaluate.ablation import Contribution, contributions
from mtmd.evaluate.report import EVERYTHING, EvaluationReport
from mtmd.export.stage import Proofs
from mtmd.extract.shards import Days
from mtmd.report.charts import line_chart
from mtmd.report.document import Block, Fold, Item, Items, Picture, Section
from mtmd.report.evaluation import ALL_TASKS, bucket_columns
from mtmd.report.tables import Column, Table, columns_of, short, time_words
from mtmd.train.stage import Trained
from mtmd.validate.results import DayValidation, ExpectationResult, Status, WindowValidation

_DIGITS = 12  # of a fingerprint that tell shards apart
Validations = Sequence[DayValidation | WindowValidation]


def ablations(reports: Sequence[EvaluationReport], missing: Sequence[str]) -> Section:
    """What each factor contributes (paper Table 6), over all tasks; then task by task."""
    blocks: list[Block] = [Items([Item("bad", "not compared", why) for why in missing])] if missing else []
    if reports:
        places = (EVERYTHING, *reports[0].aggregates)
        first, *others = [factors_table(reports, variants().values(), where) for where in places]
        blocks += [first, Fold("Task by task", others)] if first.rows else []
    return Section(
        anchor="ablations",
        title="Ablations",
        order=50,
        lead="" if blocks else "No ablation variants are trained for this run yet.",
        blocks=blocks,
        how="Improvement of LogMAE with a factor over without it, the rest the same; positive means that it helps.",
    )


def factors_table(
    reports: Sequence[EvaluationReport], variants: Iterable[Variant], where: Slice = EVERYTHING
) -> Table:
    """What each factor contributes, with the columns of the paper's Table 6; the last one says what chance explains."""
    rows: dict[str, list[Contribution]] = {}
    for contribution in contributions(reports, variants, where):
        rows.setdefault(contribution.variant, []).append(contribution)
    seeds = f"{len(reports)} seeds"
    if len(reports) == 1:
        seeds = f"one seed: below {reports[0].seed_noise:.0%} is noise, which the intervals do not know of"
    task = ALL_TASKS if where == EVERYTHING else where.task
    return Table(
        title=f"Contribution to LogMAE by rank bucket (0 = top), {task}, {reports[0].as_of}, {seeds}",
        columns=(
            Column(name="factor", kind="text"),
            *bucket_columns(reports[0]),
            Column(name="verdict", kind="text"),
        ),
        rows=tuple(
            (row[0].factor, *(contribution.improvement for contribution in row), row[-1].verdict)
            for row in rows.values()
        ),
    )


def training(trained: Sequence[Trained], as_of: date, start: str = "") -> Section:
    """A summary table and each model's curves."""
    now = [model for model in trained if model.last is None and not model.reused]
    rows = []
    for model in trained:
        fit = model.fit
        best = fit.epochs[fit.best_epoch - 1].validation_loss
        numbers = f"{best:.5f}", time_words(fit.seconds), f"{fit.rows_per_s:,.0f}"
        kept = f"{fit.best_epoch} of {len(fit.epochs)}"
        rows.append((model.name, kept, *numbers, fit.parameters, fit.precision, _when(model, as_of)))
    table = Table(
        title="Trainings (KL: on the validation rows, in nats)",
        columns=(
            *columns_of("text", ("model", "kept epoch")),
            *columns_of("number", ("validation KL", "time", "rows/s")),
            *columns_of("count", ("parameters",)),
            *columns_of("text", ("precision", "made")),
        ),
        rows=tuple(rows),
    )
    took = time_words(sum(model.fit.seconds for model in now))
    words = f"{len(now)} of {len(trained)} models trained now, in {took}" if now else "every model was reused"
    return Section(
        anchor="training",
        title="Training",
        order=80,
        lead=f"{words}; {start}" if start else words,
        blocks=[table, *(_curve(model) for model in trained)],
        how="Losses are means of the task-weighted KL per epoch. The dashed line is the epoch whose weights are kept.",
    )


def _when(model: Trained, as_of: date) -> str:
    """Whether this run trained a model, or how old it is."""
    if model.last is not None:
        return f"{(as_of - model.last).days} days ago, on a window to {model.last}"
    return "reused" if model.reused else "trained now"


def _curve(model: Trained) -> Picture:
    losses: dict[str, list[float | None]] = {
        "train": [epoch.train_loss for epoch in model.fit.epochs],
        "validation": [epoch.validation_loss for epoch in model.fit.epochs],
    }
    title = f"{model.name}: weighted KL, dashed = kept epoch"
    return Picture(line_chart(title, "epoch", losses, best=model.fit.best_epoch, width=560), title)


def data(validations: Validations, days: Days | None = None, reused: int = 0) -> Section:
    """How many days hold, then what does not: its meaning, counts and sample keys; the days."""
    count = Counter(result.status for one in validations for result in one.results)
    expectations = "expectations: " + ", ".join(f"{count[status]:,} {status}" for status in Status)
    blocks: list[Block] = [
        f"{expectations}. {reused} validated by an earlier run." if reused else f"{expectations}."
    ]
    items = [
        Item("bad" if result.stops else "held", f"{one.title}: {result.table}.{result.name}", _told(result))
        for one in validations
        for result in one.results
        if result.status in {Status.FAILED, Status.RAISED}
    ]
    blocks += [Items(items)] if items else []
    blocks += [Fold("Day by day", [_days_table(days)])] if days else []
    return Section(
        anchor="data",
        title="Data quality",
        order=90,
        lead=quality_words(validations),
        kind="good" if all(one.passed for one in validations) else "bad",
        blocks=blocks,
        how="A critical expectation that fails stops the run; a warning is only shown. A day is compared with "
        "the earlier days that there are.",
    )


def quality_words(validations: Validations) -> str:
    """`23 of 24 days hold, the window does not, 1 warning`."""
    days = [one.passed for one in validations if isinstance(one, DayValidation)]
    windows = [one.passed for one in validations if isinstance(one, WindowValidation)]
    warnings = sum(len(one.warnings) for one in validations)
    parts = [
        *([f"{sum(days)} of {len(days)} days hold"] if days else []),
        *(f"the window {'holds' if holds else 'does not'}" for holds in windows),
        *([f"{warnings} warning{'s' if warnings > 1 else ''}"] if warnings else []),
    ]
    return ", ".join(parts)


def _told(result: ExpectationResult) -> str:
    """Whether it stops the run, what goes wrong, and what was found, such as `2 unexpected: ad_id 7, price -1`."""
    found = str(result.message or ("" if result.observed is None else result.observed))
    if result.unexpected is not None:
        rows = (", ".join(f"{key} {value}" for key, value in sample.items()) for sample in result.samples)
        found = ": ".join(filter(None, (f"{result.unexpected:,} unexpected", "; ".join(rows))))
    return f"{'stops the run' if result.stops else 'warning'}; {result.description} {found}"


def _days_table(days: Days) -> Table:
    """Each shard, the held-out one last."""
    rows = tuple(
        (
            *(f"{one.day:%a} {one.day}", one.requests, one.ads, one.candidates),
            short(one.fingerprint, _DIGITS + 1),
        )
        for one in days.all
    )
    columns = (
        Column(name="day (UTC)", kind="text"),
        *columns_of("count", ("requests", "ads", "candidates")),
        Column(name="shard", kind="text"),
    )
    return Table(title="", columns=columns, rows=rows)


def parity(proofs: Proofs) -> Section:
    """The exported files beside the trained model, and the fresh process that answered from them."""
    fresh, found = proofs.fresh_process, proofs.parity
    items = [
        _proof("Parity holds" if found.passed else "Parity FAILED", found.passed, found.worst),
        _proof(
            "Fresh process answers" if fresh.passed else "Fresh process FAILED", fresh.passed, fresh.detail
        ),
    ]
    return Section("parity", "Exported files", 105, [Items(items)])


def _proof(name: str, passed: bool, words: str) -> Item:
    return Item("good" if passed else "bad", name, words)
