"""Domains and tasks (paper §2.1.1, §2.3): what is scored, where, and what depends on what."""

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from mtmd.config.base import Frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Names of columns, files and artifacts are made of these; "all" names the aggregate over slices.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_RESERVED = "all"


class Domain(NamedTuple):
    """One (surface, product) pair."""

    surface: str
    product: str

    def __str__(self) -> str:
        return f"{self.surface} × {self.product}"


class Slice(NamedTuple):
    """One (surface, product, task) triple: the unit of evaluation."""

    surface: str
    product: str
    task: str

    def __str__(self) -> str:
        return f"{self.surface} × {self.product} × {self.task}"


LearnFrom = Literal["scores", "actions"]


class Task(Frozen):
    """One prediction task; where it learns from scores, its name is also their column in the `candidates` table."""

    name: Name = Field(description="name, and column of the scores where the task learns from them")
    label: Name = Field(
        description="boolean column of `candidates` with what really happened: one of the contract's, or your own"
    )
    parent: str | None = Field(None, description="P(task) = P(task | parent) · P(parent); paper §2.3")
    products: tuple[str, ...] | None = Field(
        None, min_length=1, description="products that have the task; all when omitted"
    )
    learn_from: LearnFrom | None = Field(
        None,
        exclude_if=lambda given: given is None,
        description="scores: the column of its name; actions: its label on ads that were shown, and the logs need no "
        "score. That of [training] when omitted",
    )
    maturity: int = Field(
        0,
        ge=0,
        le=60,
        exclude_if=lambda days: not days,
        description="days until the label is final: the window's newest days do not teach the task before that",
    )

    @property
    def from_actions(self) -> bool:
        return self.learn_from == "actions"


class Domains(Frozen):
    """Surfaces, products and tasks, in the order that indices everywhere follow."""

    surfaces: tuple[Name, ...] = Field(("home_feed", "search", "related_pin"), min_length=1, max_length=128)
    products: tuple[Name, ...] = Field(("standard", "shopping"), min_length=1, max_length=128)
    tasks: tuple[Task, ...] = Field(min_length=1)
    constrained: bool = Field(
        True, description="constrained modelling along the tasks' parents, or each task alone; paper §2.3"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for kind, names in (
            ("surface", self.surfaces),
            ("product", self.products),
            ("task", tuple(task.name for task in self.tasks)),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{kind} names {list(names)} must be distinct")
            if _RESERVED in names:
                raise ValueError(
                    f"{kind} names {list(names)} must not have {_RESERVED!r}, which names the aggregate"
                )
        seen: set[str] = set()
        for task in self.tasks:
            if task.parent is not None and task.parent not in seen:
                raise ValueError(
                    f"task {task.name!r} has parent {task.parent!r}, which must be a task declared before it"
                )
            if task.products is not None and (bad := set(task.products) - set(self.products)):
                raise ValueError(
                    f"task {task.name!r} names products {sorted(bad)}; declared: {list(self.products)}"
                )
            if task.maturity and not task.from_actions:
                raise ValueError(
                    f"task {task.name!r} has maturity {task.maturity}, which is of labels, and learns from scores; "
                    'set its learn_from = "actions", or remove maturity'
                )
            seen.add(task.name)
        return self

    @model_validator(mode="after")
    def _check_products(self) -> Self:
        """A task needs its parent wherever it exists, and a product without any task has nothing to learn."""
        names = {task.name: task for task in self.tasks}
        for product in self.products:
            tasks = [task for task in self.tasks if self.has_task(product, task)]
            if not tasks:
                raise ValueError(f"product {product!r} has no task; give it one or remove it from products")
            for task in tasks:
                if task.parent is not None and not self.has_task(product, names[task.parent]):
                    raise ValueError(
                        f"task {task.name!r} is on product {product!r}; so must be its parent {task.parent!r}"
                    )
        return self

    @property
    def task_names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)

    @property
    def action_tasks(self) -> dict[str, int]:
        """The tasks that learn from actions, with the days until their labels are final."""
        return {task.name: task.maturity for task in self.tasks if task.from_actions}

    @property
    def score_tasks(self) -> tuple[str, ...]:
        """The tasks that learn from scores, which logs must have."""
        return tuple(task.name for task in self.tasks if not task.from_actions)

    @property
    def parents(self) -> tuple[int | None, ...]:
        """Index of each task's parent task, None for a root; a parent always comes first.

        All None where modelling is not constrained.
        """
        names = self.task_names
        if not self.constrained:
            return (None,) * len(names)
        return tuple(None if task.parent is None else names.index(task.parent) for task in self.tasks)

    @property
    def domains(self) -> tuple[Domain, ...]:
        """All domains; the index of (surface s, product p) is s · |products| + p."""
        return tuple(Domain(surface, product) for surface in self.surfaces for product in self.products)

    @property
    def slices(self) -> tuple[Slice, ...]:
        """Every (surface, product, task) that exists, domain by domain."""
        return tuple(
            Slice(domain.surface, domain.product, task.name)
            for domain in self.domains
            for task in self.tasks
            if self.has_task(domain.product, task)
        )

    @property
    def task_mask(self) -> "NDArray[np.bool_]":
        """(|domains|, |tasks|): whether the task exists in the domain."""
        import numpy as np

        return np.array([[self.has_task(d.product, task) for task in self.tasks] for d in self.domains])

    @staticmethod
    def has_task(product: str, task: Task) -> bool:
        return task.products is None or product in task.products
