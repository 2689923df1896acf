"""Tasks: which columns of candidates are scores, which action each one is about, and which task is whose parent."""

from collections.abc import Sequence
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


def find_tasks(database: Database, roles: Roles, ads: LookedAt, candidates: LookedAt) -> ProposedTasks:
    """The tasks of the newest day's candidates. Raises LogsError where there is no score, or none with a label."""
    free = [look for look in candidates.columns.values() if look.name not in roles.taken["candidates"]]
    scores = [look for look in free if _is_score(look)]
    labels = [look for look in free if look.is_truth and look.least != 1]  # not a version, 1 in every row
    if not scores:
        raise LogsError(
            f"{candidates.view}: no column has numbers between 0 and 1; the heavyweight ranker's scores are what a "
            "model learns from",
            "deliver one column for each task",
        )
    means, pairs = _pairs(database, candidates.view, [look.name for look in scores], labels)
    if not pairs:
        raise LogsError(
            f"{candidates.view}: no column of true and false, or of 1 and 0, is the action of a score "
            f"({', '.join(look.name for look in scores)})",
            "deliver what really happened to the ads that were shown, one column for each task",
        )
    tasks = [
        ProposedTask(look, pairs[look.name], means[look.name], candidates.columns[pairs[look.name]].truth)
        for look in sorted((s for s in scores if s.name in pairs), key=lambda s: -means[s.name])
    ]
    having = _products(database, roles, ads, candidates, tasks)
    found = (
        replace(_with_parent(database, candidates, task, tasks), products=products)
        for task, products in zip(tasks, having, strict=True)
    )
    return ProposedTasks(tuple(found), tuple(look.name for look in scores if look.name not in pairs))


def _is_score(look: Look) -> bool:
    """Not a label of 1 and 0 that is NaN where the ad was not shown."""
    inside = look.least is not None and 0 <= look.least <= (look.most or 0) <= 1
    return look.is_fraction and not look.all_whole and inside and look.distinct > 2


def _pairs(
    database: Database, view: str, scores: Sequence[str], labels: Sequence[Look]
) -> tuple[dict[str, float], dict[str, str]]:
    """Mean by score, and label by score: the most alike in name and in what they say of rows first, each used once.

    A number that is 0 in every row may be a count: others go first, and its name must be more alike.
    """
    asked = [f"avg({_known(quoted(score))}) as m{i}" for i, score in enumerate(scores)]
    asked += [
        f"coalesce(corr({_known(quoted(score))}, {_known(quoted(label.name))}), 0) as c{i}_{j}"
        for i, score in enumerate(scores)
        for j, label in enumerate(labels)
    ]
    (found,) = database.rows(f"select {', '.join(asked)} from {view}")
    alike = {
        (score, label.name): 2 * _alike(score, label.name)
        + (c if (c := found[f"c{i}_{j}"]) > 0 else 0)  # NaN too
        for i, score in enumerate(scores)
        for j, label in enumerate(labels)
    }
    zeros = {label.name for label in labels if label.most == 0}
    pairs: dict[str, str] = {}
    for score, label in sorted(alike, key=lambda pair: (pair[1] in zeros, -alike[pair])):
        least = _LEAST_ALIKE_OF_ZEROS if label in zeros else _LEAST_ALIKE
        if score not in pairs and label not in pairs.values() and alike[score, label] >= least:
            pairs[score] = label
    return {score: float(found[f"m{i}"] or 0) for i, score in enumerate(scores)}, pairs


def _known(column: str) -> str:
    """SQL of a number, null where some writers have NaN."""
    return f"nullif(cast({column} as double), 'nan'::double)"


def _alike(score: str, label: str) -> float:
    words = [word for word in tokens(score) if word not in _OF_SCORES] or tokens(score)
    named = "".join(_ALSO_CALLED.get(word, word) for word in words)
    return SequenceMatcher(None, named, "".join(tokens(label))).ratio()


def _with_parent(
    database: Database, candidates: LookedAt, task: ProposedTask, tasks: Sequence[ProposedTask]
) -> ProposedTask:
    """With the least likely action that always comes with this one, and whose score is never below this one's.

    Some rows must have both scores: those of other products say nothing.
    """
    score, happened = _known(quoted(task.name)), task.happened
    (size,) = database.rows(f"select count(*) filter ({happened}) as n from {candidates.view}")
    for other in sorted((other for other in tasks if other.mean > task.mean), key=lambda other: other.mean):
        above = _known(quoted(other.name))
        (found,) = database.rows(
            f"select count(*) filter ({happened} and not {other.happened}) + count(*) filter ({score} > {above}) "
            f"as against, count({score} + {above}) as both_scored from {candidates.view}"
        )
        if size["n"] and found["both_scored"] and not found["against"]:
            return replace(task, parent=other.name)
    return replace(task, never=not size["n"])


def _products(
    database: Database, roles: Roles, ads: LookedAt, candidates: LookedAt, tasks: Sequence[ProposedTask]
) -> list[tuple[str, ...] | None]:
    """Of each task, the products that have a score at all; None where all do."""
    product, names = roles.product.look, roles.product.names
    if product is None:
        return [None] * len(tasks)
    asked = ", ".join(f"count({_known(f'c.{quoted(task.name)}')}) as n{n}" for n, task in enumerate(tasks))
    found = database.rows(
        f"select a.{quoted(product.name)} as product, {asked} from {candidates.view} as c "
        f"join {ads.view} as a on c.{quoted(roles.ad.other.name)} = a.{quoted(roles.ad.own.name)} group by 1"
    )
    having = [{str(row["product"]) for row in found if row[f"n{n}"]} for n in range(len(tasks))]
    return [None if len(h) == len(found) else tuple(names[p] for p in names if p in h) for h in having]
