"""A run as one document, built once from what is recorded of it; its page, Markdown, artifacts and terminal show it.

Artifacts that a run publishes before it has decided are documents of the stage's own section.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mtmd import extension
from mtmd.config import GatesConfig
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.report import ALL
from mtmd.evaluate.stage import Evaluated
from mtmd.export.stage import Proofs
from mtmd.promote.findings import RunSummary, Verdict
from mtmd.promote.gates import CHAMPION
from mtmd.promote.stage import DayRun
from mtmd.registry.records import ModelManifest
from mtmd.report import sections, stages
from mtmd.report.charts import line_chart
from mtmd.report.document import Block, Document, Fold, Kind, Picture, Section
from mtmd.report.past import RunRecord
from mtmd.report.tables import Table, columns_of, enumerated, short
from mtmd.run import RunPlan
from mtmd.store.files import digest
from mtmd.train.stage import Trained
from mtmd.validate.stage import DataQuality

_WORDS = 300  # characters of what a run says of itself
# above a run; none where it promoted
_SIGNS = {"kept": "K", "stopped": "S", "failed": "F", "rolled back": "R"}


@dataclass(frozen=True)
class RunRecords:
    """What is recorded of a run that decided; what the sections of its page, an extra's too, are made of.

    manifest   of the candidate
    since      what changed since the champion; None before the first promotion
    past       the last runs of the line up to this one, oldest first, each with what came of it
    ablated    the ablations, where they are done
    """

    run: DayRun
    summary: RunSummary
    manifest: ModelManifest
    since: Table | None = None
    past: Sequence[tuple[RunRecord, str]] = ()
    ablated: Ablation | None = None


def view(found: RunRecords) -> Document:
    """The whole run; sections that extras add stand between those of the core."""
    run, summary = found.run, found.summary
    plan, report, bounds = run.plan, summary.report, run.plan.preset.gates
    core = [
        sections.gates(summary.verdict),
        _since(found.since),
        sections.rivals(report, bounds),
        sections.buckets(report),
        stages.ablations(*((found.ablated.reports, found.ablated.missing) if found.ablated else ((), ()))),
        stages.training(run.trained, plan.as_of, summary.start),
        stages.data(run.quality.validations, run.days, len(run.quality.reused)),
        _past(found.past),
        stages.parity(run.proofs),
        _lineage(found),
    ]
    extras = [section for module in extension.modules("page").values() for section in module.sections(found)]
    whole = decision(summary, bounds)
    return Document(
        title=whole.title,
        kind=whole.kind,
        words=whole.words,
        facts=(*whole.facts, ("window", _window(plan))),
        sections=sorted((*core, *extras), key=lambda section: section.order),
    )


def decision(summary: RunSummary, bounds: GatesConfig) -> Document:
    """What came of a run and why, gate by gate and against its rivals."""
    verdict, report = summary.verdict, summary.report
    title, kind = headline(verdict, summary.champion)
    compared = verdict.champion or "none yet"
    facts = [
        ("as_of", f"{summary.as_of}"),
        ("candidate", summary.model_id),
        (
            "compared with champion",
            compared if CHAMPION in report.predictors else f"{compared}, not compared",
        ),
        ("live now", summary.champion or "nothing"),
        ("reused", ", ".join(f"{name} {share}" for name, share in summary.reused.items())),
    ]
    facts += [("training", summary.start)] if summary.start else []
    repeated = "An earlier run took this decision; its record and its page stay." if summary.repeated else ""
    words = summary.words[:1].upper() + summary.words[1:]
    return Document(
        title=f"{title}; {verdict.unjudged}" if verdict.promoted and verdict.unjudged else title,
        kind=kind,
        words=(short(f"{words}.", _WORDS) if words.lower() != title.lower() else "", repeated),
        facts=facts,
        sections=(sections.gates(verdict), sections.rivals(report, bounds)),
    )


def headline(verdict: Verdict, live: str | None) -> tuple[str, Kind]:
    """Promoted or not, and the cause in few words; `live` is the champion after the run.

    It is good, bad, or held where a passed candidate stays down all the same.
    """
    if verdict.promoted:
        return ("Promoted by override", "held") if verdict.failed else ("Promoted", "good")
    if verdict.promotion is not None:
        return "Promoted before, and that stands", "held" if verdict.passed else "bad"
    kept = "Kept the champion" if live else "Nothing promoted"
    if verdict.passed:
        return f"{kept}: {verdict.refusal}", "held"
    plural = "s" if len(verdict.failed) > 1 else ""
    return f"{kept}: gate{plural} {enumerated(verdict.failed)} failed", "bad"


def _since(found: Table | None) -> Section:
    blocks: list[Block] = [found] if found else ["There is no champion to compare with."]
    return Section("since", "Since the last champion", 20, blocks)


def _past(past: Sequence[tuple[RunRecord, str]]) -> Section:
    """LogMAE of the last runs; the line's page lists them."""
    values = [run.logmae.get(ALL) for run, _ in past]
    if not any(value is not None for value in values):
        return Section("past", "The last runs", 100, ["No record of an earlier run was found."])
    title = "LogMAE of the candidate over all tasks, run by run"
    marks = [(_SIGNS.get(verdict, ""), f"{run.as_of}: {verdict} {run.reason}") for run, verdict in past]
    ticks = {0: f"{past[0][0].as_of}", len(past) - 1: f"{past[-1][0].as_of}"}
    chart = line_chart(title, "", {"candidate": values}, ticks=ticks, marks=marks, width=900)
    how = "K: not promoted, R: rolled back later, S: stopped by the data suites, F: ended with an error."
    return Section("past", f"The last {len(past)} runs", 100, [Picture(chart, title)], how=how)


