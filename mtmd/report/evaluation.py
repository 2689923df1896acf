"""Tables of an evaluation, and where the candidate stands in words.

All of them iterate over the table of metrics and the rivals of `RIVAL_NAMES`.
"""

from mtmd.config import Slice
from mtmd.config.model import RIVALS, label_of
from mtmd.evaluate.metrics import LOGMAE, PAIRED, QUALITIES, Metric
from mtmd.evaluate.report import ALL, EVERYTHING, Comparison, Estimate, EvaluationReport, SliceMetrics
from mtmd.report.tables import Column, Table, columns_of, enumerated, number

ALL_TASKS = "all tasks"
RIVAL_NAMES = {  # in the order of all tables
    "champion": "champion",
    "anchor": "last full retrain",
    "per_slice": "per-slice baselines",
    "pooled": "pooled two-tower",
    "constant": "constant",
}
POOLED = "pooled"
PLACES = ("ahead", "tied", "behind")


def rivals_of(report: EvaluationReport) -> list[str]:
    """The rivals that were evaluated, the champion first and the constant last; a preset may name further ones."""
    place = {name: place for place, name in enumerate(RIVAL_NAMES)}
    found = [name for name in report.predictors if name != report.candidate]
    return sorted(found, key=lambda name: place.get(name, place["constant"] - 0.5))


def rival_name(report: EvaluationReport, name: str) -> str:
    """A predictor as readers know it, with its age where an earlier day trained it."""
    age = report.ages.get(name)
    called = RIVAL_NAMES.get(name, name)
    return called if age is None else f"{called}, {age} days old"


def standing(report: EvaluationReport, rival: str) -> dict[str, list[str]]:
    """The tasks on which the candidate is ahead of a rival, tied and behind, over all rows of each task.

    Ahead or behind where the interval leaves zero out and another training seed would not make up for it.
    """
    found: dict[str, list[str]] = {place: [] for place in PLACES}
    for where in report.aggregates:
        found[_place(report.compared(rival, where), report.seed_noise)].append(where.task)
    return found


def _place(pair: Comparison, seed_noise: float) -> str:
    if pair.low is None or pair.high is None or abs(pair.improvement or 0.0) < seed_noise:
        return "tied"
    return "ahead" if pair.low > 0 else "behind" if pair.high < 0 else "tied"


def standing_words(report: EvaluationReport, rival: str) -> str:
    """`ahead on ctr and gctr, tied on octr`"""
    found = standing(report, rival)
    return ", ".join(f"{place} on {enumerated(tasks)}" for place, tasks in found.items() if tasks)


def worth(report: EvaluationReport) -> str:
    """Whether the candidate is worth its cost against pooling alone, and how much one training can say of that."""
    if report.candidate in (POOLED, RIVALS[POOLED]):
        return "The candidate is a pooled two-tower itself."
    if POOLED not in report.predictors:
        return "The pooled two-tower was not evaluated, so whether pooling alone is enough is not known."
    found, words = standing(report, POOLED), standing_words(report, POOLED)
    name = label_of(report.candidate)
    if not found["ahead"]:
        said = f"Pooling alone is enough today: against it {name} is {words}."
    elif found["behind"]:
        said = f"Mixed: against pooling alone {name} is {words}."
    else:
        said = f"{name[0].upper()}{name[1:]} is worth its cost: against pooling alone it is {words}."
    return (
        f"{said} A difference below {report.seed_noise:.0%} is noise between trainings, and counts as tied."
    )


def metric_text(metric: Metric, metrics: SliceMetrics, confidence: float) -> str:
    """`0.7512 [0.7401, 0.7623]`; a dash where the number is undefined."""
    value, found = metric.of(metrics), metric.interval(metrics, confidence)
    if value is None or found is None:
        return number(value, metric.form)
    return f"{number(value, metric.form)} [{', '.join(number(bound, metric.form) for bound in found)}]"


def first_table(report: EvaluationReport) -> Table:
    """The metrics that decide, by task over its slices: of the candidate, and of every rival."""
    tasks = report.aggregates
    cut = [report.get(report.candidate, where) for where in tasks]
    asked = ", ".join(f"{found.task} {found.contested // max(report.winners, 1):,}" for found in cut)
    most = max((found.requests for found in cut), default=0)
    rows = [
        (
            rival_name(report, name),
            *(
                number(metric.of(report.get(name, where)), metric.form)
                for where in tasks
                for metric in PAIRED
            ),
        )
        for name in (report.candidate, *rivals_of(report))
    ]
    return Table(
        title=f"All slices. Recall: of the top {report.winners} when {report.kept} are kept, in requests with "
        f"more ({asked} of {most:,}); KL of winners: of every request's top {report.winners}",
        columns=(
            Column(name="", kind="text"),
            *columns_of("number", (f"{where.task} {metric.label}" for where in tasks for metric in PAIRED)),
        ),
        rows=tuple(rows),
    )


