"""What the tasks are: actions, and the scores of them that a heavyweight ranker gave, where there is one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

from mtmd.extract.database import Database
from mtmd.extras.proposal.roles import Domain, Joined, Question, Roles
from mtmd.extras.proposal.tables import Column, Table, preset_names, tokens
from mtmd.logs.contract import OUTCOMES

_KEYS = {"request_id", "ad_id", "impressed", "position", "surface", "product"}
_OF_SCORES = {"p", "pr", "pred", "predicted", "prediction", "score", "prob", "probability", "model", "rate"}
_ALSO_CALLED = {"ctr": "click", "cvr": "conversion", "vtr": "view", "str": "save"}
_LEAST_ALIKE = 0.5
_LEAST_ACTIONS = 20  # fewer may all come with another action by chance
_ROOT_WIDTH, _CHILD_WIDTH = 64, 32
# An action says less than a score. One plain network learns it best, and all learn it by heart soon: docs/results.md.
_FROM_ACTIONS: dict[str, dict[str, Any]] = {
    "model": {"architecture": "plain"},
    "training": {"learn_from": "actions", "epochs": 4, "learning_rate": 5e-4, "embedding_rate": 1.0},
    "rivals.per_slice": {"learning_rate": 5e-4, "widths": [256, 128], "embedding": 32},
    "rivals.pooled": {"every_days": 0},
}


@dataclass(frozen=True)
class ProposedTask:
    """An action, and its score, if any; without one the task learns from the action.

    mean      of the score, or of the action
    parent    name of the task that it happens after, if any
    products  those that have the task; None for all
    """

    name: str
    action: Column
    label: str
    score: Column | None
    mean: float = 0.0
    parent: str | None = None
    products: Sequence[str] | None = None

    def __str__(self) -> str:
        after = f", only after {self.parent}" if self.parent else ""
        learned = "" if self.score else f", in {self.mean:.1%} of rows, which it learns, as there is no score"
        null = " (null is a no)" if self.action.is_mark else ""
        return f"task {self.name}: {self.action.name} happened{null}{after}{learned}"

    @property
    def learned(self) -> str:
        """SQL of what it learns."""
        return self.action.truth if self.score is None else self.score.sql


def find_tasks(
    database: Database, joined: Joined, roles: Roles, said: Sequence[str]
) -> list[ProposedTask] | Question:
    """The tasks that candidates have, the likeliest action first; or what is to be said, or delivered, before.

    `said` are pairs such as p_click=clicked. Where nothing is said, each score is paired with the action that is most
    like it in name; without any score each action is a task.
    """
    candidates = joined.candidates
    free = candidates.beside(joined.request.other, joined.ad.other, roles.shown)
    scores = {column.name: column for column in free if column.kind == "fraction" and column.is_within(0, 1)}
    actions = {one.name: one for one in free if one.is_flag and (one.distinct > 1 or one.is_mark)}
    if not actions:
        lacking = "no column of true and false, or of 1 and 0, says what users did; deliver one for each task"
        return Question("", f"{candidates.place.template} has {', '.join(candidates.columns)}: {lacking}")
    named = (map(str.strip, one.partition("=")) for one in said)
    pairs = [(name, action or name) for name, _, action in named]
    pairs = pairs or _alike(scores, actions)
    wrong = "".join(f", not {action}" for _, action in pairs if action not in actions)
    wrong += "".join(
        f", and name {name} once" for n, (name, _) in enumerate(pairs) if name in dict(pairs[:n])
    )
    if wrong or not pairs:
        of = f" of the scores {', '.join(scores)}" if scores else ""
        example = f"{next(iter(scores), 'click')}={next(iter(actions))}"
        return Question(
            "task", f"which action is each task{of}: {' or '.join(actions)}{wrong}; such as {example}"
        )
    labels = preset_names((action for _, action in pairs), _KEYS)
    names = preset_names((name for name, _ in pairs if name in scores), {*_KEYS, *OUTCOMES, *labels.values()})
    names |= preset_names((name for name, _ in pairs if name not in scores), {*_KEYS, *names.values()})
    tasks = [
        ProposedTask(names[name], actions[action], labels[action], scores.get(name)) for name, action in pairs
    ]
    asked = ", ".join(f"avg(cast({task.learned} as double)) as m{n}" for n, task in enumerate(tasks))
    (means,) = database.rows(f"select {asked} from {candidates.view}")
    tasks = [replace(task, mean=means[f"m{n}"] or 0.0) for n, task in enumerate(tasks)]
    of_products = zip(tasks, _products(database, joined, roles.product, tasks), strict=True)
    tasks = [replace(task, products=products) for task, products in of_products]
    every = set(roles.product.names.values())
    if without := sorted(every.difference(*(task.products or every for task in tasks))):
        lacking = "no task has a value in the newest day; deliver one, or leave these ads out of the logs"
        return Question("task" if said else "", f"of ads of {', '.join(without)}, {lacking}")
    tasks = [replace(task, parent=_parent(database, candidates, task, tasks)) for task in tasks]
    return sorted(tasks, key=lambda task: -task.mean)


def _alike(scores: Iterable[str], actions: Iterable[str]) -> list[tuple[str, str]]:
    """Each score with the action that is most like it in name; each is used once. Without scores, all actions."""
    if not scores:
        return [(action, action) for action in actions]
    alike = {(score, action): _likeness(score, action) for score in scores for action in actions}
    pairs: dict[str, str] = {}
    for score, action in sorted(alike, key=lambda pair: -alike[pair]):
        if score not in pairs and action not in pairs.values() and alike[score, action] >= _LEAST_ALIKE:
            pairs[score] = action
    return list(pairs.items())


def _likeness(score: str, action: str) -> float:
    words = [word for word in tokens(score) if word not in _OF_SCORES] or tokens(score)
    named = "".join(_ALSO_CALLED.get(word, word) for word in words)
    return SequenceMatcher(None, named, "".join(tokens(action))).ratio()


def _parent(
    database: Database, candidates: Table, task: ProposedTask, tasks: Sequence[ProposedTask]
) -> str | None:
    """The least likely action that always comes with this one, and whose score is never below this one's."""
    likelier = [one for one in tasks if one.mean > task.mean and (one.score is None) is (task.score is None)]
    for other in sorted(likelier, key=lambda one: one.mean):
        (found,) = database.rows(
            f"select count(*) filter ({task.action.truth}) as n, count(*) filter (({task.action.truth} and not "
            f"{other.action.truth}) or {task.learned} > {other.learned}) as against "
            f"from {candidates.view}"
        )
        if found["n"] >= (1 if task.score else _LEAST_ACTIONS) and not found["against"]:
            return other.name
    return None


