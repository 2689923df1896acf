"""Where the time of a training step goes, by kind of kernel: `python -m benchmarks.step_profile --threads 1`.

Torch's profiler counts the time that each kernel takes by itself, over some steps of MTMD on simulated logs, in the
precision that training takes here. What no kernel accounts for is Python, dispatch, allocation and the profiler itself.
"""

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.console import Console
from torch.profiler import ProfilerActivity, profile

from benchmarks.runs import platform_for, told
from benchmarks.train_throughput import demo_shaped
from mtmd.config import Preset, load_preset
from mtmd.extract.window import WindowData
from mtmd.model.build import build_model
from mtmd.report.tables.evaluation import Column, Table
from mtmd.store.files import write_text
from mtmd.train.optimizer import make_optimizer
from mtmd.train.step import TrainingLoss, choose_precision, deterministic, training_step
from mtmd.train.trainer import start

WARM_UP = 3
KINDS = {
    "matrix products": ("bmm", "baddbmm", "mm", "addmm"),
    "LayerNorm": ("native_layer_norm", "native_layer_norm_backward"),
    "AdamW and the gradients' norm": (
        "_fused_adamw_",
        "linalg_vector_norm",
        "_coalesce",
        "lerp_",
        "addcmul_",
    ),
    "copies, casts, zeros": ("copy_", "fill_", "cat", "clone", "zero_"),
    "rows by index": ("index", "index_select", "index_add_", "_index_put_impl_", "scatter_add_", "embedding"),
}
ELEMENTWISE = "element-wise and sums"
OUTSIDE = "outside kernels"


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the shares."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    preset = load_preset(options.preset)
    training = preset.training.model_copy(update={"batch_requests": options.batch_requests})
    preset = preset.model_copy(update={"training": training})
    with TemporaryDirectory() as directory:
        world = platform_for(preset, requests_per_day=options.requests_per_day)
        data = demo_shaped(preset, world, options.days, Path(directory))
        seconds, by_kind = profiled(preset, data, options.steps)
    table = shares(seconds, by_kind)
    Console(soft_wrap=True, highlight=False).print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


def profiled(preset: Preset, data: WindowData, steps: int) -> tuple[float, Counter[str]]:
    """Seconds of a step, and of each kind of kernel in it."""
    model = build_model("mtmd", preset).train()
    start(model, data, preset.training.batch_requests)
    loss = TrainingLoss.of(preset.training, preset.domains.task_names, data.base_rates())
    optimizer, precision = make_optimizer(model, preset.training), choose_precision(preset.training)
    batches = list(islice(data.epoch(0, preset.training.batch_requests), WARM_UP + steps))
    with deterministic():
        for batch in batches[:WARM_UP]:
            training_step(model, optimizer, batch, loss, precision, preset.training.max_gradient_norm)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            started = time.perf_counter()
            for batch in batches[WARM_UP:]:
                training_step(model, optimizer, batch, loss, precision, preset.training.max_gradient_norm)
            seconds = time.perf_counter() - started
    counted = len(batches) - WARM_UP
    by_kind: Counter[str] = Counter()
    for event in profiler.key_averages():
        if event.key.startswith("aten::"):
            by_kind[kind_of(event.key.removeprefix("aten::"))] += event.self_cpu_time_total / 1e6 / counted
    return seconds / counted, by_kind


def kind_of(kernel: str) -> str:
    """The kind that a kernel of torch belongs to."""
    return next((kind for kind, kernels in KINDS.items() if kernel in kernels), ELEMENTWISE)


def shares(seconds: float, by_kind: Mapping[str, float]) -> Table:
    """Milliseconds and share of a step of `seconds` by kind, the largest first; then what no kernel accounts for."""
    rows = sorted(by_kind.items(), key=lambda item: -item[1])
    rows.append((OUTSIDE, seconds - sum(by_kind.values())))
    columns = (
        Column(name="kernels", kind="text"),
        Column(name="ms", kind="count"),
        Column(name="share", kind="text"),
    )
    cells = tuple((kind, round(1e3 * own), f"{own / seconds:.0%}") for kind, own in rows)
    return Table(title=f"A training step of {1e3 * seconds:.0f} ms", columns=columns, rows=cells)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step_profile", description=__doc__)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--days", type=int, default=3, help="days to simulate")
    parser.add_argument("--requests-per-day", type=int, default=4000, help="of the simulated days")
    parser.add_argument("--batch-requests", type=int, default=1024, help="distinct requests in a batch")
    parser.add_argument("--steps", type=int, default=6, help="steps that are profiled")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