def _lineage(found: RunRecords) -> Section:
    """What the model was made from, and where its files are."""
    manifest, run = found.manifest, found.run
    rows = [
        ("model", manifest.model_id),
        ("bundle", manifest.bundle_id),
        ("held-out shard", str(manifest.held_out)),
        ("git commit", manifest.git_commit or "not in a repository"),
        *((f"seed, {name}", str(seed)) for name, seed in manifest.seeds.items()),
        (f"preset {run.plan.preset.name}", digest(run.plan.preset.model_dump(mode="json"))),
        *((f"trained {model.name}", model.key) for model in run.trained),
        *((f"package {name}", version) for name, version in manifest.packages.items()),
        *((f"place of {name}", place) for name, place in found.summary.places.items()),
    ]
    table = Table(title="Lineage", columns=columns_of("text", ("what", "value")), rows=tuple(rows))
    return Section(
        "lineage", "Lineage", 110, [Fold("What the model was made from, and where it is", [table])]
    )


def _window(plan: RunPlan) -> str:
    left_out = "".join(f", without {day} ({why})" for day, why in plan.left_out.items())
    return f"{plan.days[0]} to {plan.days[-1]} ({len(plan.days)} days{left_out})"


def head(plan: RunPlan) -> str:
    """Which day, window, preset and logs."""
    return f"as_of {plan.as_of}, window {_window(plan)}, preset {plan.preset.name}, logs {plan.logs}"


def of_stage(plan: RunPlan, section: Section, kind: Kind = "good", title: str = "") -> Document:
    """The document of one stage: its section's lead is the headline."""
    shown = replace(section, title="", lead="")
    return Document(title or f"{section.title}: {section.lead}", kind, (head(plan),), sections=(shown,))


def training(plan: RunPlan, trained: Sequence[Trained]) -> Document:
    """A summary of each training, and its curves."""
    return of_stage(plan, stages.training(trained, plan.as_of))


def data_quality(plan: RunPlan, quality: DataQuality) -> Document:
    """How many days hold; failures come with counts and sample keys."""
    section = stages.data(quality.validations, reused=len(quality.reused))
    return of_stage(plan, section, section.kind)


def metrics(plan: RunPlan, evaluated: Evaluated) -> Document:
    """Where the candidate stands against its rivals: by slice and rank bucket, and on actions."""
    report, opponent = evaluated.report, evaluated.incumbent
    against = opponent.left_out or f"champion {opponent.model_id}" if opponent.model_id else "no champion"
    parts = (sections.rivals(report, plan.preset.gates), sections.buckets(report))
    title = f"Metrics of {report.candidate.upper()} on {report.as_of}"
    return Document(title, "", (head(plan), f"Compared with {against}."), sections=parts)


def parity(plan: RunPlan, proofs: Proofs) -> Document:
    """The exported files beside the trained model, and the fresh process."""
    good = proofs.parity.passed and proofs.fresh_process.passed
    title = f"Parity {'holds' if proofs.parity.passed else 'FAILED'}"
    title += f", fresh process {'answers' if proofs.fresh_process.passed else 'FAILED'}"
    return of_stage(plan, stages.parity(proofs), "good" if good else "bad", title)


def ablation(plan: RunPlan, ablated: Ablation) -> Document:
    """What each factor contributes (paper Table 6)."""
    section = stages.ablations(ablated.reports, ablated.missing)
    seeds = f"Ablation on {plan.as_of}, seeds {', '.join(map(str, ablated.seeds))}"
    return of_stage(plan, section, "", seeds)