def _products(
    database: Database, joined: Joined, product: Domain, tasks: Sequence[ProposedTask]
) -> list[list[str] | None]:
    """Of each task, the products that have it at all; None where all do."""
    if product.column is None:
        return [None] * len(tasks)
    values = [task.score or task.action for task in tasks]
    asked = ", ".join(f"count({'*' if v.is_mark else 'c.' + v.sql}) as n{n}" for n, v in enumerate(values))
    own, other = joined.ad
    found = database.rows(
        f"select a.{product.column.sql} as product, {asked} from {joined.candidates.newest} as c join "
        f"{joined.ads.newest} as a on cast(c.{other.sql} as varchar) = cast(a.{own.sql} as varchar) group by 1"
    )
    lacking = [{row["product"] for row in found if not row[f"n{n}"]} for n in range(len(tasks))]
    return [[name for of, name in product.names.items() if of not in one] if one else None for one in lacking]


def shown_sql(tasks: Sequence[ProposedTask], shown: Column | None) -> str:
    """SQL of which ads were shown; where no column says it: all, or those that an action has a value of, also a no."""
    actions = [task.action for task in tasks if not task.action.is_mark]
    if shown or not actions or not all(action.nulls for action in actions):
        return shown.truth if shown else "true"
    return f"({' or '.join(f'{action.sql} is not null' for action in actions)})"


def label_sql(task: ProposedTask, shown: str) -> str:
    """SQL of its label, which is null where the ad was not `shown`, in SQL, or lacks the task."""
    known = "true" if task.products is None else f"{(task.score or task.action).sql} is not null"
    conditions = " and ".join(one for one in (shown, known) if one != "true")
    return f"case when {conditions} then {task.action.truth} end" if conditions else task.action.truth


def sections(roles: Roles, tasks: Sequence[ProposedTask]) -> dict[str, dict[str, Any]]:
    """The sections of a preset that name tasks."""
    with_scores = any(task.score for task in tasks)
    of_tasks = []
    for task in tasks:
        told = {"name": task.name, "label": task.label, "parent": task.parent, "products": task.products}
        told["learn_from"] = "actions" if with_scores and task.score is None else None
        of_tasks.append({key: value for key, value in told.items() if value})
    surfaces, products = (list(domain.names.values()) for domain in (roles.surface, roles.product))
    widths = {task.name: _CHILD_WIDTH if task.parent else _ROOT_WIDTH for task in tasks}
    found: dict[str, dict[str, Any]]
    found = {"model": {"emb_deep": widths}, "training": {}} if with_scores else _FROM_ACTIONS
    weights = {"loss_weights": {task.name: 1.0 for task in tasks}}
    return {
        "domains": {"surfaces": surfaces, "products": products, "tasks": of_tasks},
        **found,
        "training": found["training"] | weights,
    }
