"""Tasks: which columns of candidates are scores, which action each one is about, and which task is whose parent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from mtmd.errors import LogsError
from mtmd.extract.database import Database
from mtmd.extras.proposal.columns import Column, Table, tokens
from mtmd.extras.proposal.roles import Roles

_OF_SCORES = {"p", "pr", "pred", "predicted", "prediction", "score", "prob", "probability", "model", "rate"}
_ALSO_CALLED = {"ctr": "click", "cvr": "conversion", "vtr": "view", "str": "save"}
_LEAST_ALIKE = 0.5


@dataclass(frozen=True)
class ProposedTask:
    """A score, the label that says what happened, the score's mean, and the task that it happens after.

    `products` are those that have the task; None for all.
    """

    score: Column
    label: Column
    mean: float
    parent: str | None = None
    products: tuple[str, ...] | None = None


def find_tasks(database: Database, roles: Roles, ads: Table, candidates: Table) -> list[ProposedTask]:
    """The tasks of the newest day's candidates, the likeliest action first; a score without a label is none.

    Raises LogsError where there is no score, or none with a label.
    """
    free = candidates.beside(roles.taken["candidates"])
    scores = [
        one
        for one in free
        if one.is_fraction and one.least is not None and 0 <= one.least <= (one.most or 0.0) <= 1
    ]
    labels = [one for one in free if one.is_truth and one.least != 1]  # not a version, 1 in every row
    if not scores:
        raise LogsError(
            f"{candidates.view}: no column has numbers between 0 and 1; the heavyweight ranker's scores are what a "
            "model learns from",
            "deliver one column for each task",
        )
    tasks = _pairs(database, candidates, scores, labels)
    if not tasks:
        raise LogsError(
            f"{candidates.view}: no column of true and false, or of 1 and 0, is the action of a score "
            f"({', '.join(one.name for one in scores)})",
            "deliver what really happened to the ads that were shown, one column for each task",
        )
    tasks.sort(key=lambda task: -task.mean)
    having = _products(database, roles, ads, candidates, tasks)
    return [
        replace(task, parent=_parent(database, candidates, task, tasks), products=products)
        for task, products in zip(tasks, having, strict=True)
    ]


def _pairs(
    database: Database, candidates: Table, scores: Sequence[Column], labels: Sequence[Column]
) -> list[ProposedTask]:
    """Each score with the label that is most like it in name; each is used once."""
    asked = ", ".join(f"avg({score.sql}) as m{n}" for n, score in enumerate(scores))
    (means,) = database.rows(f"select {asked} from {candidates.view}")
    alike = {
        (i, j): _alike(score.name, label.name)
        for i, score in enumerate(scores)
        for j, label in enumerate(labels)
    }
    pairs: dict[int, int] = {}
    for i, j in sorted(alike, key=lambda pair: -alike[pair]):
        if i not in pairs and j not in pairs.values() and alike[i, j] >= _LEAST_ALIKE:
            pairs[i] = j
    return [ProposedTask(scores[i], labels[j], float(means[f"m{i}"] or 0)) for i, j in pairs.items()]


def _alike(score: str, label: str) -> float:
    words = [word for word in tokens(score) if word not in _OF_SCORES] or tokens(score)
    named = "".join(_ALSO_CALLED.get(word, word) for word in words)
    return SequenceMatcher(None, named, "".join(tokens(label))).ratio()


def _parent(
    database: Database, candidates: Table, task: ProposedTask, tasks: Sequence[ProposedTask]
) -> str | None:
    """The least likely action that always comes with this one, and whose score is never below this one's."""
    happened = task.label.truth
    for other in sorted((one for one in tasks if one.mean > task.mean), key=lambda one: one.mean):
        against = f"({happened} and not {other.label.truth}) or {task.score.sql} > {other.score.sql}"
        (found,) = database.rows(
            f"select count(*) filter ({happened}) as size, count(*) filter ({against}) as against "
            f"from {candidates.view}"
        )
        if found["size"] and not found["against"]:
            return other.score.name
    return None


def _products(
    database: Database, roles: Roles, ads: Table, candidates: Table, tasks: Sequence[ProposedTask]
) -> list[tuple[str, ...] | None]:
    """Of each task, the products that have a score at all; None where all do."""
    product, names = roles.product.column, roles.product.names
    if product is None:
        return [None] * len(tasks)
    asked = ", ".join(f"count(c.{task.score.sql}) as n{n}" for n, task in enumerate(tasks))
    found = database.rows(
        f"select a.{product.sql} as product, {asked} from {candidates.view} as c join {ads.view} as a "
        f"on cast(c.{roles.ad.other.sql} as varchar) = cast(a.{roles.ad.own.sql} as varchar) group by 1"
    )
    having = [{str(row["product"]) for row in found if row[f"n{n}"]} for n in range(len(tasks))]
    return [None if len(h) == len(found) else tuple(names[p] for p in names if p in h) for h in having]
