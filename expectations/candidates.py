"""The suite of `candidates`: one row per (request, ad) that the heavyweight ranker scored.

Candidates have the contract's columns (null where the logs lack an optional one) and, from the other two tables,
`surface` and `product` (null where the key is unknown), `request_known` and `ad_known`. They are many and mostly sound,
so they are not queried by great-expectations themselves: one scan gives `candidates_summary`, from which
`mtmd.validate` knows what is to be looked for and fills

    candidates_suspects  the rows that an expectation on single rows looks for: empty on a sound day
    candidates.<name>    what an expectation on all rows together has found
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mtmd.config import DataConfig, Domains, Preset, Task
from mtmd.expectations.common import (
    Expect,
    Measure,
    Needs,
    Severity,
    SuiteTable,
    content_is_new,
    listed,
    name,
    not_null,
    steady,
    unique,
)
from mtmd.logs.contract import outcome_columns
from mtmd.logs.sql import literal

KEY = "request_id, ad_id"
NOT_NULL = "request_id is not null and ad_id is not null"
SUMMARY = "candidates_summary"
SUSPECTS = "candidates_suspects"
_SHOWN = 1000  # candidates, among which an action is expected
DIGEST = (
    """select concat_ws('-', version(), sum(candidates), bit_xor("row.xor"), sum("row.sum")) as digest """
    f"from {SUMMARY}"
)


def candidates_expectations(preset: Preset) -> list[Expect]:
    """Expectations on a whole day of candidates, with their domains, as `{batch}`."""
    domains = preset.domains
    return [
        not_null("request_id", "ad_id", "The row belongs to no request and is lost."),
        not_null("ad_id", "request_id", "The row belongs to no ad and is lost."),
        not_null("impressed", KEY, "Without it nothing says whether the labels were observed."),
        _pairs_unique(),
        _joined("request", "request_id"),
        _joined("ad", "ad_id"),
        *_scores(domains),
        *_outcomes(domains),
        *_domains(domains, preset.data),
        content_is_new(SuiteTable.CANDIDATES, DIGEST),
    ]


def on_what_was_found(expect: Expect) -> Expect:
    """The same expectation, which great-expectations asks of the rows that were found in one reading of the day.

    Great-expectations runs every query twice: for the number of its rows, and for the rows.
    """
    if expect.where is not None:
        return replace(expect, query=expect.query.replace("{batch}", SUSPECTS))
    if "{batch}" not in expect.query:
        return expect
    return replace(expect, query=f"select * from {found_table(expect)} order by all")


def found_table(expect: Expect) -> str:
    """Where the rows that the expectation found in the whole day are."""
    return name(f"candidates.{expect.name}")


def summary_sql(preset: Preset, source: str, asked: Iterable[Expect]) -> str:
    """Query with one row per domain of `source`, in one scan: all that the suite asks of the table as a whole.

    Its keys; `candidates`; "domain.requests"; each task's mean finite score under its name; "<label>.shown" and
    "<label>.actions", the shown candidates whose label is known and those where it is true; what the table's digest is
    made of; and under the name of each expectation that is `asked`, all on single rows, whether any row of the domain
    is one that it looks for.
    """
    means = [
        f"avg({name(task)}) filter (where isfinite({name(task)})) as {name(task)}"
        for task in preset.domains.task_names
    ]
    labels = [
        f"count_if(impressed and {name(label)}{only}) as {name(f'{label}.{what}')}"
        for label in dict.fromkeys(task.label for task in preset.domains.tasks)
        for what, only in (("shown", " is not null"), ("actions", ""))
    ]
    found = [f"bool_or({expect.where}) as {name(expect.name)}" for expect in asked]
    digest = ('bit_xor("row.hash") as "row.xor"', 'sum(cast("row.hash" >> 32 as hugeint)) as "row.sum"')
    columns = ", ".join(('count(distinct request_id) as "domain.requests"', *means, *labels, *digest, *found))
    return (
        f"select surface, product, count(*) as candidates, {columns} from {source} group by surface, product"
    )


def _pairs_unique() -> Expect:
    """No (request, ad) comes twice."""
    # Equal pairs have equal hashes: where all of these differ, so do the pairs, and they are cheaper to tell apart.
    repeated = "count(distinct hash(request_id, ad_id)) < count(*)"
    return replace(
        unique(("request_id", "ad_id"), "The pair would be trained on, and counted in every metric, twice."),
        prompt=f"select true from {{batch}} where {NOT_NULL} having {repeated}",
    )


def _joined(what: str, column: str) -> Expect:
    return Expect(
        name=f"{what}_exists",
        column=column,
        description=f"Candidates without their {what} have no features of it, and are lost when joined.",
        query=f"select {KEY} from {{batch}} where {{where}} order by all",
        where=f"{column} is not null and not {what}_known",
    )


def _scores(domains: Domains) -> Iterator[Expect]:
    tasks = {task.name: task for task in domains.tasks}
    for task in domains.tasks:
        yield _probability(task)
        yield _null_where_lacking(domains, task)
        if task.parent is not None:
            yield _at_most(task, tasks[task.parent])


def _probability(task: Task) -> Expect:
    score = name(task.name)
    return Expect(
        name=f"{task.name}_is_a_probability",
        column=task.name,
        description="The loss takes the logarithm of the score and of one minus it: at 0, 1 or NaN it is not "
        "finite, and one such row spoils every weight.",
        query=f"select {KEY}, {score} from {{batch}} where {{where}} order by all",
        where=f"{score} <= 0 or {score} >= 1 or isnan({score}) or isinf({score})",
    )


def _null_where_lacking(domains: Domains, task: Task) -> Expect:
    score = name(task.name)
    own = f"product in ({_products(domains, (task,))})"
    return Expect(
        name=f"{task.name}_exactly_where_defined",
        column=task.name,
        description="A score where the task does not exist is trained on as if it did; a score missing where "
        "the task exists leaves the pair out of its loss.",
        query=f"select {KEY}, product, {score} from {{batch}} where {{where}} order by all",
        where=f"product in ({listed(domains.products)}) and ({score} is null) = ({own})",
    )


def _at_most(task: Task, parent: Task) -> Expect:
    child, above = name(task.name), name(parent.name)
    return Expect(
        name=f"{task.name}_at_most_{parent.name}",
        column=task.name,
        description=f"{task.name} happens only after {parent.name}, so the teacher's columns are swapped or of "
        f"different versions; a model that gives P({task.name}) through P({parent.name}) never reaches such a score.",
        query=f"select {KEY}, {child}, {above} from {{batch}} where {{where}} order by all",
        where=f"{child} > {above} and isfinite({child}) and isfinite({above})",
    )


def _outcomes(domains: Domains) -> Iterator[Expect]:
    outcomes = [column for column in outcome_columns(domains) if column != "impressed"]
    yield Expect(
        name="outcomes_null_unless_impressed",
        column=", ".join(outcomes),
        description="An ad that was not shown can't be acted on: such labels make calibration meaningless.",
        query=f"select {KEY}, {', '.join(map(name, outcomes))} from {{batch}} where {{where}} order by all",
        where=f"not impressed and ({' or '.join(f'{name(column)} is not null' for column in outcomes)})",
    )
    by_label: dict[str, list[Task]] = {}
    for task in domains.tasks:
        by_label.setdefault(task.label, []).append(task)
    for label, tasks in by_label.items():
        yield _label_where_defined(domains, label, tasks)
    labels = {task.name: task.label for task in domains.tasks}
    for task in domains.tasks:
        if task.parent is not None and labels[task.parent] != task.label:
            yield _only_if(task.label, labels[task.parent])
    yield Expect(
        name="position_is_a_rank",
        column="position",
        needs=Needs.POSITION,
        description="A shown ad without a place can't be told from one that was not shown.",
        query=f"select {KEY}, position from {{batch}} where {{where}} order by all",
        where="impressed and (position is null or position < 0)",
    )


def _label_where_defined(domains: Domains, label: str, tasks: list[Task]) -> Expect:
    own = f"product in ({_products(domains, tasks)})"
    return Expect(
        name=f"{label}_exactly_where_defined",
        column=label,
        description="A label missing on shown ads, or present where its task does not exist, biases the "
        "metrics that are computed on real actions.",
        query=f"select {KEY}, product, {name(label)} from {{batch}} where {{where}} order by all",
        where=f"impressed and product in ({listed(domains.products)}) and ({name(label)} is null) = ({own})",
    )


def _only_if(label: str, parent: str) -> Expect:
    return Expect(
        name=f"{label}_only_if_{parent}",
        column=label,
        description=f"{label} without {parent} breaks the tree of tasks: their metrics can't be compared.",
        query=f"select {KEY}, {name(label)}, {name(parent)} from {{batch}} where {{where}} order by all",
        where=f"{name(label)} and not {name(parent)}",
    )


def _products(domains: Domains, tasks: tuple[Task, ...] | list[Task]) -> str:
    """The products that have one of the tasks, as the inside of an SQL `in (…)`."""
    return listed(tuple(p for p in domains.products if any(domains.has_task(p, task) for task in tasks)))


def _actions_seen(domains: Domains) -> Expect:
    """Also on the first day, which has no day before it to compare with."""
    labels = dict.fromkeys(task.label for task in domains.tasks)
    counts = " union all ".join(
        f"select {literal(label)} as label, sum({name(f'{label}.shown')}) as shown, "
        f"sum({name(f'{label}.actions')}) as actions from {SUMMARY}"
        for label in labels
    )
    return Expect(
        name="actions_seen",
        column=", ".join(labels),
        severity=Severity.WARNING,
        description="An action that never happens on a whole day is not logged: metrics on real actions say nothing.",
        query=f"select label, shown from ({counts}) where actions = 0 and shown >= {_SHOWN} order by all",
    )


def _domains(domains: Domains, limits: DataConfig) -> Iterator[Expect]:
    pairs = ", ".join(f"({literal(d.surface)}, {literal(d.product)})" for d in domains.domains)
    counts = f"select surface, product, candidates from {SUMMARY}"
    yield Expect(
        name="domain_rows",
        column="surface, product",
        # A warning: of a large domain `domain_mix_steady` sees the loss, and one day of a small one spoils nothing.
        severity=Severity.WARNING,
        description="A domain with few rows or none is learned and judged on noise; a delivery is partial.",
        query=f"""
            with domains (surface, product) as (values {pairs}), counts as ({counts})
            select surface, product, coalesce(candidates, 0) as candidates
            from domains left join counts using (surface, product)
            where coalesce(candidates, 0) < {limits.min_domain_rows}
            order by all
        """,
    )
    yield _actions_seen(domains)
    yield from steady(
        SuiteTable.CANDIDATES,
        Measure.VOLUME,
        "request_id",
        "A day with far more or fewer candidates than usual was delivered twice, in part, or from another source.",
    )
    yield from steady(
        SuiteTable.CANDIDATES,
        Measure.LABELS,
        ", ".join(dict.fromkeys(task.label for task in domains.tasks)),
        "An action that is suddenly far more or less frequent was logged otherwise: what is measured on real actions "
        "says nothing then.",
    )
    yield from steady(
        SuiteTable.CANDIDATES,
        Measure.MIX,
        "surface, product",
        "Traffic moved between domains overnight: either part of a delivery is missing, or the model is trained for a "
        "mix that it will not serve.",
    )
    yield from steady(
        SuiteTable.CANDIDATES,
        Measure.SCORES,
        ", ".join(domains.task_names),
        "The teacher's level moved in a domain: a new teacher or a broken join, and the model would be calibrated to a "
        "scale that no longer holds.",
    )
