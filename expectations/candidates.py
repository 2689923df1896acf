"""The suite of `candidates`: one row per (request, ad) that the heavyweight ranker scored.

Candidates have the contract's columns (null where the logs lack an optional one) and, from the other two tables,
`surface` and `product` (null where the key is unknown), `request_known` and `ad_known`.
"""

from collections.abc import Iterator, Sequence

from mtmd.config import Domains, Preset, Task
from mtmd.expectations.common import (
    HAS_ROWS,
    OF_CANDIDATES,
    Expect,
    listed,
    name,
    no_row,
    not_null,
    steady,
    unique,
)
from mtmd.logs.contract import outcome_columns

_KEY = "request_id, ad_id"


def candidates_expectations(preset: Preset) -> list[Expect]:
    """Expectations on a whole day of candidates, with their domains, as `{batch}`."""
    domains = preset.domains
    return [
        HAS_ROWS,
        not_null("request_id", "ad_id", "The row belongs to no request and is lost."),
        not_null("ad_id", "request_id", "The row belongs to no ad and is lost."),
        not_null("impressed", _KEY, "Without it nothing says whether the labels were observed."),
        unique(("request_id", "ad_id"), "The pair would be trained on, and counted in every metric, twice."),
        _joined("request", "ad"),
        _joined("ad", "request"),
        *_scores(domains),
        *_outcomes(domains),
        *steady("candidates", OF_CANDIDATES),
    ]


def _joined(what: str, other: str) -> Expect:
    return no_row(
        f"{what}_exists",
        f"{what}_id is not null and not {what}_known",
        key=f"{other}_id",
        columns=(f"{what}_id",),
        why=f"Candidates without their {what} have no features of it, and are lost when joined.",
    )


def _scores(domains: Domains) -> Iterator[Expect]:
    for task in (one for one in domains.tasks if not one.from_actions):
        score = name(task.name)
        yield no_row(
            f"{task.name}_is_a_probability",
            f"{score} <= 0 or {score} >= 1 or isnan({score}) or isinf({score})",
            key=_KEY,
            columns=(task.name,),
            why="The loss takes the logarithm of the score and of one minus it: at 0, 1 or NaN it is not finite, and "
            "one such row spoils every weight.",
        )
        yield _exactly_where_defined(
            domains,
            task.name,
            (task,),
            "A score where the task does not exist is trained on as if it did; a score missing where the task exists "
            "leaves the pair out of its loss.",
        )
        if task.parent in domains.score_tasks:
            yield _at_most(task.name, task.parent)


def _exactly_where_defined(
    domains: Domains, column: str, tasks: Sequence[Task], why: str, only: str = ""
) -> Expect:
    """A column has values for the products that have one of its tasks, and for no other."""
    own = tuple(p for p in domains.products if any(domains.has_task(p, task) for task in tasks))
    defined = f"product in ({listed(own)})"
    return no_row(
        f"{column}_exactly_where_defined",
        f"{only}product in ({listed(domains.products)}) and ({name(column)} is null) = ({defined})",
        key=f"{_KEY}, product",
        columns=(column,),
        why=why,
    )


def _at_most(task: str, parent: str) -> Expect:
    child, above = name(task), name(parent)
    return no_row(
        f"{task}_at_most_{parent}",
        f"{child} > {above} and isfinite({child}) and isfinite({above})",
        key=_KEY,
        columns=(task, parent),
        why=f"{task} happens only after {parent}, so the teacher's columns are swapped or of different versions; a "
        f"model that gives P({task}) through P({parent}) never reaches such a score.",
    )


def _outcomes(domains: Domains) -> Iterator[Expect]:
    outcomes = [column for column in outcome_columns(domains) if column != "impressed"]
    yield no_row(
        "outcomes_null_unless_impressed",
        f"not impressed and ({' or '.join(f'{name(column)} is not null' for column in outcomes)})",
        key=_KEY,
        columns=outcomes,
        why="An ad that was not shown can't be acted on: such labels make calibration meaningless.",
    )
    labels = {task.name: task.label for task in domains.tasks}
    for label in dict.fromkeys(labels.values()):
        yield _exactly_where_defined(
            domains,
            label,
            [task for task in domains.tasks if task.label == label],
            "A label missing on shown ads, or present where its task does not exist, biases the metrics that are "
            "computed on real actions.",
            only="impressed and ",
        )
    for task in domains.tasks:
        if task.parent is not None and (above := labels[task.parent]) != task.label:
            yield no_row(
                f"{task.label}_only_if_{above}",
                f"{name(task.label)} and not {name(above)}",
                key=_KEY,
                columns=(task.label, above),
                why=f"{task.label} without {above} breaks the tree of tasks: their metrics can't be compared.",
            )
