"""An A/B test of trained models in the delivery funnel of the simulated platform (paper §3.3, Tables 2 to 5).

Path: trained models → each scores the eligible pairs of every sample of the held-out day's traffic → the funnel
delivers each sample once per model, with the same people and budgets → sums by cell → relative changes with intervals.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from mtmd.errors import ConfigError, LogsError, RegistryError
from mtmd.export.stage import model_id
from mtmd.extract.shards import ShardRef
from mtmd.extract.window import window_fingerprint
from mtmd.extras.abtest.arms import Alignment, Arm, alignment, arm
from mtmd.extras.abtest.changes import FOLLOWING, MIN_SAMPLES, changes
from mtmd.extras.abtest.funnel import LightweightRanker, chance, heavyweight, oracle
from mtmd.extras.abtest.outcome import (
    AB_TEST_FORMAT,
    BASELINE,
    CANDIDATE,
    CHAMPION,
    CHANCE,
    HEAVYWEIGHT,
    ORACLE,
    POOLED,
    RIVALS,
    UNCONSTRAINED,
    ABTest,
    ArmComparison,
)
from mtmd.extras.abtest.rankers import BundleRanker, ModelRanker
from mtmd.extras.abtest.settings import FunnelConfig, Settings
from mtmd.extras.abtest.traffic import draw_traffic
from mtmd.registry.incumbent import incumbent
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan
from mtmd.serve.scorer import Scorer
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import SimulatedPlatform, world_of
from mtmd.store.files import digest, read_json, write_json
from mtmd.store.outputs import is_complete, make_once
from mtmd.train.stage import Trained, load_trained, training_key

Control = Literal["per_slice", "champion"]
OnSample = Callable[[int, int], None]
_NO_MODELS: Mapping[str, LightweightRanker] = {ORACLE: oracle, HEAVYWEIGHT: heavyweight, CHANCE: chance}
_SERVING = frozenset({CANDIDATE, BASELINE, POOLED, UNCONSTRAINED})
_REPORT = "ab_test.json"


def ab_test(
    plan: RunPlan,
    trained: Sequence[Trained],
    *,
    samples: int | None = None,
    requests: int | None = None,
    control: Control = BASELINE,
    champion: str | None = None,
    on_sample: OnSample | None = None,
) -> ABTest:
    """Run MTMD, its rivals, unconstrained MTMD if given, and rankers that are no models through one funnel.

    Of `trained` the per-slice and the pooled model serve where they are there. `champion` is the model id of the
    champion to serve beside them; where it is the control and none is given, the live one serves. `samples`, and
    `requests` of each, are the preset's when omitted; `on_sample` hears how many are done, and of how many. The output
    is named by models, control, world, funnel and format, and taken where it is there.

    Raises LogsError where the logs are no simulated world's, whose truth is needed, ConfigError for too few samples or
    a model that is missing, RegistryError where there is no champion to be the control.
    """
    world = world_of(plan.preset, plan.logs)
    samples, funnel = _size(plan, samples, requests)
    models = {one.name: one for one in trained if one.name in _SERVING}
    _check(samples, models, control)
    if control == CHAMPION and champion is None:
        champion = _champion(plan)
    keys = {name: one.key for name, one in models.items()}
    key = _key(plan, world, keys, samples, funnel, control, champion)
    final = plan.workspace.evaluation(key)

    def build(directory: Path) -> None:
        rankers = _rankers(plan, models, champion)
        arms, aligned = _serve(plan, world, rankers, samples, funnel, on_sample)
        tested = _outcome(plan, key, control, funnel, arms, aligned, FOLLOWING)
        write_json(directory / _REPORT, tested.model_dump(mode="json"))

    make_once(final, build)
    return ABTest.model_validate(read_json(final / _REPORT))


def find_ab_test(
    plan: RunPlan, trained: Sequence[Trained], window: Sequence[ShardRef], champion: str | None = None
) -> ABTest | None:
    """What was run of these models against the baselines, at the preset's size; None where nothing was.

    With unconstrained MTMD rather than without; `champion` as in `ab_test`. Runs nothing, and trains nothing.
    """
    try:
        world = world_of(plan.preset, plan.logs)
    except (ConfigError, LogsError):
        return None
    samples, funnel = _size(plan, None, None)
    models = {one.name: one.key for one in trained if one.name in _SERVING - {UNCONSTRAINED}}
    other = training_key("mtmd", window_fingerprint(window), plan.changed(UNCONSTRAINED).preset)
    for keys in (models | {UNCONSTRAINED: other}, models):
        final = plan.workspace.evaluation(_key(plan, world, keys, samples, funnel, BASELINE, champion))
        if is_complete(final):
            return ABTest.model_validate(read_json(final / _REPORT))
    return None


def champion_beside(plan: RunPlan, candidate: Trained, held_out: ShardRef) -> str | None:
    """Model id of the champion that the evaluation of this candidate compares it with; None where there is none."""
    registry = Registry(plan.workspace.root)
    return incumbent(registry, model_id(plan, candidate, held_out), plan.as_of).compared


def _size(plan: RunPlan, samples: int | None, requests: int | None) -> tuple[int, FunnelConfig]:
    own = plan.preset.extra(Settings)
    return own.samples if samples is None else samples, own.funnel(requests)


def _key(
    plan: RunPlan,
    world: WorldConfig,
    models: Mapping[str, str],
    samples: int,
    funnel: FunnelConfig,
    control: Control,
    champion: str | None,
) -> str:
    """Name of a test: the models' keys, all that they meet, what they are compared with, and the outcome's format."""
    return digest(
        {
            "trained": dict(models),
            "world": world.model_dump(mode="json"),
            "funnel": funnel.model_dump(mode="json"),
            "samples": samples,
            "day": plan.as_of,
            "control": control,
            "champion": champion,
            "format": AB_TEST_FORMAT,
        }
    )


def _serve(
    plan: RunPlan,
    world: WorldConfig,
    rankers: Mapping[str, LightweightRanker],
    samples: int,
    funnel: FunnelConfig,
    on_sample: OnSample | None,
) -> tuple[dict[str, list[Arm]], dict[str, tuple[Alignment, ...]]]:
    """Each ranker's arm of every sample, and its agreement with the heavyweight ranker on the first."""
    platform = SimulatedPlatform(world)
    arms: dict[str, list[Arm]] = {name: [] for name in rankers}
    aligned: dict[str, tuple[Alignment, ...]] = {}
    for sample in range(samples):
        traffic = draw_traffic(platform, plan.as_of, funnel, sample)
        for name, ranker in rankers.items():
            scores = ranker(traffic)
            arms[name].append(arm(traffic, scores, funnel))
            if sample == 0:
                aligned[name] = alignment(traffic, scores, funnel)
        if on_sample is not None:
            on_sample(sample + 1, samples)
    return arms, aligned


