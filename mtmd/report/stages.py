"""The sections of a run about its stages: data, training, ablations and exported files; an artifact has one each."""

from collections.abc import Iterable, Sequence
from datetime import date

from mtmd.config import Slice, Variant, variants
from mtmd.evaluate.ablation import Ablation, contributions
from mtmd.evaluate.metrics import error_at
from mtmd.evaluate.report import EVERYTHING, EvaluationReport
from mtmd.export.stage import Proofs
from mtmd.extract.shards import Days
from mtmd.report.document import Block, Fold, Item, Items, Kind, Picture, Section, line_chart
from mtmd.report.evaluation import ALL_TASKS, bucket_columns, noise_words
from mtmd.report.tables import Cell, Column, Table, columns_of, time_words
from mtmd.train.stage import Trained
from mtmd.validate.results import ExpectationResult
from mtmd.validate.stage import DataQuality


def ablations(ablated: Ablation | None) -> Section:
    """What each factor contributes (paper Table 6), over all tasks; then task by task."""
    blocks: list[Block] = []
    if ablated is not None:
        blocks.append(Items([Item("bad", "not compared", why) for why in ablated.missing]))
        places = (EVERYTHING, *ablated.reports[0].aggregates)
        known = variants(ablated.reports[0].candidate).values()
        first, *others = [factors_table(ablated.reports, known, where) for where in places]
        blocks += [first, Fold("Task by task", others)] if first.rows else []
    return Section(
        anchor="ablations",
        title="Ablations",
        order=50,
        lead=f"seeds {', '.join(map(str, ablated.seeds))}"
        if ablated
        else "No variants are trained for this run yet",
        blocks=blocks,
        how="Improvement of the error with a factor over without it, the rest the same; positive means that it helps.",
    )


def factors_table(
    reports: Sequence[EvaluationReport], variants: Iterable[Variant], where: Slice = EVERYTHING
) -> Table:
    """What each factor contributes, with the columns of the paper's Table 6; the last one says what chance explains."""
    seeds = f"{len(reports)} seeds"
    if len(reports) == 1:
        seeds = f"one seed: below {noise_words(reports[0])} is noise, which the intervals do not know of"
    task, error = ALL_TASKS if where == EVERYTHING else where.task, error_at(reports[0], where).label
    return Table(
        title=f"Contribution to {error} by rank bucket (0 = top), {task}, {reports[0].as_of}, {seeds}",
        columns=(
            *columns_of("text", ("factor",)),
            *bucket_columns(reports[0]),
            *columns_of("text", ("verdict",)),
        ),
        rows=tuple(
            (one.factor, *one.improvements, one.verdict) for one in contributions(reports, variants, where)
        ),
    )


def training(trained: Sequence[Trained], start: str = "") -> Section:
    """A summary table, and the losses on the validation rows epoch by epoch."""
    now = [model for model in trained if model.last is None and not model.reused]
    table = Table(
        title="Trainings (KL: on the validation rows, in nats)",
        columns=(
            *columns_of("text", ("model", "kept epoch")),
            *columns_of("number", ("validation KL", "time")),
            Column(name="parameters", kind="count"),
            Column(name="made", kind="text"),
        ),
        rows=tuple(_training(model) for model in trained),
    )
    losses = {model.name: [epoch.validation_loss for epoch in model.fit.epochs] for model in trained}
    title, last = "Weighted KL on the validation rows, by epoch", max(map(len, losses.values()))
    took = time_words(sum(model.fit.seconds for model in now))
    words = (
        f"{len(now)} of {len(trained)} models trained now, {took} of training"
        if now
        else "every model was reused"
    )
    return Section(
        anchor="training",
        title="Training",
        order=80,
        lead=f"{words}; {start}" if start else words,
        kind="good",
        blocks=[table, Picture(line_chart(title, losses, ("1", f"{last}")), title)],
        how="Losses are means of the task-weighted KL per epoch. The weights of the kept epoch are used.",
    )


def _training(model: Trained) -> tuple[Cell, ...]:
    """A model, its best epoch, its size, and whether this run trained it or on which days."""
    fit, made = model.fit, "reused" if model.reused else "trained now"
    if model.last is not None:
        made = f"earlier, on a window to {model.last}"
    best = fit.epochs[fit.best_epoch - 1].validation_loss
    kept = f"{fit.best_epoch} of {len(fit.epochs)}"
    return model.name, kept, best, time_words(fit.seconds), fit.parameters, made


def data(quality: DataQuality, days: Days | None = None) -> Section:
    """How many days hold, then what does not: its meaning, counts and sample keys; the days."""
    items = [
        Item("bad" if result.stops else "held", f"{one.title}: {result.table}.{result.name}", _told(result))
        for one in quality.validations
        for result in one.results
        if not result.success
    ]
    return Section(
        anchor="data",
        title="Data quality",
        order=90,
        lead=_quality_words(quality),
        kind="good" if quality.passed else "bad",
        blocks=[Items(items), *([Fold("Day by day", [_days_table(days)])] if days else [])],
        how="A critical expectation that fails stops the run; a warning is only shown. A day is compared with "
        "the earlier days that there are.",
    )


def _quality_words(quality: DataQuality) -> str:
    """`23 of 24 days hold, the window does not, 1 warning`."""
    words = f"{sum(day.passed for day in quality.days)} of {len(quality.days)} days hold"
    if quality.window is not None:
        words += f", the window {'holds' if quality.window.passed else 'does not'}"
    warnings = sum(len(one.warnings) for one in quality.validations)
    return words + (f", {warnings} warning{'s' if warnings > 1 else ''}" if warnings else "")


def warned(quality: DataQuality, day: date) -> str:
    """The first warning of a day, and how many more; empty for none."""
    found = [result for one in quality.days if one.day == day for result in one.warnings]
    if not found:
        return ""
    more = f"; {len(found) - 1} more" if found[1:] else ""
    return f"Warning, {day}: {found[0].told}{more}. {found[0].description}"


def _told(result: ExpectationResult) -> str:
    """Whether it stops the run, what goes wrong, and what was found, such as `2 unexpected: ad_id 7, price -1`."""
    rows = (", ".join(f"{key} {value}" for key, value in sample.items()) for sample in result.samples)
    found = result.message or ": ".join(filter(None, (f"{result.unexpected:,} unexpected", "; ".join(rows))))
    return f"{'stops the run' if result.stops else 'warning'}; {result.description} {found}"


def _days_table(days: Days) -> Table:
    """Each shard, the held-out one last."""
    counts = columns_of("count", ("requests", "ads", "candidates"))
    rows = tuple((f"{one.day:%a} {one.day}", one.requests, one.ads, one.candidates) for one in days.all)
    return Table(title="", columns=(Column(name="day (UTC)", kind="text"), *counts), rows=rows)


def parity(proofs: Proofs) -> Section:
    """The exported files beside the trained model, and the fresh process that answered from them."""
    found = [
        ("parity", "holds", proofs.parity.passed, proofs.parity.detail),
        ("fresh process", "answers", proofs.fresh_process.passed, proofs.fresh_process.detail),
    ]
    lead = ", ".join(f"{name} {words if passed else 'FAILED'}" for name, words, passed, _ in found)
    items = [Item("good" if passed else "bad", name, detail) for name, _, passed, detail in found]
    items += [Item("bad", "parity", other) for other in proofs.parity.others]
    kind: Kind = "good" if all(passed for _, _, passed, _ in found) else "bad"
    return Section("parity", "Exported files", 105, [Items(items)], lead=lead, kind=kind)
