"""How far to trust the simulated A/B test, and what decides how much a ranker can win in it.

`python -m benchmarks.ab_test --as-of 2026-01-25`

- A/A: rankers that are equally good, so that every interval that leaves 0 out is a false alarm. Paired arms have the
  heavyweight scores under two draws of the same noise; split arms have the heavyweight scores as they are, and users of
  their own.
- Noise: the heavyweight scores, worse and worse. What a LogMAE costs in clicks, whatever model has it.
- Sharpness: the true chances to a power, against themselves. Every request's order of chances stays, but a ranker that
  makes too much of them wins clicks, because they count more beside the bids then.
- Spread: how sharp the models' own chances are, since one that is sharper would win by that alone.
- Funnel: MTMD against the per-slice baselines, where the lightweight ranker keeps fewer or more ads, and where budgets
  bind more or less than by default. CPC is spend / clicks, so both are shown. One
  column is against the pooled two-tower.
- Reactions: all rankers against the per-slice baselines, where hides and saves follow from the chance of a click, and
  where they have a cause of their own. The same models serve both: they read neither, and nothing else differs.

Models are those of the daily job, and taken from the artifacts where they were trained before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console

from benchmarks.runs import at_least, daily_plan, extracted, told, window_parser
from mtmd.abtest.arms import SUMS, Arm, alignment, arm, split_arms
from mtmd.abtest.changes import METRICS, MIN_SAMPLES, RelativeChange, changes
from mtmd.abtest.rankers import ModelRanker
from mtmd.abtest.traffic import Chances, Traffic, draw_traffic
from mtmd.evaluate.report import Estimate
from mtmd.model.build import ModelKind
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.sources.simulated.config import FunnelConfig
from mtmd.sources.simulated.platform import SimulatedPlatform, world_of
from mtmd.store.files import write_text
from mtmd.train.stage import load_trained, train

MODELS: tuple[ModelKind, ...] = ("per_slice", "pooled", "mtmd")
TABLES = ("false-alarms", "noise", "sharpness", "spread", "funnel", "reactions")
NOISE = (0.0, 0.2, 0.4, 0.6, 1.0)  # standard deviation of the log of a score
POWERS = (0.5, 0.8, 1.25, 2.0)  # that true chances are raised to
BLUR = 0.3  # of the A/A test: about MTMD's own error
FUNNELS: tuple[dict[str, float], ...] = (  # what is other than by default
    {},
    {"keep": 32},
    {"keep": 8},
    {"keep": 6},
    {"keep": 5},
    {"budget": 50.0},
    {"budget": 0.3},
    {"budget": 0.05},
    {"keep": 8, "budget": 0.05},
    {"keep": 6, "budget": 0.05},
)
Scored = tuple[Traffic, Mapping[str, Chances]]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; exit status 1 when the logs are wrong."""
    parser = window_parser("ab_test", __doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--requests", type=int, default=2000, help="of each sample of traffic")
    parser.add_argument(
        "--samples", type=at_least(MIN_SAMPLES), default=10, help=f"of traffic, at least {MIN_SAMPLES}"
    )
    parser.add_argument("--trials", type=at_least(1), default=25, help="A/A experiments of each design")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    plan = daily_plan(options)
    funnel = FunnelConfig.of(plan.preset.ab_test, options.requests)
    scored = score(plan, funnel, options.samples, options.seed)
    samples = [traffic for traffic, _ in scored]
    tables: dict[str, Callable[[], Table]] = {
        "false-alarms": lambda: false_alarms(samples, funnel, options.trials),
        "noise": lambda: noise_table(samples, funnel),
        "sharpness": lambda: sharpness_table(samples, funnel),
        "spread": lambda: spread_table(scored),
        "funnel": lambda: funnel_table(scored, funnel),
        "reactions": lambda: reactions_table(scored, funnel),
    }
    text = "\n".join(tables[name]().markdown() for name in options.tables)
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def score(plan: RunPlan, funnel: FunnelConfig, samples: int, seed: int) -> list[Scored]:
    """Samples of traffic with each model's scores; raises LogsError where the logs are no simulated world's.

    Hides and saves have a cause of their own in them: `following` undoes that.
    """
    world = world_of(plan.preset, plan.logs).model_copy(update={"own_reactions": True})
    window = extracted(plan, plan.days)
    rankers = {
        kind: ModelRanker(load_trained(plan, train(plan, kind, window, seed=seed)), plan.preset.declarations)
        for kind in MODELS
    }
    platform, found = SimulatedPlatform(world), list[Scored]()
    for sample in range(samples):
        traffic = draw_traffic(platform, plan.as_of, funnel, sample)
        found.append((traffic, {kind: ranker(traffic) for kind, ranker in rankers.items()}))
    return found


def following(traffic: Traffic) -> Traffic:
    """The same people and requests, where hides and saves follow from the chance of a click."""
    return replace(traffic, reactions=None)


def false_alarms(samples: Sequence[Traffic], funnel: FunnelConfig, trials: int) -> Table:
    """How often intervals at 95 % leave out 0 though nothing differs, and how much the arms differed."""

    def paired(traffic: Traffic, *seed: int) -> tuple[Arm, Arm]:
        one, other = (arm(traffic, blurred(traffic, BLUR, *seed, side), funnel) for side in (0, 1))
        return one, other

    def split(traffic: Traffic, *seed: int) -> tuple[Arm, Arm]:
        return split_arms(traffic, traffic.teacher, traffic.teacher, funnel, seed[0] * len(samples) + seed[1])

    designs: dict[str, Callable[..., tuple[Arm, Arm]]] = {"paired": paired, "split": split}
    rows: list[tuple[Cell, ...]] = []
    for design, run in designs.items():
        pairs = [[run(traffic, trial, s) for s, traffic in enumerate(samples)] for trial in range(trials)]
        for drawn in (False, True):
            found = [
                changes([c for c, _ in one], [t for _, t in one], drawn=drawn, confidence=0.95)
                for one in pairs
            ]
            known = [c for one in found for c in one if c.low is not None]
            click = [_whole(one, "CTR").change or 0.0 for one in found]
            rows.append(
                (
                    design,
                    "what people did" if drawn else "true chances",
                    len(known),
                    float(np.mean([c.significant for c in known])),
                    float(np.mean(click)),
                    float(np.std(click)),
                )
            )
    columns = (
        Column(name="arms", kind="text"),
        Column(name="an impression counts", kind="text"),
        Column(name="intervals", kind="count"),
        Column(name="false alarms", kind="share"),
        Column(name="CTR, mean change", kind="percent"),
        Column(name="its deviation", kind="share"),
    )
    return Table(title=f"A/A: {trials} experiments of each design", columns=columns, rows=tuple(rows))


def noise_table(samples: Sequence[Traffic], funnel: FunnelConfig) -> Table:
    """Heavyweight scores under noise against themselves without."""
    arms = {
        noise: [arm(traffic, blurred(traffic, noise, s), funnel) for s, traffic in enumerate(samples)]
        for noise in NOISE
    }
    rows: list[tuple[Cell, ...]] = []
    for noise, own in arms.items():
        first = blurred(samples[0], noise, 0)
        error = np.abs(np.log(first[:, 0]) - np.log(samples[0].teacher[:, 0])).mean()
        kept = alignment(samples[0], first, funnel)[0].kept
        found = changes(arms[NOISE[0]], own)
        rows.append((noise, float(error), kept, *(_estimate(_whole(found, metric)) for metric in METRICS)))
    columns = (
        *(Column(name=name) for name in ("noise", "LogMAE", "kept")),
        *(Column(name=metric, kind="estimate") for metric in METRICS),
    )
    return Table(title="Heavyweight scores under noise", columns=columns, rows=tuple(rows))


def sharpness_table(samples: Sequence[Traffic], funnel: FunnelConfig) -> Table:
    """True chances to a power against themselves, with as many ads handed on as by default, and as are shown."""
    rows: list[tuple[Cell, ...]] = []
    for keep in dict.fromkeys((funnel.keep, funnel.slots)):
        changed = funnel.model_copy(update={"keep": keep})
        truth = [arm(traffic, traffic.truth, changed) for traffic in samples]
        for power in POWERS:
            own = [arm(traffic, traffic.truth**power, changed) for traffic in samples]
            found = changes(truth, own)
            rows.append((keep, power, *_growth(own, truth), *(_estimate(_whole(found, m)) for m in METRICS)))
    columns = (
        Column(name="handed on", kind="count"),
        Column(name="power"),
        *(Column(name=name, kind="percent") for name in ("spend", "clicks")),
        *(Column(name=metric, kind="estimate") for metric in METRICS),
    )
    return Table(title="True chances to a power, against the truth", columns=columns, rows=tuple(rows))


def spread_table(scored: Sequence[Scored]) -> Table:
    """How far apart each model's chances of a click are, in logarithms, over the eligible pairs of the first sample."""
    traffic, scores = scored[0]
    truth = np.log(traffic.truth[:, 0].astype(np.float64))
    rows: list[tuple[Cell, ...]] = []
    for name in MODELS:
        own = np.log(scores[name][:, 0].astype(np.float64))
        slope = float(np.polyfit(own, truth, 1)[0])
        rows.append((name, float(own.std()), float(truth.std()), slope))
    columns = (
        Column(name="lightweight ranker", kind="text"),
        *(
            Column(name=what)
            for what in ("deviation of ln p̂", "deviation of ln truth", "slope of ln truth on ln p̂")
        ),
    )
    return Table(title="How sharp the chances of a click are", columns=columns, rows=tuple(rows))


def funnel_table(scored: Sequence[Scored], funnel: FunnelConfig) -> Table:
    """MTMD against the per-slice baselines, and what the oracle could win, in the default funnel and in others."""
    rows: list[tuple[Cell, ...]] = []
    for other in FUNNELS:
        changed = funnel.model_copy(update=other)
        own = {kind: [arm(following(t), scores[kind], changed) for t, scores in scored] for kind in MODELS}
        best = [arm(following(t), t.truth, changed) for t, _ in scored]
        found, bound = changes(own["per_slice"], own["mtmd"]), changes(own["per_slice"], best)
        pooled = changes(own["pooled"], own["mtmd"])
        used = float(np.mean([one.used for one in own["mtmd"]]))
        cells = [_estimate(_whole(found, metric)) for metric in ("CPC", "CTR", "HDR")]
        totals = _growth(own["mtmd"], own["per_slice"])
        name = ", ".join(f"{key} {value:g}" for key, value in other.items()) or "default"
        ends = (_estimate(_whole(pooled, "CTR")), _estimate(_whole(bound, "CTR")))
        rows.append((name, used, *totals, *cells, *ends))
    columns = (
        Column(name="funnel", kind="text"),
        Column(name="budgets spent", kind="share"),
        *(Column(name=name, kind="percent") for name in ("spend", "clicks")),
        *(Column(name=metric, kind="estimate") for metric in ("CPC", "CTR", "HDR")),
        Column(name="CTR over pooled", kind="estimate"),
        Column(name="CTR of the oracle", kind="estimate"),
    )
    default = f"keep {funnel.keep}, budget {funnel.budget:g}"
    return Table(title=f"MTMD against per-slice; by default {default}", columns=columns, rows=tuple(rows))


def reactions_table(scored: Sequence[Scored], funnel: FunnelConfig) -> Table:
    """Every ranker against the per-slice baselines, in both kinds of world."""
    rows: list[tuple[Cell, ...]] = []
    for world, made in (("from clicks", following), ("of their own", lambda traffic: traffic)):
        people = [made(traffic) for traffic, _ in scored]
        arms: dict[str, list[Arm]] = {
            kind: [arm(t, scores[kind], funnel) for t, (_, scores) in zip(people, scored, strict=True)]
            for kind in MODELS
        }
        arms["the truth"] = [arm(t, t.truth, funnel) for t in people]
        for name in ("the truth", "mtmd", "pooled"):
            found = changes(arms["per_slice"], arms[name])
            rows.append((world, name, *(_estimate(_whole(found, metric)) for metric in METRICS)))
    columns = (
        *(Column(name=name, kind="text") for name in ("hides and saves", "lightweight ranker")),
        *(Column(name=metric, kind="estimate") for metric in METRICS),
    )
    return Table(
        title="Against per-slice, by what hides and saves come from", columns=columns, rows=tuple(rows)
    )


def blurred(traffic: Traffic, noise: float, *seed: int) -> Chances:
    """Heavyweight scores times log-normal noise: (P, T)."""
    z = np.random.default_rng(seed).standard_normal(traffic.teacher.shape, np.float32)
    return np.asarray(traffic.teacher * np.exp(np.float32(noise) * z))


def _growth(treatment: Sequence[Arm], control: Sequence[Arm]) -> tuple[float, float]:
    """Relative changes of spend and of clicks over all samples."""
    spend, clicks = (_total(treatment, name) / _total(control, name) - 1.0 for name in ("spend", "clicks"))
    return spend, clicks


def _total(arms: Sequence[Arm], name: str) -> float:
    """One of SUMS over all samples."""
    return float(sum(one.expected[0, SUMS.index(name)] for one in arms))


def _whole(found: Sequence[RelativeChange], metric: str) -> RelativeChange:
    """Over all impressions."""
    return next(c for c in found if c.kind == "all" and c.metric == metric)


def _estimate(change: RelativeChange) -> Cell:
    return None if change.change is None else Estimate(value=change.change, low=change.low, high=change.high)


if __name__ == "__main__":
    raise SystemExit(main())