def _outcome(
    plan: RunPlan,
    key: str,
    control: Control,
    funnel: FunnelConfig,
    arms: Mapping[str, list[Arm]],
    aligned: dict[str, tuple[Alignment, ...]],
    follows: dict[str, str],
) -> ABTest:
    samples = len(arms[CANDIDATE])
    rivals = [name for name in RIVALS if name in arms and name != control]
    pairs: list[tuple[str, str]] = [(control, one) for one in (CANDIDATE, *rivals, *_NO_MODELS)]
    pairs += [(one, CANDIDATE) for one in (*rivals, UNCONSTRAINED) if one in arms]
    shown = {name: sum(one.impressions for one in own) for name, own in arms.items()}
    return ABTest(
        key=key,
        name=plan.preset.name,
        day=str(plan.as_of),
        control=control,
        funnel=funnel,
        samples=samples,
        comparisons=tuple(
            ArmComparison(control=one, treatment=other, changes=changes(arms[one], arms[other]))
            for one, other in pairs
        ),
        alignment=aligned,
        used={name: sum(one.used for one in own) / samples for name, own in arms.items()},
        follows=follows,
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
    return found | dict(_NO_MODELS)


def _champion(plan: RunPlan) -> str:
    live = Registry(plan.workspace.root).champion()
    if live is None:
        raise RegistryError(
            f"{plan.workspace.root} has no champion to be the control of the A/B test; promote a model, or take "
            f"{BASELINE} as the control"
        )
    return live.model_id


def _check(samples: int, models: Mapping[str, Trained], control: Control) -> None:
    if samples < MIN_SAMPLES:
        raise ConfigError(f"samples ({samples}) must be at least {MIN_SAMPLES}: fewer have no interval")
    if missing := {CANDIDATE, control} - {CHAMPION} - set(models):
        raise ConfigError(f"models {sorted(missing)} are missing from the A/B test; train them on its window")
