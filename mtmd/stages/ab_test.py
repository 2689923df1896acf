"""An A/B test of trained models in the delivery funnel of the simulated platform (paper §3.3, Tables 2 to 5).

Path: trained models → each scores the eligible pairs of every sample of the held-out day's traffic → the funnel
delivers each sample once per model, with the same people and budgets → sums by cell → relative changes with intervals.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import ConfigError, LogsError, RegistryError
from mtmd.evaluation import Table
from mtmd.experiment import (
    Alignment,
    Arm,
    BundleRanker,
    Change,
    ModelRanker,
    alignment,
    alignment_table,
    arm,
    change_table,
    changes,
    levels_table,
)
from mtmd.experiment.changes import MIN_SAMPLES
from mtmd.registry import Registry
from mtmd.serving import Scorer
from mtmd.stages.keys import code_digest
from mtmd.stages.outputs import make_once
from mtmd.stages.plan import RunPlan
from mtmd.stages.training import Trained, load_trained
from mtmd.storage import digest, read_json, write_json
from mtmd.world import (
    FunnelConfig,
    LightweightRanker,
    Platform,
    WorldConfig,
    chance,
    draw_traffic,
    heavyweight,
    oracle,
    require_columns,
    world_at,
)

Control = Literal["per_slice", "champion"]
CANDIDATE, UNCONSTRAINED = "mtmd", "unconstrained"
BASELINE: Final = "per_slice"
CHAMPION: Final = "champion"
ORACLE, CHANCE, HEAVYWEIGHT = "oracle", "chance", "heavyweight"
_BOUNDS: Mapping[str, LightweightRanker] = {ORACLE: oracle, HEAVYWEIGHT: heavyweight, CHANCE: chance}
_REPORT = "ab_test.json"


class Comparison(Frozen):
    """One ranker against another, on the same samples."""

    control: str
    treatment: str
    changes: tuple[Change, ...]


class ABTest(Frozen):
    """What the rankers did in the funnel."""

    name: str = Field(description="of the line of models")
    day: str = Field(description="whose ads were shown: the held-out day's")
    control: str = Field(description="what the candidate is held against")
    funnel: FunnelConfig
    samples: int
    comparisons: tuple[Comparison, ...]
    alignment: dict[str, tuple[Alignment, ...]] = Field(description="of each ranker, on the first sample")
    used: dict[str, float] = Field(description="spend of each ranker as a share of the budgets")
    impressions: dict[str, float] = Field(description="of each ranker, per request")

    def of(self, control: str, treatment: str) -> tuple[Change, ...]:
        """The changes from one ranker to another that were compared."""
        return next(c.changes for c in self.comparisons if (c.control, c.treatment) == (control, treatment))

    def tables(self) -> tuple[Table, ...]:
        """The paper's Tables 2 to 5, then what bounds them."""
        control = self.control
        gain, constrained = self.of(control, CANDIDATE), self.of(UNCONSTRAINED, CANDIDATE)
        won, lost = self.of(control, ORACLE), self.of(control, CHANCE)
        against = f"{CANDIDATE} against {control}"
        arms = {control: _swapped(gain), UNCONSTRAINED: _swapped(constrained), CANDIDATE: gain}
        arms |= {HEAVYWEIGHT: self.of(control, HEAVYWEIGHT), ORACLE: won, CHANCE: lost}
        bounds = ("all", "surface", "product", "goal")
        return (
            change_table(f"Table 2, by surface: {against}", gain, ("surface", "all")),
            change_table(f"Table 3, by product: {against}", gain, ("product",)),
            change_table(f"Table 4, by goal: {against}", gain, ("goal",)),
            change_table("Table 5, constrained against unconstrained", constrained, ("surface", "product")),
            change_table(f"What can be won: {ORACLE} against {control}", won, bounds),
            change_table(f"What can be lost: {CHANCE} against {control}", lost, bounds),
            levels_table("Metrics of each ranker, all impressions", arms),
            alignment_table("Agreement with the heavyweight ranker", self.alignment),
        )

    @property
    def words(self) -> str:
        """The first line of a report."""
        whole = {c.metric: c for c in self.of(self.control, CANDIDATE) if c.kind == "all"}
        texts = [
            f"{metric} {change.change:+.2%} [{change.low:+.2%}, {change.high:+.2%}]"
            for metric, change in whole.items()
        ]
        return f"{CANDIDATE} against {self.control}: {', '.join(texts)}"


