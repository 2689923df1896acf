"""An A/B test of trained models in the delivery funnel of the simulated platform (paper §3.3, Tables 2 to 4).

Path: trained models → each scores the eligible pairs of every sample of the held-out day's traffic → the funnel
delivers each sample once per model, with the same people and budgets → sums by cell → relative changes with intervals.
Models see what the logs would show, and nothing else. Shapes: P pairs, T tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field

from mtmd.config import Declarations, Frozen, Preset, SideSchema
from mtmd.config.model import ARCHITECTURE
from mtmd.errors import ConfigError, LogsError
from mtmd.export.stage import model_id
from mtmd.extract.shards import ShardRef
from mtmd.extras.abtest import Settings
from mtmd.extras.abtest.changes import Arm, RelativeChange, arm, changes
from mtmd.extras.abtest.funnel import Chances, LightweightRanker, Traffic, draw_traffic
from mtmd.logs.encoding import EncodedSide, encode
from mtmd.model.batch import Batch, SideInput
from mtmd.model.ranker import RankingModel
from mtmd.registry.incumbent import incumbent
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan
from mtmd.serve.scorer import Scorer
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.outcomes import TASKS
from mtmd.sources.simulated.platform import SimulatedPlatform, require_columns, world_at
from mtmd.sources.simulated.population import Ints
from mtmd.store.files import digest, read_json, write_json
from mtmd.store.workspace import make_once
from mtmd.train.stage import Trained, load_trained

_REQUESTS_AT_ONCE = 1000  # some 450,000 pairs; the item tower runs once for each
AB_TEST_FORMAT = 5  # raise it whenever the same models in the same world would give another outcome
BASELINE: Final = "per_slice"
CHAMPION: Final = "champion"
_REPORT = "ab_test.json"


@dataclass(frozen=True)
class _Side:
    """Encoded rows of one side, and the domain of each."""

    rows: EncodedSide
    domain: Ints
    domains: int

    @classmethod
    def of(cls, table: pa.Table, schema: SideSchema, hash_seed: int) -> "_Side":
        names = table.column("surface" if schema.side == "query" else "product").to_pylist()
        domain = np.array([schema.domains.index(name) for name in names], np.int64)
        return cls(encode(table, schema, hash_seed), domain, len(schema.domains))

    def input(self, chosen: Ints) -> tuple[SideInput, Ints]:
        """Some rows for a torch model, which wants them sorted by domain, and where in it each of them went."""
        domain = self.domain[chosen]
        order = np.argsort(domain, kind="stable")
        counts = np.bincount(domain, minlength=self.domains)
        return SideInput.of(self.rows.take(chosen[order]), tuple(counts.tolist())), np.argsort(order)


def _sides(traffic: Traffic, declarations: Declarations) -> tuple[_Side, _Side]:
    """Raises LogsError where the rows are not as declared."""
    return (
        _Side.of(traffic.request_rows, declarations.query, declarations.hash_seed),
        _Side.of(traffic.ad_rows, declarations.item, declarations.hash_seed),
    )


class ModelRanker:
    """A trained model in the place of the lightweight ranker: embeddings once per request and ad, then dot products."""

    def __init__(self, model: RankingModel, declarations: Declarations) -> None:
        self._model, self._declarations = model, declarations

    def __call__(self, traffic: Traffic) -> Chances:
        """(P, T) float32 chances of each task; raises LogsError where the rows are not as the model's declarations."""
        sides = _sides(traffic, self._declarations)
        chances = np.empty(traffic.truth.shape, np.float32)
        columns = [self._declarations.domains.task_names.index(task) for task in TASKS]
        self._model.eval()
        with torch.inference_mode():
            for start in range(0, len(traffic.requests), _REQUESTS_AT_ONCE):
                stop = min(start + _REQUESTS_AT_ONCE, len(traffic.requests))
                batch = self._batch(traffic, *sides, start, stop)
                span = slice(traffic.first[start], traffic.first[stop])
                chances[span] = self._model(batch).float().exp().numpy()[:, columns]
        return chances

    def _batch(self, traffic: Traffic, query: _Side, item: _Side, start: int, stop: int) -> Batch:
        """The pairs of consecutive requests."""
        span = slice(traffic.first[start], traffic.first[stop])
        request, ad = traffic.pairs.request[span], traffic.pairs.ad[span]
        queries, query_place = query.input(np.arange(start, stop))
        items, item_place = item.input(np.arange(len(item.domain)))
        tasks = len(self._declarations.domains.tasks)
        return Batch(
            query=queries,
            item=items,
            pair_query=torch.from_numpy(query_place[request - start]),
            pair_item=torch.from_numpy(item_place[ad]),
            pair_domain=torch.from_numpy(query.domain[request] * item.domains + item.domain[ad]),
            teacher=torch.full((len(ad), tasks), torch.nan),
            candidate=torch.arange(len(ad)),
        )


