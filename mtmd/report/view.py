"""A run as one document, built once from what is recorded of it; its page, Markdown, artifacts and terminal show it.

Artifacts that a run publishes before it has decided are documents of the stage's own section.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mtmd import extension
from mtmd.config.model import label_of
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.stage import Evaluated
from mtmd.promote.findings import RunSummary, Verdict
from mtmd.promote.gates import CHAMPION
from mtmd.promote.stage import DayRun
from mtmd.registry.records import ModelManifest
from mtmd.report import index, sections, stages
from mtmd.report.document import Block, Document, Fold, Kind, Section
from mtmd.report.line import RunRecord, lineage
from mtmd.report.tables import Table, enumerated, short
from mtmd.run import RunPlan
from mtmd.store.files import digest

_REPAIRED = ("repaired", "the stored files of the model were damaged, and were made again")
_WORDS = 300  # characters of what a run says of itself


@dataclass(frozen=True)
class RunRecords:
    """What is recorded of a run that decided; what the sections of its page, an extra's too, are made of.

    manifest   of the candidate
    since      what changed since the champion; None before the first promotion
    past       the last runs of the line up to this one, oldest first
    ablated    the ablations, where they are done
    """

    run: DayRun
    summary: RunSummary
    manifest: ModelManifest
    since: Table | None = None
    past: Sequence[RunRecord] = ()
    ablated: Ablation | None = None


def view(found: RunRecords) -> Document:
    """The whole run; sections that extras add stand between those of the core."""
    run, summary = found.run, found.summary
    report = summary.report
    core = [
        sections.gates(summary.verdict, report),
        _since(found.since),
        *sections.race(summary.race),
        sections.rivals(report),
        sections.buckets(report),
        stages.ablations(found.ablated),
        stages.training(run.trained, summary.start),
        stages.data(run.quality, run.days),
        _past(found.past),
        stages.parity(run.proofs),
        _lineage(found),
    ]
    extras = [section for module in extension.modules("page").values() for section in module.sections(found)]
    whole = decision(summary)
    return replace(
        whole,
        words=(*whole.words, stages.warned(run.quality, summary.as_of)),
        facts=(*whole.facts, ("window", _window(run.plan)), *([_REPAIRED] if run.exported.repaired else [])),
        sections=sorted((*core, *extras), key=lambda section: section.order),
    )


def decision(summary: RunSummary) -> Document:
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
    facts += [("choice", summary.race.words)] if summary.race else []
    facts += [("training", summary.start)] if summary.start else []
    repeated = "An earlier run took this decision; its record and its page stay." if summary.repeated else ""
    words = summary.words[:1].upper() + summary.words[1:]
    return Document(
        title=title,
        kind=kind,
        words=(_beginning(f"{words}.") if words.lower() != title.lower() else "", repeated),
        facts=facts,
        sections=(sections.gates(verdict, report), *sections.race(summary.race), sections.rivals(report)),
    )


def _beginning(words: str) -> str:
    """The first findings of a long text, each whole."""
    begun, found, _ = words[:_WORDS].rpartition("; ")
    return words if len(words) <= _WORDS else f"{begun}; …" if found else short(words, _WORDS)


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


def _past(past: Sequence[RunRecord]) -> Section:
    """LogMAE of the last runs; the line's page lists them."""
    blocks = index.trend(past) or ["There are too few earlier runs for a trend."]
    title = "The last run" if len(past) == 1 else f"The last {len(past)} runs"
    return Section("past", title, 100, blocks)


def _lineage(found: RunRecords) -> Section:
    """What the model was made from, and where its files are."""
    table, run = lineage(found.manifest), found.run
    rows = [
        (f"preset {run.plan.preset.name}", digest(run.plan.preset.model_dump(mode="json"))),
        *((f"trained {model.name}", model.key) for model in run.trained),
        *((f"place of {name}", place) for name, place in found.summary.places.items()),
    ]
    whole = table.model_copy(update={"rows": (*table.rows, *rows)})
    words = "What the model was made from, and where it is"
    return Section("lineage", "Lineage", 110, [Fold(words, [whole])])


def _window(plan: RunPlan) -> str:
    left_out = "".join(f", without {day} ({why})" for day, why in plan.left_out.items())
    return f"{plan.days[0]} to {plan.days[-1]} ({len(plan.days)} days{left_out})"


def head(plan: RunPlan) -> str:
    """Which day, window, preset and logs."""
    return f"as_of {plan.as_of}, window {_window(plan)}, preset {plan.preset.name}, logs {plan.logs}"


def of_stage(plan: RunPlan, section: Section) -> Document:
    """The document of one stage: its section's lead is the headline."""
    shown = replace(section, title="", lead="")
    return Document(f"{section.title}: {section.lead}", section.kind, (head(plan),), sections=(shown,))


def metrics(plan: RunPlan, evaluated: Evaluated) -> Document:
    """Where the candidate stands against its rivals: by slice and rank bucket, and on actions."""
    report, opponent = evaluated.report, evaluated.incumbent
    against = opponent.left_out or f"champion {opponent.model_id}" if opponent.model_id else "no champion"
    parts = (sections.rivals(report), sections.buckets(report))
    title = f"Metrics of {label_of(report.candidate)} on {report.as_of}"
    return Document(title, "", (head(plan), f"Compared with {against}."), sections=parts)
