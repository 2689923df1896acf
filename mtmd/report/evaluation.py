"""Tables of an evaluation, and where the candidate stands in words.

All of them iterate over the table of metrics and the rivals of `RIVAL_NAMES`.
"""

from mtmd.config import Slice
from mtmd.config.model import RIVALS, label_of
from mtmd.evaluate.metrics import NAMED, PAIRED, QUALITIES, Metric, applies, error_at
from mtmd.evaluate.report import ALL, EVERYTHING, EvaluationReport, SliceMetrics
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
        gain = report.compared(rival, where).estimate
        sign = gain.sign(report.noise_at(where)) if gain else 0
        found[("tied", "ahead", "behind")[sign]].append(where.task)
    return found


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
    return f"{said} A difference below {noise_words(report)} is noise between trainings, and counts as tied."


def noise_words(report: EvaluationReport) -> str:
    """`5%`, as another training seed changes as much; of each kind of error where there are two."""
    noise = {error_at(report, where).label: report.noise_at(where) for where in report.aggregates}
    shown = [f"{share:.2g}%" for share in (100 * one for one in noise.values())]
    return (
        shown[0]
        if len(shown) == 1
        else enumerated([f"{a} of {b}" for a, b in zip(shown, noise, strict=True)])
    )


def error_words(report: EvaluationReport) -> str:
    """`LogMAE`, `NE`, or both where tasks differ in what they learn from."""
    return " or ".join(dict.fromkeys(error_at(report, where).label for where in report.aggregates))


def measures(report: EvaluationReport) -> str:
    """What the errors are, and which other measures there are none of."""
    words = {
        "scores": "LogMAE is the mean of |ln p̂ − ln teacher|: lower is better.",
        "actions": "NE (normalised entropy) is the log loss of the shown ads over that of a model which knows the "
        "slice's rate of actions: below 1 is better than the rate. Recall, KL of winners and rank buckets need scores "
        "of all candidates, so tasks that learn from actions have none.",
    }
    return " ".join(words[source] for source in words if source in report.sources(ALL))


def metric_text(metric: Metric, metrics: SliceMetrics, confidence: float) -> str:
    """`0.7512 [0.7401, 0.7623]`; a dash where the number is undefined."""
    value, found = metric.of(metrics), metric.interval(metrics, confidence)
    if value is None or found is None:
        return number(value, metric.form)
    return f"{number(value, metric.form)} [{', '.join(number(bound, metric.form) for bound in found)}]"


def first_metrics(report: EvaluationReport, where: Slice) -> list[Metric]:
    """The metrics of a task that decide; what users did says more than NE alone."""
    more = [NAMED[name] for name in ("auc", "calibration")] if where.task in report.actions else []
    return [metric for metric in PAIRED if applies(metric, report, where)] + more


def first_table(report: EvaluationReport) -> Table:
    """The metrics that decide, by task over its slices: of the candidate, and of every rival."""
    cells = [(where, metric) for where in report.aggregates for metric in first_metrics(report, where)]
    rows = [
        (
            rival_name(report, name),
            *(number(metric.of(report.get(name, where)), metric.form) for where, metric in cells),
        )
        for name in (report.candidate, *rivals_of(report))
    ]
    return Table(
        title=f"All slices. {_winners_words(report)}",
        columns=(
            Column(name="", kind="text"),
            *columns_of("number", (f"{where.task} {metric.label}" for where, metric in cells)),
        ),
        rows=tuple(rows),
    )


def _winners_words(report: EvaluationReport) -> str:
    """Of which requests recall and KL of winners are; without tasks that have them, what NE is."""
    cut = [
        report.get(report.candidate, where) for where in report.aggregates if where.task not in report.actions
    ]
    if not cut:
        return "NE: log loss of shown ads / that of the slice's rate of actions"
    asked = ", ".join(f"{found.task} {found.contested // max(report.winners, 1):,}" for found in cut)
    most = max(found.requests for found in cut)
    return (
        f"Recall: of the top {report.winners} when {report.kept} are kept, in requests with more ({asked} of "
        f"{most:,}); KL of winners: of every request's top {report.winners}"
    )


def metrics_table(report: EvaluationReport) -> Table:
    """Every metric of the candidate by slice; then by task over its slices, beside every rival's."""
    places = [(where, report.candidate) for where in report.slices]
    places += [
        (where, name) for where in report.aggregates for name in (report.candidate, *rivals_of(report))
    ]
    qualities = [metric for metric in QUALITIES if applies(metric, report, EVERYTHING)]
    rows = []
    for where, name in places:
        found = report.get(name, where)
        numbers = (metric_text(metric, found, report.confidence) for metric in qualities)
        rows.append(
            (*where, rival_name(report, name), found.rows, *numbers, found.impressions, found.positives)
        )
    return Table(
        title=f"Metrics of {report.candidate} on {report.as_of} (calibration: mean prediction / what should be)",
        columns=(
            *columns_of("text", ("surface", "product", "task", "of")),
            Column(name="rows", kind="count"),
            *columns_of("number", (metric.label for metric in qualities)),
            *columns_of("count", ("shown", "actions")),
        ),
        rows=tuple(rows),
        key_columns=4,
    )


def gains_table(report: EvaluationReport) -> Table:
    """Slices and tasks × the candidate's error, and its improvement over each rival (paper Table 1)."""
    rivals, error = rivals_of(report), error_words(report)
    rows = []
    for where in (*report.slices, *report.aggregates):
        own = report.get(report.candidate, where)
        gains = (report.compared(rival, where).estimate for rival in rivals)
        value = error_at(report, where).of(own)
        rows.append((str(where) if where.surface != ALL else f"{where.task}, all slices", value, *gains))
    return Table(
        title=f"{error} of {report.candidate} on {report.as_of}, and its improvement over each rival with "
        f"{report.confidence:.0%} intervals",
        columns=(
            Column(name="slice", kind="text"),
            Column(name=error),
            *columns_of("estimate", (rival_name(report, rival) for rival in rivals)),
        ),
        rows=tuple(rows),
    )


def rivals_table(report: EvaluationReport, metric: Metric | None = None) -> Table:
    """A row for each rival: of a metric, or of the error with words; over all tasks and by task."""
    places = [
        where
        for where in (EVERYTHING, *report.aggregates)
        if metric is None or applies(metric, report, where)
    ]
    rows, name = [], metric.name if metric else None
    for rival in rivals_of(report):
        gains = (report.compared(rival, where, metric=name).estimate for where in places)
        words = [] if metric else [standing_words(report, rival)]
        rows.append((rival_name(report, rival), *words, *gains))
    label = metric.label if metric else error_words(report)
    return Table(
        title=f"Improvement of {label} over each rival, all slices, with {report.confidence:.0%} intervals",
        columns=(
            *columns_of("text", ("against the", "in words")[: 1 if metric else 2]),
            *columns_of("estimate", (ALL_TASKS if where == EVERYTHING else where.task for where in places)),
        ),
        rows=tuple(rows),
    )


def buckets_table(report: EvaluationReport) -> Table:
    """Improvement over every rival by rank bucket (0 = top), all tasks."""
    buckets = report.compared_buckets
    rows = [
        (
            rival_name(report, rival),
            *(report.compared(rival, EVERYTHING, bucket).estimate for bucket in buckets),
        )
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
