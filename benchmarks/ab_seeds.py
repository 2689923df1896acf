"""The simulated A/B test over several training seeds: `python -m benchmarks.ab_seeds --as-of 2026-01-25`.

MTMD against the per-slice baselines, as in the paper's Tables 2 to 4, and against the pooled two-tower. The intervals
of one test are those of traffic: they do not say what another training of the same models would have done. Here all are
trained with each seed and serve the same people; of each two tables the first has the mean over seeds with the interval
of traffic, the second the same means with the lowest and the highest seed. Models are taken from the artifacts where
they were trained before.
"""

from collections.abc import Iterator, Sequence
from statistics import fmean

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from benchmarks.runs import daily_plan, extracted, window_parser
from mtmd.abtest.arms import Arm, arm
from mtmd.abtest.changes import RelativeChange, changes
from mtmd.abtest.rankers import ModelRanker
from mtmd.abtest.traffic import draw_traffic
from mtmd.errors import MtmdError
from mtmd.evaluate.report import Estimate
from mtmd.model.build import ModelKind
from mtmd.report.tables.ab_test import change_table
from mtmd.report.tables.evaluation import NOT_APPLICABLE, Cell, Column, Table, spoken
from mtmd.run import RunPlan
from mtmd.sources.simulated.config import FunnelConfig
from mtmd.sources.simulated.platform import SimulatedPlatform, world_of
from mtmd.store.files import write_text
from mtmd.train.stage import load_trained, train

CONTROLS: tuple[ModelKind, ...] = ("per_slice", "pooled")
TREATMENT: ModelKind = "mtmd"
KINDS = ("all", "surface", "product", "goal")
Arms = dict[ModelKind, list[Arm]]  # a sample of traffic each


def main(arguments: Sequence[str] | None = None) -> int:
    """Print two tables for each rival; exit status 1 when the logs are wrong."""
    parser = window_parser("ab_seeds", __doc__, (0, 1, 2))
    parser.add_argument("--requests", type=int, default=8000, help="of each sample of traffic")
    parser.add_argument("--samples", type=int, default=20, help="of traffic, at least 5")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    seeds = list(dict.fromkeys(options.seeds))
    try:
        plan = daily_plan(options)
        served = serve(plan, FunnelConfig.of(plan.preset.ab_test, options.requests), options.samples, seeds)
        tables = [table for control in CONTROLS for table in tables_over_seeds(served, control)]
    except MtmdError as error:
        console.print(f"error: {error}", markup=False)
        return 1
    text = "\n".join(table.markdown() for table in tables)
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def serve(plan: RunPlan, funnel: FunnelConfig, samples: int, seeds: Sequence[int]) -> list[Arms]:
    """All models of each seed on the same samples; raises LogsError where the logs are no simulated world's."""
    world = world_of(plan.preset, plan.logs)
    window = extracted(plan, plan.days)
    declarations = plan.preset.declarations
    rankers = [
        {
            kind: ModelRanker(load_trained(plan, train(plan, kind, window, seed=seed)), declarations)
            for kind in (*CONTROLS, TREATMENT)
        }
        for seed in seeds
    ]
    platform = SimulatedPlatform(world)
    served: list[Arms] = [{kind: [] for kind in (*CONTROLS, TREATMENT)} for _ in seeds]
    for sample in track(range(samples), "days served"):
        traffic = draw_traffic(platform, plan.as_of, funnel, sample)
        for own, models in zip(served, rankers, strict=True):
            for kind, ranker in models.items():
                own[kind].append(arm(traffic, ranker(traffic), funnel))
    return served


def tables_over_seeds(served: Sequence[Arms], control: ModelKind) -> tuple[Table, Table]:
    """Means over seeds, with intervals over samples, and with the range over seeds."""
    mean = {
        kind: [_mean(own) for own in zip(*(arms[kind] for arms in served), strict=True)]
        for kind in (control, TREATMENT)
    }
    whole = changes(mean[control], mean[TREATMENT])
    by_seed = [changes(arms[control], arms[TREATMENT]) for arms in served]
    title = f"{TREATMENT} against {control}, {len(served)} training seeds"
    rows = tuple(_ranges(whole, by_seed))
    metrics = dict.fromkeys(change.metric for change in whole)
    columns = (Column(name="", kind="text"), *(Column(name=metric, kind="estimate") for metric in metrics))
    return (
        change_table(f"{title}, [95 % of traffic]", whole, KINDS),
        Table(title=f"{title}, [lowest seed, highest seed]", columns=columns, rows=rows),
    )


def _mean(arms: Sequence[Arm]) -> Arm:
    """The arms of several seeds on one sample as one."""
    return Arm(
        expected=np.mean([one.expected for one in arms], axis=0),
        drawn=np.mean([one.drawn for one in arms], axis=0),
        used=fmean(one.used for one in arms),
    )


def _ranges(
    whole: Sequence[RelativeChange], by_seed: Sequence[Sequence[RelativeChange]]
) -> Iterator[tuple[Cell, ...]]:
    """A row per cell: the mean's change with the lowest and the highest seed's."""
    cells: dict[tuple[str, str], list[Cell]] = {}
    for mean, *seeds in zip(whole, *by_seed, strict=True):
        known = [one.change for one in seeds if one.change is not None]
        cells.setdefault((mean.kind, mean.cell), []).append(
            NOT_APPLICABLE
            if mean.change is None or len(known) < len(seeds)
            else Estimate(value=mean.change, low=min(known), high=max(known))
        )
    return ((spoken(cell), *values) for (_, cell), values in cells.items())


if __name__ == "__main__":
    raise SystemExit(main())