def metrics_table(report: EvaluationReport) -> Table:
    """Every metric of the candidate by slice; then by task over its slices, beside every rival's."""
    places = [(where, report.candidate) for where in report.slices]
    places += [
        (where, name) for where in report.aggregates for name in (report.candidate, *rivals_of(report))
    ]
    rows = []
    for where, name in places:
        found = report.get(name, where)
        numbers = (metric_text(metric, found, report.confidence) for metric in QUALITIES)
        rows.append(
            (*where, rival_name(report, name), found.rows, *numbers, found.impressions, found.positives)
        )
    return Table(
        title=f"Metrics of {report.candidate} on {report.as_of} (calibration: mean prediction / what should be)",
        columns=(
            *columns_of("text", ("surface", "product", "task", "of")),
            Column(name="rows", kind="count"),
            *columns_of("number", (metric.label for metric in QUALITIES)),
            *columns_of("count", ("shown", "actions")),
        ),
        rows=tuple(rows),
        key_columns=4,
    )


def gains_table(report: EvaluationReport) -> Table:
    """Slices and tasks × the candidate's LogMAE, and its improvement over each rival (paper Table 1)."""
    rivals = rivals_of(report)
    rows = []
    for where in (*report.slices, *report.aggregates):
        own = report.get(report.candidate, where)
        gains = (estimate(report, rival, where) for rival in rivals)
        rows.append((str(where) if where.surface != ALL else f"{where.task}, all slices", own.logmae, *gains))
    return Table(
        title=f"LogMAE of {report.candidate} on {report.as_of}, and its improvement over each rival with "
        f"{report.confidence:.0%} intervals",
        columns=(
            Column(name="slice", kind="text"),
            Column(name="LogMAE"),
            *columns_of("estimate", (rival_name(report, rival) for rival in rivals)),
        ),
        rows=tuple(rows),
    )


def rivals_table(report: EvaluationReport, metric: Metric = LOGMAE) -> Table:
    """A row for each rival: of LogMAE in words, over all tasks and by task."""
    rows = []
    worded = metric is LOGMAE
    for rival in rivals_of(report):
        gains = (estimate(report, rival, where, metric=metric) for where in (EVERYTHING, *report.aggregates))
        words = [standing_words(report, rival)] if worded else []
        rows.append((rival_name(report, rival), *words, *gains))
    return Table(
        title=f"Improvement of {metric.label} over each rival, all slices, with {report.confidence:.0%} intervals",
        columns=(
            *columns_of("text", ("against the", "in words")[: 1 + worded]),
            *columns_of("estimate", (ALL_TASKS, *(where.task for where in report.aggregates))),
        ),
        rows=tuple(rows),
    )


def buckets_table(report: EvaluationReport) -> Table:
    """Improvement over every rival by rank bucket (0 = top), all tasks."""
    buckets = report.compared_buckets
    rows = [
        (rival_name(report, rival), *(estimate(report, rival, EVERYTHING, bucket) for bucket in buckets))
        for rival in rivals_of(report)
    ]
    return Table(
        title="Improvement of LogMAE over each rival, all tasks, by rank bucket",
        columns=(Column(name="over the", kind="text"), *bucket_columns(report)),
        rows=tuple(rows),
    )


def bucket_columns(report: EvaluationReport) -> tuple[Column, ...]:
    """A column of estimates for each rank bucket that has intervals, and for all rows."""
    return columns_of("estimate", ("all" if one is None else str(one) for one in report.compared_buckets))


def estimate(
    report: EvaluationReport, rival: str, where: Slice, bucket: int | None = None, metric: Metric = LOGMAE
) -> Estimate | None:
    """The candidate's improvement over a rival with its interval; None where a metric is undefined.

    Of all tasks (`EVERYTHING`) it is over their rows together: each row of each task counts once.
    """
    pair = report.compared(rival, where, bucket, metric.name)
    gain = pair.improvement
    return None if gain is None else Estimate(value=gain, low=pair.low, high=pair.high)
