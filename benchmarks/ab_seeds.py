"""The simulated A/B test over several training seeds: `python -m benchmarks.ab_seeds --as-of 2026-01-25`.

MTMD against the per-slice baselines, as in the paper's Tables 2 to 4, and against the pooled two-tower. The intervals
of one test are those of traffic: they do not say what another training of the same models would have done. Here all are
trained with each seed and serve the same people; of each two tables the first has the mean over seeds with the interval
of traffic, the second the same means with the lowest and the highest seed. Models are taken from the artifacts where
they were trained before.

`--keep 16 8 4` also serves with fewer ads handed on. The fewer they are, the more the lightweight ranker decides.
The tables are then those of the first number, and a last table has all impressions by number and rival.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from benchmarks.runs import at_least, daily_plan, extracted, window_parser
from mtmd.errors import MtmdError
from mtmd.evaluate.report import Estimate
from mtmd.extras.abtest import Settings
from mtmd.extras.abtest.changes import MIN_SAMPLES, Arm, RelativeChange, arm, changes
from mtmd.extras.abtest.flow import change_table
from mtmd.extras.abtest.funnel import draw_traffic
from mtmd.extras.abtest.stage import ModelRanker, world_of
from mtmd.report.tables import NOT_APPLICABLE, Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.sources.simulated.platform import SimulatedPlatform
from mtmd.store.files import write_text
from mtmd.train.stage import load_trained, train

CONTROLS = ("per_slice", "pooled")
KINDS = ("all", "surface", "product", "goal")
Arms = dict[str, list[Arm]]  # a sample of traffic each; the candidate's come last
Served = dict[int, list[Arms]]  # by ads handed on, for each seed


def main(arguments: Sequence[str] | None = None) -> int:
    """Print two tables for each rival; exit status 1 when the logs are wrong."""
    parser = window_parser("ab_seeds", __doc__, (0, 1, 2))
    parser.add_argument("--requests", type=int, default=8000, help="of each sample of traffic")
    parser.add_argument(
        "--samples", type=at_least(MIN_SAMPLES), default=20, help=f"of traffic, at least {MIN_SAMPLES}"
    )
    parser.add_argument(
        "--keep", type=int, nargs="+", help="ads of a request handed on; default: the preset's"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    try:
        plan = daily_plan(options)
        served = serve(plan, funnels(plan, options.requests, options.keep), options.samples, options.seeds)
        first = next(iter(served.values()))
        tables = [table for control in CONTROLS for table in tables_over_seeds(first, control)]
        if len(served) > 1:
            tables.append(keep_table(served))
    except (MtmdError, ValueError) as error:
        console.print(f"error: {error}", markup=False)
        return 1
    text = "\n".join(table.markdown() for table in tables)
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def funnels(plan: RunPlan, requests: int, keep: Sequence[int] | None) -> list[Settings]:
    """The preset's funnel with each number of ads handed on; raises ValueError for one below its slots."""
    funnel = plan.preset.extras.of(Settings).model_copy(update={"requests": requests})
    counts = list(dict.fromkeys(keep or [funnel.keep]))
    if low := [count for count in counts if count < funnel.slots]:
        raise ValueError(
            f"--keep {low[0]} is below the {funnel.slots} ads that the preset's funnel shows ([extras.abtest] slots): "
            "the auction shows only what is handed on"
        )
    return [funnel.model_copy(update={"keep": count}) for count in counts]


def serve(plan: RunPlan, configs: Sequence[Settings], samples: int, seeds: Sequence[int]) -> Served:
    """All models of each seed on the same samples; raises LogsError where the logs are no simulated world's."""
    world = world_of(plan.preset, plan.logs)
    window = extracted(plan, plan.days)
    declarations = plan.preset.declarations
    kinds = (*CONTROLS, plan.preset.candidate)
    rankers = [
        {
            kind: ModelRanker(load_trained(plan, train(plan, kind, window, seed=seed)), declarations)
            for kind in kinds
        }
        for seed in seeds
    ]
    platform = SimulatedPlatform(world)
    served: Served = {config.keep: [{kind: [] for kind in kinds} for _ in seeds] for config in configs}
    for sample in track(range(samples), "days served"):
        traffic = draw_traffic(platform, plan.as_of, configs[0].requests, sample)
        for place, models in enumerate(rankers):
            for kind, ranker in models.items():
                scores = ranker(traffic)
                for config in configs:
                    served[config.keep][place][kind].append(arm(traffic, scores, config))
    return served


def tables_over_seeds(served: Sequence[Arms], control: str) -> tuple[Table, Table]:
    """Means over seeds, with intervals over samples, and with the range over seeds."""
    *_, treatment = served[0]
    mean = {
        kind: [np.mean(own, axis=0) for own in zip(*(arms[kind] for arms in served), strict=True)]
        for kind in (control, treatment)
    }
    whole = changes(mean[control], mean[treatment])
    by_seed = [changes(arms[control], arms[treatment]) for arms in served]
    title = f"{treatment} against {control}, {len(served)} training seeds"
    rows = tuple(_ranges(whole, by_seed))
    metrics = dict.fromkeys(change.metric for change in whole)
    columns = (Column(name="", kind="text"), *(Column(name=metric, kind="estimate") for metric in metrics))
    return (
        change_table(f"{title}, [95 % of traffic]", whole, KINDS),
        Table(title=f"{title}, [lowest seed, highest seed]", columns=columns, rows=rows),
    )


def keep_table(served: Served) -> Table:
    """Over all impressions, means over seeds, by how many ads are handed on and by rival."""
    rows: list[tuple[Cell, ...]] = []
    metrics: tuple[str, ...] = ()
    for keep, seeds in served.items():
        for control in CONTROLS:
            whole = tables_over_seeds(seeds, control)[0]
            metrics = tuple(column.name for column in whole.columns[1:])
            rows += [(keep, control, *row[1:]) for row in whole.rows if row[0] == "all"]
    columns = (
        Column(name="handed on", kind="count"),
        Column(name="against", kind="text"),
        *(Column(name=metric, kind="estimate") for metric in metrics),
    )
    *_, treatment = seeds[0]
    title = f"{treatment} over all impressions, by ads handed on, [95 % of traffic]"
    return Table(title=title, columns=columns, rows=tuple(rows))


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
    return ((cell.replace("_", " "), *values) for (_, cell), values in cells.items())


if __name__ == "__main__":
    raise SystemExit(main())
