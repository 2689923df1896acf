"""What people read of a run: Markdown for flow-run artifacts, short enough to review."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from mtmd.abtest.outcome import ABTest
from mtmd.config import variants
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.report import EVERYTHING, Estimate
from mtmd.evaluate.stage import Evaluated
from mtmd.export.stage import Proofs
from mtmd.promote.gates import RIVALS
from mtmd.promote.rollback import Republished, RolledBack
from mtmd.promote.slice_gates import GateResult, SliceFinding
from mtmd.promote.stage import RunSummary
from mtmd.registry.incumbent import Incumbent
from mtmd.report.markdown.validation import render_markdown
from mtmd.report.page.charts import data_uri
from mtmd.report.page.curves import training_chart
from mtmd.report.standing import top_words
from mtmd.report.tables.ab_test import outcome_tables
from mtmd.report.tables.ablation import factor_table
from mtmd.report.tables.buckets import bucket_table, rivals_by_bucket
from mtmd.report.tables.cold import cold_gate_table, cold_words
from mtmd.report.tables.evaluation import (
    action_table,
    cold_table,
    explored_table,
    improvement_table,
    logmae_table,
)
from mtmd.report.tables.replay import replay_table, replay_words
from mtmd.run import RunPlan
from mtmd.train.stage import Trained
from mtmd.validate.stage import DataQuality


def data_quality(plan: RunPlan, quality: DataQuality) -> str:
    """Suites by day and of the window; failures first come with counts and sample keys."""
    reused = f"{len(quality.reused)} of {len(quality.days)} days were validated by an earlier run."
    return f"{_head(plan)}\n\n{render_markdown(quality.validations)}\n{reused}\n"


def training(plan: RunPlan, trained: Sequence[Trained]) -> str:
    """A summary table and each model's curves."""
    lines = [
        _head(plan),
        "",
        "| model | epochs | best | stopped | validation KL | rows/s | parameters | in embeddings | precision | |",
        "|:--|--:|--:|:--|--:|--:|--:|--:|:--|:--|",
    ]
    for model in trained:
        fit = model.fit
        best = fit.epochs[fit.best_epoch - 1].validation_loss
        lines.append(
            f"| {model.kind} | {len(fit.epochs)} | {fit.best_epoch} "
            f"| {'early' if fit.stopped_early else 'at the end'} | {best:.5f} "
            f"| {fit.rows_per_s:,.0f} | {fit.parameters:,} | {fit.embedding_parameters:,} | {fit.precision} "
            f"| {_when(plan, model)} |"
        )
    lines.append("")
    for model in trained:
        chart = training_chart(f"{model.kind}: weighted KL, dashed = kept epoch", model.fit)
        lines += [f"![training curve of {model.kind}]({data_uri(chart)})", ""]
    return "\n".join(lines)


def _when(plan: RunPlan, model: Trained) -> str:
    """Whether this run trained a model, or how old it is."""
    if model.last is not None:
        return f"of an earlier day: its window ends {model.last}, {(plan.as_of - model.last).days} days before as_of"
    return "reused" if model.reused else "trained now"


def metrics(plan: RunPlan, evaluated: Evaluated) -> str:
    """LogMAE by slice, as the paper's Table 1, by rank bucket and of new values; real actions; what cuts would cost."""
    report, replay = evaluated.report, evaluated.replay
    against = _against(evaluated.incumbent)
    compared = ("per_slice", "pooled", "champion", "anchor")
    rivals = [name for name in compared if name in report.predictors]
    tables = [
        logmae_table(report),
        *(improvement_table(report, rival) for rival in rivals),
        rivals_by_bucket(report),
        *(bucket_table(report, rival) for rival in rivals),
        cold_table(report),
        *([explored_table(report)] if report.explored else []),
        action_table(report),
        replay_table(replay),
    ]
    return "\n".join(
        [f"{_head(plan)}; {against}.", "", *(table.markdown() for table in tables), replay_words(replay), ""]
    )