def ab_test(
    plan: RunPlan,
    trained: Sequence[Trained],
    *,
    samples: int,
    funnel: FunnelConfig,
    control: Control = BASELINE,
    on_sample: Callable[[int], None] | None = None,
) -> ABTest:
    """Run MTMD, what it is held against, unconstrained MTMD, and rankers that bound them through the same funnel.

    The output is named by models, world, funnel and code, and taken where it is there. Raises LogsError where the logs
    are no simulated world's, whose truth is needed, ConfigError for too few samples or a model that is missing,
    RegistryError where there is no champion to be the control.
    """
    world = _world(plan)
    models = {one.name: one for one in trained}
    _check(samples, models, control)
    champion = _champion(plan) if control == CHAMPION else None
    key = digest(
        {
            "trained": {name: one.key for name, one in models.items()},
            "world": world.model_dump(mode="json"),
            "funnel": funnel.model_dump(mode="json"),
            "samples": samples,
            "day": plan.as_of,
            "champion": champion,
            "code": code_digest(
                "world", "experiment", "model", "serving", "encoding.py", "stages/ab_test.py"
            ),
        }
    )
    final = plan.workspace.evaluation(key)

    def build(directory: Path) -> None:
        rankers = _rankers(plan, models, champion)
        tested = _run(plan, world, rankers, samples, funnel, control, on_sample or (lambda _: None))
        write_json(directory / _REPORT, tested.model_dump(mode="json"))

    make_once(final, build)
    return ABTest.model_validate(read_json(final / _REPORT))


def _run(
    plan: RunPlan,
    world: WorldConfig,
    rankers: Mapping[str, LightweightRanker],
    samples: int,
    funnel: FunnelConfig,
    control: Control,
    on_sample: Callable[[int], None],
) -> ABTest:
    platform = Platform(world)
    arms: dict[str, list[Arm]] = {name: [] for name in rankers}
    aligned: dict[str, tuple[Alignment, ...]] = {}
    for sample in range(samples):
        traffic = draw_traffic(platform, plan.as_of, funnel, sample)
        for name, ranker in rankers.items():
            scores = ranker(traffic)
            arms[name].append(arm(traffic, scores, funnel))
            if sample == 0:
                aligned[name] = alignment(traffic, scores, funnel)
        on_sample(sample)
    pairs = [(UNCONSTRAINED, CANDIDATE), *((control, one) for one in (CANDIDATE, *_BOUNDS))]
    shown = {name: sum(one.impressions for one in own) for name, own in arms.items()}
    return ABTest(
        name=plan.preset.name,
        day=str(plan.as_of),
        control=control,
        funnel=funnel,
        samples=samples,
        comparisons=tuple(
            Comparison(control=one, treatment=other, changes=changes(arms[one], arms[other]))
            for one, other in pairs
        ),
        alignment=aligned,
        used={name: sum(one.used for one in own) / samples for name, own in arms.items()},
        impressions={name: total / (samples * funnel.requests) for name, total in shown.items()},
    )


def _rankers(
    plan: RunPlan, models: Mapping[str, Trained], champion: str | None
) -> dict[str, LightweightRanker]:
    """Models first, each with its own configuration's declarations."""
    found: dict[str, LightweightRanker] = {
        name: ModelRanker(load_trained(plan, one), plan.changed(one.variant).preset.declarations)
        for name, one in models.items()
    }
    if champion is not None:
        found[CHAMPION] = BundleRanker(Scorer.load(Registry(plan.workspace.root).verify(champion)))
    return found | dict(_BOUNDS)


def _champion(plan: RunPlan) -> str:
    live = Registry(plan.workspace.root).champion()
    if live is None:
        raise RegistryError(
            f"{plan.workspace.root} has no champion to be the control of the A/B test; promote a model, or take "
            f"{BASELINE} as the control"
        )
    return live.model_id


def _world(plan: RunPlan) -> WorldConfig:
    require_columns(plan.preset)
    world = world_at(plan.logs)
    if world is None:
        raise LogsError(
            f"logs {plan.logs!r} are not of a simulated world, and only its truth says what people would have done "
            "with other ads; use a preset whose logs `mtmd simulate` wrote"
        )
    return world


def _check(samples: int, models: Mapping[str, Trained], control: Control) -> None:
    if samples < MIN_SAMPLES:
        raise ConfigError(f"samples ({samples}) must be at least {MIN_SAMPLES}: fewer have no interval")
    if missing := {CANDIDATE, UNCONSTRAINED, control} - {CHAMPION} - set(models):
        raise ConfigError(f"models {sorted(missing)} are missing from the A/B test; train them on its window")


def _swapped(found: Sequence[Change]) -> tuple[Change, ...]:
    """The control's figures in the treatment's place."""
    return tuple(one.model_copy(update={"treatment": one.control}) for one in found)