class BundleRanker:
    """An exported model in the place of the lightweight ranker, as it is served."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, traffic: Traffic) -> Chances:
        """(P, T) float32 chances of each task; raises LogsError where the rows are not as the bundle's declarations."""
        query, item = _sides(traffic, self._scorer.info.declarations)
        queries = self._scorer.embed_rows("query", query.domain, query.rows)
        items = self._scorer.embed_rows("item", item.domain, item.rows)
        log_p = self._scorer.score(queries, items, traffic.pairs.request, traffic.pairs.ad)
        return np.asarray(np.exp(log_p[:, [self._scorer.tasks.index(task) for task in TASKS]]))


class ABTest(Frozen):
    """What the rankers did in the funnel."""

    day: str = Field(description="whose ads were shown: the held-out day's")
    settings: Settings
    candidate: str = Field(ARCHITECTURE, description="kind of the model that the others are compared with")
    comparisons: dict[str, tuple[RelativeChange, ...]] = Field(
        description="rival → the candidate against it, on the same samples"
    )

    @property
    def rivals(self) -> tuple[str, ...]:
        """The baselines first."""
        return (BASELINE, *sorted(self.comparisons.keys() - {BASELINE}))

    @property
    def whole(self) -> tuple[RelativeChange, ...]:
        """The candidate against the baselines over all impressions, by metric."""
        return tuple(change for change in self.comparisons[BASELINE] if change.kind == "all")

    @property
    def words(self) -> str:
        """The first line of a report."""
        return f"{self.candidate} against {BASELINE}: {', '.join(map(str, self.whole))}"


def ab_test(
    plan: RunPlan,
    trained: Sequence[Trained],
    *,
    champion: str | None = None,
    on_sample: Callable[[int], None] = lambda _: None,
) -> ABTest:
    """Run the candidate and its rivals through one funnel: of `trained` those that are there.

    `champion` is the model id of the champion to serve beside them. `on_sample` hears how many are done. The output is
    named by models, world, settings and format, and taken where it is there.

    Raises LogsError where the logs are no simulated world's, whose truth is needed, ConfigError for a model that is
    missing.
    """
    world, settings = world_of(plan.preset, plan.logs), plan.preset.extras.of(Settings)
    models, candidate = {one.name: one for one in trained}, plan.candidate
    if missing := {candidate, BASELINE} - set(models):
        raise ConfigError(f"models {sorted(missing)} are missing from the A/B test; train them on its window")
    final = plan.workspace.evaluation(_key(plan, world, models, settings, champion))

    def build(directory: Path) -> None:
        arms = _serve(plan, world, _rankers(plan, models, champion), settings, on_sample)
        tested = ABTest(
            day=str(plan.as_of),
            settings=settings,
            candidate=candidate,
            comparisons={
                rival: changes(own, arms[candidate]) for rival, own in arms.items() if rival != candidate
            },
        )
        write_json(directory / _REPORT, tested.model_dump(mode="json"))

    make_once(final, build)
    return ABTest.model_validate(read_json(final / _REPORT))


def champion_beside(plan: RunPlan, candidate: Trained, held_out: ShardRef) -> str | None:
    """Model id of the champion that the evaluation of this candidate compares it with; None where there is none."""
    registry = Registry(plan.workspace.root)
    return incumbent(registry, model_id(plan, candidate, held_out), plan.as_of).compared


def world_of(preset: Preset, logs: str) -> WorldConfig:
    """The world whose logs these are.

    Raises ConfigError for a preset with other columns than its platform writes, LogsError where the logs are of none.
    """
    require_columns(preset)
    world = world_at(logs)
    if world is None:
        raise LogsError(
            f"logs {logs!r} are not of a simulated world, and only its truth says what people would have done "
            "with other ads; use a preset whose logs `mtmd simulate` wrote"
        )
    return world


def _key(
    plan: RunPlan, world: WorldConfig, models: Mapping[str, Trained], settings: Settings, champion: str | None
) -> str:
    """Name of a test: the models' keys, all that they meet, what they are compared with, and the outcome's format."""
    return digest(
        {
            "trained": {name: one.key for name, one in models.items()},
            "world": world.model_dump(mode="json"),
            "settings": settings.model_dump(mode="json"),
            "day": plan.as_of,
            "champion": champion,
            "format": AB_TEST_FORMAT,
            **plan.choice,
        }
    )


def _serve(
    plan: RunPlan,
    world: WorldConfig,
    rankers: Mapping[str, LightweightRanker],
    settings: Settings,
    on_sample: Callable[[int], None],
) -> dict[str, list[Arm]]:
    """Each ranker's arm of every sample."""
    platform = SimulatedPlatform(world)
    arms: dict[str, list[Arm]] = {name: [] for name in rankers}
    for sample in range(settings.samples):
        traffic = draw_traffic(platform, plan.as_of, settings.requests, sample)
        for name, ranker in rankers.items():
            arms[name].append(arm(traffic, ranker(traffic), settings))
        on_sample(sample + 1)
    return arms


def _rankers(
    plan: RunPlan, models: Mapping[str, Trained], champion: str | None
) -> dict[str, LightweightRanker]:
    found: dict[str, LightweightRanker] = {
        name: ModelRanker(load_trained(plan, one), plan.preset.declarations) for name, one in models.items()
    }
    if champion is not None:
        found[CHAMPION] = BundleRanker(Scorer.load(Registry(plan.workspace.root).verify(champion)))
    return found