def _against(opponent: Incumbent) -> str:
    if opponent.left_out:
        return opponent.left_out
    if opponent.model_id is None:
        return "no champion to compare with"
    displaced = ", which it displaced" if opponent.promotion is not None else ""
    return f"champion {opponent.model_id}{displaced}"


def ablation(plan: RunPlan, ablated: Ablation) -> str:
    """The paper's Table 6 over all tasks and for each, and what could not be trained."""
    reports = ablated.reports
    tasks = [EVERYTHING, *reports[0].aggregates]
    tables = [factor_table(reports, variants().values(), where).markdown() for where in tasks]
    seeds = f"seeds {', '.join(map(str, ablated.seeds))}"
    failed = [f"Not compared: {why}  " for why in ablated.missing]
    return "\n".join(
        [f"{_head(plan)}; {seeds}; positive = the model is better with the factor.", "", *failed, *tables]
    )


def ab_test(plan: RunPlan, tested: ABTest) -> str:
    """The paper's Tables 2 to 4, 5 where it is there, what bounds them, and how the arms stood."""
    funnel = tested.funnel
    arms = [f"| {name} | {used:.1%} | {tested.impressions[name]:.3f} |" for name, used in tested.used.items()]
    return "\n".join(
        [
            f"{_head(plan)}; {tested.samples} samples of {funnel.requests:,} requests of {tested.day}; relative "
            "changes, paired, with 95 % intervals over samples; lower is better for CPC and HDR.",
            "",
            tested.words,
            "",
            *(table.markdown() for table in outcome_tables(tested)),
            "| lightweight ranker | of the budgets spent | impressions per request |",
            "|:--|--:|--:|",
            *arms,
            "",
        ]
    )


def parity(plan: RunPlan, proofs: Proofs) -> str:
    """Torch against onnxruntime, file by file and batch size by batch size; then the fresh process."""
    fresh, day = proofs.fresh_process, proofs.parity.day
    lines = [
        _head(plan),
        "",
        f"**Parity {'holds' if proofs.parity.passed else 'FAILED'}**: {proofs.parity.worst}",
        "",
        "| file | batch | rows | scores | max Δ embedding | max Δ score |",
        "|:--|--:|--:|--:|--:|--:|",
        *(
            f"| {file.file} | {file.batch_size} | {file.rows:,} | {file.scores:,} | {_delta(file.embedding_delta)} "
            f"| {_delta(file.score_delta)} |"
            for file in proofs.parity.files
        ),
        f"| held-out candidates | – | {day.candidates:,} | – | – | {_delta(day.score_delta)} |",
        "",
        f"Top {day.top_k}: {day.identical:,} of {day.rankings:,} rankings are the same ad by ad; "
        f"{day.disagreements} differ by more than ties.",
        "",
        f"**Fresh process {'answers' if fresh.passed else 'FAILED'}**: {fresh.detail}",
    ]
    return "\n".join(lines) + "\n"


def stopped(as_of: date, words: str, live: str | None) -> str:
    """A run that ended before its decision was recorded; `live` is the champion afterwards."""
    return (
        "## Stopped before a decision was recorded\n\n"
        f"as_of {as_of} · live now: {f'`{live}`' if live else 'no model found'}\n\n"
        f"```\n{words.strip() or 'an error without words; see the log of the run'}\n```\n\n"
        "Mend what it names, then run the day again: what is complete is reused."
    )


