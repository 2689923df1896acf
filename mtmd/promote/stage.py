"""Choose the day's candidate, hold it against the gates, promote it if it may go live, and record the run."""

import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import Field, ValidationError

from mtmd.config import Frozen, Preset, load_preset
from mtmd.errors import MtmdError
from mtmd.evaluate.stage import Evaluated
from mtmd.export.stage import Proofs, git_commit, package_versions
from mtmd.extension import modules
from mtmd.extract.shards import Days
from mtmd.extract.stage import STATEMENTS
from mtmd.logs.contract import TABLES
from mtmd.logs.sql import statement
from mtmd.promote.findings import RunSummary, Verdict
from mtmd.promote.gates import GateInputs, apply_gates
from mtmd.registry.incumbent import incumbent
from mtmd.registry.records import ORIGIN, SUMMARY, Champion, Registered, RunOrigin, origin, run_paths
from mtmd.registry.registry import Registry
from mtmd.run import RACE_DAYS, Race, RunPlan, plan_window
from mtmd.store.files import digest
from mtmd.store.workspace import Workspace, read_record, write_record
from mtmd.train.results import ChosenStart
from mtmd.train.stage import Trained
from mtmd.validate.stage import DataQuality

_VALIDATION = "validation.json"


class DayRun(Frozen):
    """All that a day's run has made by the time it decides: references to the outputs, and what the checks said."""

    plan: RunPlan
    quality: DataQuality
    days: Days
    trained: tuple[Trained, ...] = Field(description="the candidate and its rivals")
    evaluated: Evaluated
    exported: Registered
    proofs: Proofs
    chosen: ChosenStart | None = Field(None, description="what the candidate's training goes on from")

    @property
    def candidate(self) -> Trained:
        return next(model for model in self.trained if model.name == self.plan.candidate)

    @property
    def own(self) -> Trained:
        """The preset's own model, whichever is the candidate."""
        return next(model for model in self.trained if model.name == self.plan.preset.candidate)


def with_candidate(plan: RunPlan) -> RunPlan:
    """The plan with the candidate that earlier days choose, where the preset has contestants.

    What they say is in the records of the line's runs. Records of the day itself, and of later days, are not read: so a
    day that is repeated chooses alike, and a backfilled day knows only what came before it.
    """
    if not plan.preset.promotion.contestants:
        return plan
    before = [day for day in plan_window(plan.as_of, RACE_DAYS) if day not in plan.preset.left_out]
    days = {day: errors for day in before if (errors := _errors(plan, day))}
    return plan.model_copy(update={"race": Race(contestants=plan.preset.contestants, days=days)})


def _errors(plan: RunPlan, day: date) -> dict[str, float]:
    """The error of each contestant by the day's latest run that trained all of them as today; empty where none did."""
    for run in run_paths(plan.workspace, day):
        summary, made = read_record(run / SUMMARY, RunSummary), origin(run)
        if summary is None or made is None or not _alike(made, plan.preset):
            continue
        found = {name: summary.report.error(name) for name in plan.preset.contestants}
        errors = {name: error for name, error in found.items() if error is not None}
        if errors.keys() == found.keys() and not errors.keys() & summary.report.ages.keys():
            return errors
    return {}


def _alike(made: RunOrigin, preset: Preset) -> bool:
    """Whether an earlier run's contestants had the settings that they have now."""
    try:
        before = Preset.model_validate(made.preset)
    except ValidationError:  # of a version with other keys
        return False
    return all(
        name in (before.candidate, *before.rivals)
        and before.model_of(name) == preset.model_of(name)
        and before.training_of(name).recipe == preset.training_of(name).recipe
        for name in preset.contestants
    )


def decide(run: DayRun, *, promote: bool, override: str | None = None) -> RunSummary:
    """Ask every gate; promote if all pass (or `override` says why not) and the caller wants it; write both down.

    The summary already names the place of the report, which is written next. A decision is named by what the gates
    looked at, and by why the candidate stays down where it does: a later one that comes to the same leaves its record
    and page alone. A candidate that an earlier run promoted stays promoted, whatever is found now.

    Raises RegistryError when the champion changed while the run was deciding: run again.
    """
    plan, opponent = run.plan, run.evaluated.incumbent
    registry, inputs = Registry(plan.workspace.root), gate_inputs(run)
    verdict = apply_gates(inputs, override)
    # Another run of the day may have promoted the candidate since the evaluation.
    promotion = opponent.promotion or incumbent(registry, verdict.candidate, plan.as_of).promotion
    promoted_before = promotion is not None
    if promoted_before:
        verdict = verdict.model_copy(update={"promotion": promotion})
    elif verdict.passed:
        verdict = _promote(registry, verdict, plan, opponent.sequence, promote)
        promoted_before = verdict.promotion is not None
    stands = verdict.promoted or promoted_before
    decision = digest([_decision_key(inputs, run), *([] if stands else [verdict.refusal, verdict.override])])
    directory = plan.workspace.run(plan.as_of, run.candidate.key, decision)
    promoted_now = verdict.promoted and not promoted_before
    earlier = None if promoted_now else _recorded(directory, verdict.candidate)
    verdict = earlier or verdict
    champion = registry.champion()
    live = champion.model_id if champion else None
    summary = RunSummary(
        as_of=plan.as_of,
        model_id=run.exported.model_id,
        promoted=live == run.exported.model_id,
        words=_words(verdict, promoted_before, champion),
        champion=live,
        verdict=verdict,
        repeated=earlier is not None,
        reused=_reused(run),
        race=plan.race,
        start="" if run.chosen is None else run.chosen.words,
        report=inputs.evaluation,
        places=_places(run, directory),
    )
    if earlier is None:
        write_record(directory / _VALIDATION, run.quality, seal=True)
        write_record(directory / ORIGIN, _origin(run), seal=True)
        write_record(directory / SUMMARY, summary, seal=True)
    return summary


