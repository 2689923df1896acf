"""Tasks: which columns of candidates are scores, which action each one is about, and which task is whose parent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from mtmd.errors import LogsError
from mtmd.extras.proposal.looks import Look, LookedAt
from mtmd.extras.proposal.names import tokens
from mtmd.extras.proposal.roles import Roles
from mtmd.logs.sql import quoted
from mtmd.validate.gx_duckdb import Database

_OF_SCORES = {"p", "pr", "pred", "predicted", "prediction", "score", "prob", "probability", "model", "rate"}
_ALSO_CALLED = {"ctr": "click", "cvr": "conversion", "vtr": "view", "str": "save"}
_LEAST_ALIKE = 1.0
_LEAST_ALIKE_OF_ZEROS = 1.5  # of clicked, as of p_click, but not of click_count: rows say nothing of them


@dataclass(frozen=True)
class ProposedTask:
    """A score column, the label that says what happened, and the task that it happens after."""

    score: Look
    label: str
    mean: float
    happened: str  # SQL of the label as BOOLEAN
    parent: str | None = None
    products: tuple[str, ...] | None = None  # that have it; None for all
    never: bool = False  # it happened on no row that was looked at, so no parent can be told

    @property
    def name(self) -> str:
        return self.score.name


@dataclass(frozen=True)
class ProposedTasks:
    """Tasks, the likeliest action first; scores without a label, which are left out."""

    tasks: tuple[ProposedTask, ...]
    without_label: tuple[str, ...]


def find_tasks(connection: Database, roles: Roles, ads: LookedAt, candidates: LookedAt) -> ProposedTasks:
    """The tasks of one day's candidates. Raises LogsError where there is no score, or none with a label."""
    taken = roles.taken["candidates"]
    scores = [look for look in candidates.columns.values() if look.name not in taken and _is_score(look)]
    labels = [look for look in candidates.columns.values() if look.name not in taken and _is_label(look)]
    if not scores:
        raise LogsError(
            f"{candidates.view}: no column has numbers between 0 and 1; the heavyweight ranker's scores are what a "
            "model learns from: deliver one column for each task"
        )
    pairs = _pairs(connection, candidates.view, [look.name for look in scores], labels)
    if not pairs:
        raise LogsError(
            f"{candidates.view}: no column of true and false, or of 1 and 0, is the action of a score "
            f"({', '.join(look.name for look in scores)}); deliver what really happened to the ads that were "
            "shown, one column for each task"
        )
    means = _means(connection, candidates.view, pairs)
    tasks = [
        ProposedTask(look, pairs[look.name], means[look.name], candidates.columns[pairs[look.name]].truth)
        for look in sorted((s for s in scores if s.name in pairs), key=lambda s: -means[s.name])
    ]
    lacking = _products(connection, roles, ads, candidates, tasks)
    return ProposedTasks(
        tuple(
            replace(
                task,
                parent=_parent(connection, candidates, task, tasks),
                products=lacking[n],
                never=_never(connection, candidates, task),
            )
            for n, task in enumerate(tasks)
        ),
        tuple(look.name for look in scores if look.name not in pairs),
    )


def _is_score(look: Look) -> bool:
    """Not a label of 1 and 0 that is NaN where the ad was not shown."""
    return (
        look.is_fraction
        and not look.all_whole
        and look.least is not None
        and 0 <= look.least <= (look.most or 0) <= 1
        and look.distinct > 2
    )


def _is_label(look: Look) -> bool:
    """Not a number that is 1 in every row, such as a version."""
    return look.is_truth and look.least != 1


def _pairs(connection: Database, view: str, scores: Sequence[str], labels: Sequence[Look]) -> dict[str, str]:
    """Label by score: the most alike in name and in what they say of rows first, each used once.

    A number that is 0 in every row may be a count: others go first, and its name must be more alike.
    """
    asked = ", ".join(
        f"coalesce(corr({_known(quoted(s))}, {_known(quoted(label.name))}), 0) as c{i}_{j}"
        for i, s in enumerate(scores)
        for j, label in enumerate(labels)
    )
    if not asked:
        return {}
    (found,) = connection.rows(f"select {asked} from {view}")
    alike = {
        (s, label.name): 2 * _alike(s, label.name) + _positive(found[f"c{i}_{j}"])
        for i, s in enumerate(scores)
        for j, label in enumerate(labels)
    }
    zeros = {label.name for label in labels if label.most == 0}
    pairs: dict[str, str] = {}
    for s, label in sorted(alike, key=lambda pair: (pair[1] in zeros, -alike[pair])):
        least = _LEAST_ALIKE_OF_ZEROS if label in zeros else _LEAST_ALIKE
        if s not in pairs and label not in pairs.values() and alike[s, label] >= least:
            pairs[s] = label
    return pairs


def _positive(correlation: float) -> float:
    """Zero where it is undefined: one of both columns has the same value in every row."""
    return correlation if correlation > 0 else 0.0


def _known(column: str) -> str:
    """SQL of a number, null where some writers have NaN."""
    return f"nullif(cast({column} as double), 'nan'::double)"


def _alike(score: str, label: str) -> float:
    words = [word for word in tokens(score) if word not in _OF_SCORES] or tokens(score)
    named = "".join(_ALSO_CALLED.get(word, word) for word in words)
    return SequenceMatcher(None, named, "".join(tokens(label))).ratio()


def _means(connection: Database, view: str, scores: Mapping[str, str]) -> dict[str, float]:
    asked = ", ".join(f"avg({_known(quoted(score))}) as m{n}" for n, score in enumerate(scores))
    (found,) = connection.rows(f"select {asked} from {view}")
    return {score: float(found[f"m{n}"]) for n, score in enumerate(scores)}


def _parent(
    connection: Database, candidates: LookedAt, task: ProposedTask, tasks: Sequence[ProposedTask]
) -> str | None:
    """The least likely action that always comes with this one, and whose score is never below this one's.

    Some rows must have both scores: those of other products say nothing.
    """
    score, label = _known(quoted(task.name)), task.happened
    for other in sorted(tasks, key=lambda other: other.mean):
        if other.mean > task.mean:
            above = _known(quoted(other.name))
            (found,) = connection.rows(
                f"select count(*) filter ({label}) as n, count(*) filter ({label} and not {other.happened}) "
                f"+ count(*) filter ({score} > {above}) as against, "
                f"count({score} + {above}) as both_scored from {candidates.view}",
            )
            if found["n"] and found["both_scored"] and not found["against"]:
                return other.name
    return None


def _never(connection: Database, candidates: LookedAt, task: ProposedTask) -> bool:
    (found,) = connection.rows(f"select count(*) filter ({task.happened}) as n from {candidates.view}")
    return not found["n"]


def _products(
    connection: Database, roles: Roles, ads: LookedAt, candidates: LookedAt, tasks: Sequence[ProposedTask]
) -> list[tuple[str, ...] | None]:
    """Of each task, the products that have a score at all; None where all do."""
    product = roles.product.look
    if product is None:
        return [None] * len(tasks)
    asked = ", ".join(f"count({_known(f'c.{quoted(task.name)}')}) as n{n}" for n, task in enumerate(tasks))
    found = connection.rows(
        f"select a.{quoted(product.name)} as product, {asked} from {candidates.view} as c "
        f"join {ads.view} as a on c.{quoted(roles.ad.in_candidates)} = a.{quoted(roles.ad.own.name)} group by 1",
    )
    having = [tuple(row["product"] for row in found if row[f"n{n}"]) for n in range(len(tasks))]
    names = roles.product.names
    return [None if len(h) == len(found) else tuple(names[p] for p in names if p in h) for h in having]