def verdict(summary: RunSummary, url: str | None = None) -> str:
    """The words, each gate, what was reused, and where things are; `url` is the report's, if it is served."""
    report = summary.places["report"]
    lines = [
        f"## {summary.words}",
        "",
        top_words(summary.report),
        "",
        *(
            ["An earlier run took this decision; its record and its page stay.", ""]
            if summary.repeated
            else []
        ),
        f"as_of {summary.as_of} · candidate `{summary.model_id}` · live now: "
        + (f"`{summary.champion}`" if summary.champion else "nothing"),
        *(("", f"Its training: {summary.start}.") if summary.start else ()),
        "",
        # A list: the UI does not wrap what is in a table, and the detail of a gate is a sentence.
        *(
            f"- **{g.name}**: {'pass' if g.passed else '**fail**'}, {_line(g.detail)}"
            for g in summary.verdict.gates
        ),
        "",
        *(line for gate in summary.verdict.gates for line in _rivals(gate)),
        *_cold(summary),
        f"The whole report, on one page: [{Path(report).name}]({url}) ([data quality]({url}#data))"
        if url
        else f"The whole report: `{report}`",
        "",
        *(f"- {name}: `{place}`" for name, place in summary.places.items()),
        "",
        "Taken from earlier runs: "
        + ", ".join(f"{name} {share}" for name, share in summary.reused.items())
        + ".",
        "",
        rivals_by_bucket(summary.report).markdown(),
        logmae_table(summary.report).markdown(),
    ]
    return "\n".join(lines)


def rollback(done: RolledBack, ads: Republished | None = None) -> str:
    """What was taken down, what is live, why, with which ads, and how the model could come back."""
    champion = done.champion
    further = f"`{champion.previous}`" if champion.previous else "nothing"
    return (
        f"## {done.words}\n\n"
        f"Reason: {_line(champion.change.reason)}\n\n"
        f"- live now: `{champion.model_id}`, as_of {champion.as_of}, sequence {champion.sequence}\n"
        f"- before it was flipped: {done.check}\n"
        f"- ads: {_ads(done, ads)}\n"
        f"- another rollback would go to {further}\n"
        f"- `{done.taken_down}` is not promoted again by a run of its day; "
        f"`mtmd reinstate {done.taken_down} --reason …` lets it come back\n"
    )


def _ads(done: RolledBack, ads: Republished | None) -> str:
    if ads is None:
        return f"at the flip, {done.ads_words}"
    return f"**{_line(ads.words)}**" if ads.failed else ads.words


def _head(plan: RunPlan) -> str:
    left_out = "".join(f", without {day}: {why}" for day, why in plan.left_out.items())
    return (
        f"as_of **{plan.as_of}**, window {plan.days[0]} to {plan.days[-1]} ({len(plan.days)} days{left_out}), "
        f"preset {plan.preset.name}, logs `{Path(plan.logs)}`"
    )


def _rivals(gate: GateResult) -> Iterator[str]:
    """Slice by slice, what a gate said of the candidate against a rival; nothing for the other gates."""
    compared = [finding for finding in gate.slices if finding.judged]
    if not compared or gate.name not in RIVALS:
        return
    yield from (
        f"**{gate.name}**: LogMAE by slice, and how much better the candidate is",
        "",
        f"| slice | {gate.name} | candidate | difference | decision | smallest loss detected |",
        "|:--|--:|--:|--:|:--|--:|",
    )
    for finding in compared:
        decision = f"**{finding.decision}**" if finding.blocks else finding.decision
        loss = "–" if finding.detectable is None else f"{finding.detectable:+.1%}"
        yield (
            f"| {finding.slice} | {finding.reference:.4f} | {finding.own:.4f} | {_difference(finding)} "
            f"| {decision} | {loss} |"
        )
    if unjudged := [str(finding.slice) for finding in gate.slices if not finding.judged]:
        yield from ("", f"Not enough data: {', '.join(unjudged)}.")
    yield ""


def _cold(summary: RunSummary) -> Iterator[str]:
    """What is known of rows with new values; nothing where the day has none."""
    if found := summary.verdict.cold:
        yield from (cold_words(found), "", cold_gate_table(found).markdown())


def _difference(finding: SliceFinding) -> str:
    if finding.improvement is None:
        return "–"
    return str(Estimate(value=finding.improvement, low=finding.low, high=finding.high))


def _delta(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.1e}"


def _line(text: str) -> str:
    return " ".join(text.split())