def gate_inputs(run: DayRun) -> GateInputs:
    """All that the gates look at."""
    gates, opponent = run.plan.preset.gates, run.evaluated.incumbent
    return GateInputs(
        candidate=run.exported.model_id,
        champion=opponent.model_id,
        left_out=opponent.left_out,
        further=run.evaluated.further,
        data_passed=run.quality.passed,
        training_finite=_finite(run.trained),
        evaluation=run.evaluated.report,
        parity=run.proofs.parity,
        fresh_process=run.proofs.fresh_process,
        gates=gates,
        extras=run.plan.preset.extras,
        without_baseline=not run.plan.preset.rivals["per_slice"].every_days,
    )


def live_model(preset: str, artifacts: str) -> str | None:
    """Id of the champion of a preset's line, for a run that ended with an error: None, too, when it can't be told."""
    try:
        champion = Registry(Workspace.of(artifacts, load_preset(preset)).root).champion()
    except MtmdError:
        return None
    return champion.model_id if champion else None


def _places(run: DayRun, directory: Path) -> dict[str, str]:
    return {
        "model": run.exported.path,
        "evaluation": run.evaluated.path,
        "validation": str(directory / _VALIDATION),
        "run": str(directory),
        "report": str(directory / "report.html"),
        "champion": str(run.plan.workspace.root / "champion.json"),
    }


def _decision_key(inputs: GateInputs, run: DayRun) -> str:
    """Digest of what the gates look at."""
    proofs = [inputs.parity.passed, inputs.fresh_process.passed]
    seen = inputs.model_dump(mode="json", exclude={"evaluation", "parity", "fresh_process", "extras"})
    bounds = inputs.extras.model_dump(mode="json", exclude_defaults=True, include=set(modules("rivals")))
    if bounds:  # of gates that extras add: what other extras do decides nothing
        seen["extras"] = bounds
    return digest(seen | {"evaluation": run.evaluated.key, "proofs": proofs})


def _recorded(run: Path, candidate: str) -> Verdict | None:
    """What is recorded of a candidate; None where the record of another one lies in its place."""
    summary = read_record(run / SUMMARY, RunSummary)
    return None if summary is None or summary.verdict.candidate != candidate else summary.verdict


def _words(verdict: Verdict, promoted_before: bool, champion: Champion | None) -> str:
    live = champion.model_id if champion else None
    rolled_out = f"; {champion.answers}" if champion and champion.partner else ""
    if not (promoted_before and verdict.promoted):
        return f"{verdict.words()}{rolled_out}"
    if live == verdict.candidate:
        return f"{verdict.candidate} is already champion"
    return f"{verdict.candidate} was promoted by an earlier run; {live} is champion now"


def _promote(registry: Registry, verdict: Verdict, plan: RunPlan, sequence: int, wanted: bool) -> Verdict:
    """Promote the verdict's candidate; the verdict says so where that was not wanted, was refused, or was done."""
    if not wanted:
        return verdict.model_copy(update={"refusal": "the run was told not to promote"})
    as_of, share = plan.as_of, plan.preset.promotion.share
    outcome = registry.promote(verdict.candidate, as_of, verdict.reason(), sequence, share)
    if outcome.outcome == "already champion":  # another run was faster
        earlier = incumbent(registry, verdict.candidate, as_of).promotion
        return verdict.model_copy(update={"promotion": earlier or outcome.words})
    return verdict.model_copy(update={"refusal": outcome.words}) if outcome.outcome == "refused" else verdict


def _origin(run: DayRun) -> RunOrigin:
    """What the run was made with; nothing is decided by it."""
    source = run.plan.source
    return RunOrigin(
        preset=run.plan.preset.model_dump(mode="json"),
        git_commit=git_commit(),
        packages=package_versions(),
        window_rows=sum(shard.candidates for shard in run.days.window),
        training_seconds=sum(model.fit.seconds for model in run.trained if model.last is None),
        sql={
            **{f"source_{table}": source.statement(table) for table in TABLES},
            **{name: statement(name) for name in STATEMENTS},
        },
    )


def _finite(trained: Sequence[Trained]) -> bool:
    epochs = [epoch for model in trained for epoch in model.fit.epochs]
    return all(math.isfinite(loss) for epoch in epochs for loss in (epoch.train_loss, epoch.validation_loss))


def _reused(run: DayRun) -> dict[str, str]:
    """What earlier runs had done already, in words."""
    shards = run.days.all
    shares = {
        "validated days": (len(run.quality.reused), len(run.quality.days)),
        "shards": (sum(shard.reused for shard in shards), len(shards)),
        "trained models": (sum(model.reused for model in run.trained), len(run.trained)),
        "evaluation": (int(run.evaluated.reused), 1),
        "exported model": (int(run.exported.reused), 1),
    }
    return {name: f"{done} of {total}" for name, (done, total) in shares.items()}
