"""What people read of an evaluation, an ablation and a simulated A/B test: words first, then tables."""

from collections.abc import Iterator, Sequence

from mtmd.abtest.outcome import ABTest
from mtmd.config import GatesConfig, variants
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.report import EVERYTHING, Estimate, EvaluationReport
from mtmd.evaluate.stage import Evaluated
from mtmd.promote.counts import Tally, is_task
from mtmd.registry.incumbent import Incumbent
from mtmd.report.markdown.daily import head
from mtmd.report.markdown.fitting import fitted
from mtmd.report.markdown.plain import code, plain
from mtmd.report.page.charts import enumerated
from mtmd.report.standing import rival_name, rivals_of, slice_findings, standing
from mtmd.report.tables.ab_test import outcome_tables
from mtmd.report.tables.ablation import contributions, factor_table
from mtmd.report.tables.buckets import bucket_table, rivals_by_bucket
from mtmd.report.tables.cold import cold_advice
from mtmd.report.tables.evaluation import (
    SLICE_COLUMNS,
    Cell,
    Column,
    Table,
    action_table,
    cold_table,
    columns_of,
    explored_table,
    improvement_table,
    logmae_table,
)
from mtmd.report.tables.replay import replay_table, replay_words
from mtmd.run import RunPlan


def metrics(plan: RunPlan, evaluated: Evaluated) -> str:
    """Where the candidate stands, where it is worse; then slices, rank buckets, new values, actions and cuts."""
    report, replay = evaluated.report, evaluated.replay
    rivals = rivals_of(report)
    whole = [logmae_table(report), rivals_by_bucket(report)]
    tables = [
        *((improvement_table(report, rival), 2) for rival in rivals),
        *((bucket_table(report, rival), 1) for rival in rivals),
        (cold_table(report), 2),
        *([(explored_table(report), 2)] if report.explored else []),
        (action_table(report), len(SLICE_COLUMNS)),
        (replay_table(replay), 1),
    ]
    return "\n".join(
        [
            f"## Metrics of {report.candidate.upper()} on {report.as_of}",
            "",
            head(plan),
            "",
            f"- {_against(evaluated.incumbent)}",
            *(
                f"- against the {rival_name(report, rival)}: {standing(report, rival).words}"
                for rival in rivals
            ),
            "",
            *_worse(report, rivals, plan.preset.gates),
            fitted(whole[1]),
            fitted(whole[0], len(SLICE_COLUMNS)),
            *(fitted(table, keys) for table, keys in tables),
            *(f"{words}\n" for words in cold_advice(report.cold, plan.preset.features)),
            replay_words(replay),
            "",
        ]
    )


def by_task(report: EvaluationReport) -> Table:
    """LogMAE of each task over its slices."""
    table = logmae_table(report)
    return table.model_copy(update={"rows": table.rows[len(report.slices) :]})


def _worse(report: EvaluationReport, rivals: Sequence[str], gates: GatesConfig) -> Iterator[str]:
    """Slices where the candidate is worse than a rival, as the gates say worse, the largest loss first."""
    found: list[tuple[float, tuple[Cell, ...]]] = []
    findings = {rival: slice_findings(report, rival, gates) for rival in rivals}
    for rival, own in findings.items():
        for finding in own:
            if finding.decision == "worse" and not is_task(finding.slice) and finding.improvement is not None:
                gain = Estimate(value=finding.improvement, low=finding.low, high=finding.high)
                found.append((gain.value, (*finding.slice, rival_name(report, rival), gain)))
    if not found:
        yield from (_none_worse([Tally.of(own) for own in findings.values()]), "")
        return
    table = Table(
        title=f"✗ Slices where {report.candidate} is worse than a rival, by LogMAE",
        columns=(
            *SLICE_COLUMNS,
            *columns_of("text", ("rival",)),
            Column(name="difference", kind="estimate"),
        ),
        rows=tuple(row for _, row in sorted(found, key=lambda one: one[0])),
    )
    yield fitted(table, len(SLICE_COLUMNS))


def _none_worse(tallies: Sequence[Tally]) -> str:
    """That no slice is worse, as far as slices had the data to tell: of the rival that fewest could tell of."""
    fewest = min((tally for tally in tallies if tally.judged), key=lambda tally: tally.judged, default=None)
    if fewest is None:
        return "○ No slice has enough data to tell whether the candidate is worse than a rival."
    if fewest.unjudged:
        words = f"✓ In none of {fewest.judged} judged slices is the candidate worse than a rival"
        return f"{words}; {fewest.unjudged} had too little data to judge."
    return "✓ In no slice is the candidate worse than a rival."


def _against(opponent: Incumbent) -> str:
    if opponent.left_out:
        return plain(opponent.left_out)
    if opponent.model_id is None:
        return "no champion to compare with"
    displaced = ", which it displaced" if opponent.promotion is not None else ""
    return f"champion {code(opponent.model_id)}{displaced}"


def ablation(plan: RunPlan, ablated: Ablation) -> str:
    """What helps and what hurts; then the paper's Table 6 over all tasks and for each."""
    reports = ablated.reports
    tasks = [EVERYTHING, *reports[0].aggregates]
    tables = [factor_table(reports, variants().values(), where) for where in tasks]
    seeds = f"seeds {', '.join(map(str, ablated.seeds))}"
    failed = [f"- ✗ Not compared: {plain(why)}" for why in ablated.missing]
    return "\n".join(
        [
            f"## Ablation on {plan.as_of}",
            "",
            f"{head(plan)}. {seeds.capitalize()}; positive = the model is better with the factor.",
            "",
            *_factors(reports),
            *failed,
            "",
            *(fitted(table) for table in tables if table.rows),
        ]
    )


def _factors(reports: Sequence[EvaluationReport]) -> Iterator[str]:
    """Which factors help, hurt, or are within noise over all rows of all tasks."""
    whole = [one for one in contributions(reports, variants().values()) if one.bucket is None]
    clear = [one for one in whole if one.clear and one.improvement is not None]
    helps = [one.factor for one in clear if one.improvement is not None and one.improvement.value > 0]
    hurts = [one.factor for one in clear if one.factor not in helps]
    noise = [one.factor for one in whole if one not in clear]
    for words, factors in (("✓ helps", helps), ("✗ hurts", hurts), ("○ within noise", noise)):
        if factors:
            yield f"- {words}: {enumerated(factors)}"


def ab_test(plan: RunPlan, tested: ABTest, *, trial: bool = False) -> str:
    """In words; then the paper's Tables 2 to 4, 5 where it is there, rankers that are no models, each one's spend."""
    funnel = tested.funnel
    arms = Table(
        title="What each ranker had",
        columns=(
            *columns_of("text", ("lightweight ranker",)),
            *columns_of("number", ("of the budgets spent", "impressions per request")),
        ),
        rows=tuple(
            (name, f"{used:.1%}", f"{tested.impressions[name]:.3f}") for name, used in tested.used.items()
        ),
    )
    return "\n".join(
        [
            f"## {'Trial of the simulated' if trial else 'Simulated'} A/B test on {tested.day}",
            "",
            *(["⚠ A trial: too few requests to conclude anything from it.", ""] if trial else []),
            tested.words,
            "",
            f"{head(plan)}. {tested.samples} samples of {funnel.requests:,} requests of {tested.day}; relative "
            "changes, paired, with 95 % intervals over samples; lower is better for CPC and HDR.",
            "",
            *map(fitted, outcome_tables(tested)),
            fitted(arms),
        ]
    )
