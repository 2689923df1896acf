"""What people read of a run's stages: Markdown for flow-run artifacts, what stands out first."""

from collections.abc import Sequence

from mtmd.export.stage import Proofs
from mtmd.report.markdown.fitting import fitted
from mtmd.report.markdown.plain import code, plain
from mtmd.report.markdown.times import time_words
from mtmd.report.markdown.validation import render_markdown
from mtmd.report.page.charts import data_uri
from mtmd.report.page.curves import training_chart
from mtmd.report.tables.evaluation import Table, columns_of
from mtmd.run import RunPlan
from mtmd.train.stage import Trained
from mtmd.validate.stage import DataQuality


def data_quality(plan: RunPlan, quality: DataQuality) -> str:
    """How many days hold; failures come with counts and sample keys."""
    reused = f"{len(quality.reused)} of {len(quality.days)} days were validated by an earlier run."
    return below_heading(render_markdown(quality.validations), f"{head(plan)}. {reused}")


def training(plan: RunPlan, trained: Sequence[Trained]) -> str:
    """A summary table and each model's curves."""
    now = [model for model in trained if _is_new(model)]
    took = time_words(sum(_seconds(model) for model in now))
    table = Table(
        title="Trainings (KL: on the validation rows, in nats)",
        columns=(
            *columns_of("text", ("model", "kept epoch")),
            *columns_of("number", ("validation KL", "time", "rows/s")),
            *columns_of("text", ("made",)),
        ),
        rows=tuple(_training_row(plan, model) for model in trained),
    )
    sizes = [
        f"- {model.kind}: {model.fit.parameters:,} parameters, {model.fit.embedding_parameters:,} of them in "
        f"embeddings; {model.fit.precision}"
        for model in trained
    ]
    curves = []
    for model in trained:
        chart = training_chart(f"{model.kind}: weighted KL, dashed = kept epoch", model.fit)
        curves += [f"![training curve of {model.kind}]({data_uri(chart)})", ""]
    words = f"{len(now)} of {len(trained)} models trained now, in {took}" if now else "every model was reused"
    return "\n".join([f"## ✓ Training: {words}", "", head(plan), "", fitted(table), *sizes, "", *curves])


def _training_row(plan: RunPlan, model: Trained) -> tuple[str, ...]:
    fit = model.fit
    best = fit.epochs[fit.best_epoch - 1].validation_loss
    ended = "stopped early" if fit.stopped_early else "ran to the end"
    return (
        model.kind,
        f"{fit.best_epoch} of {len(fit.epochs)}, {ended}",
        f"{best:.5f}",
        time_words(_seconds(model)),
        f"{fit.rows_per_s:,.0f}",
        _when(plan, model),
    )


def _seconds(model: Trained) -> float:
    return model.fit.seconds


def _is_new(model: Trained) -> bool:
    return model.last is None and not model.reused


def _when(plan: RunPlan, model: Trained) -> str:
    """Whether this run trained a model, or how old it is."""
    if model.last is not None:
        days = (plan.as_of - model.last).days
        return f"of an earlier day: its window ends {model.last}, {days} days before as_of"
    return "reused" if model.reused else "trained now"


def parity(plan: RunPlan, proofs: Proofs) -> str:
    """The fresh process, then torch against onnxruntime, file by file and batch size by batch size."""
    fresh, day = proofs.fresh_process, proofs.parity.day
    passed = proofs.parity.passed and fresh.passed
    rows = [
        (
            file.file,
            f"{file.batch_size}",
            f"{file.rows:,}",
            f"{file.scores:,}",
            _delta(file.embedding_delta),
            _delta(file.score_delta),
        )
        for file in proofs.parity.files
    ]
    rows.append(("held-out candidates", "–", f"{day.candidates:,}", "–", "–", _delta(day.score_delta)))
    columns = (
        *columns_of("text", ("file",)),
        *columns_of("number", ("batch", "rows", "scores", "max Δ embedding", "max Δ score")),
    )
    lines = [
        f"## {'✓' if passed else '✗'} Parity {_holds(proofs.parity.passed)}, fresh process {_answers(fresh.passed)}",
        "",
        head(plan),
        "",
        f"- {_mark(proofs.parity.passed)} **Parity {_holds(proofs.parity.passed)}**: {plain(proofs.parity.worst)}",
        f"- {_mark(fresh.passed)} **Fresh process {_answers(fresh.passed)}**: {plain(fresh.detail)}",
    ]
    if not proofs.parity.files:  # one of them could not be run: nothing was compared
        return "\n".join([*lines, ""])
    lines += [
        f"- top {day.top_k}: {day.identical:,} of {day.rankings:,} rankings are the same ad by ad; "
        f"{day.disagreements} differ by more than ties",
        "",
        fitted(
            Table(title="Torch beside onnxruntime: largest differences", columns=columns, rows=tuple(rows))
        ),
    ]
    return "\n".join(lines)


def _mark(good: bool) -> str:
    return "✓" if good else "✗"


def _holds(good: bool) -> str:
    return "holds" if good else "FAILED"


def _answers(good: bool) -> str:
    return "answers" if good else "FAILED"


def below_heading(markdown: str, line: str) -> str:
    """The same with a line between the heading and the rest."""
    heading, _, rest = markdown.partition("\n\n")
    return "\n\n".join([heading, line, rest])


def head(plan: RunPlan) -> str:
    """Which day, window, preset and logs."""
    left_out = "".join(f", without {day}: {plain(why)}" for day, why in plan.left_out.items())
    return (
        f"as_of **{plan.as_of}**, window {plan.days[0]} to {plan.days[-1]} ({len(plan.days)} days{left_out}), "
        f"preset {plan.preset.name}, logs {code(plan.logs)}"
    )


def _delta(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.1e}"
