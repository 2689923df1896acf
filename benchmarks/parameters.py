"""How large the models of a preset are, and what a served request computes: `python -m benchmarks.parameters`.

The paper says (§3.2) that MTMD has about as many embedding parameters as all baseline models together, and fewer other
parameters. The first table counts both. The second table counts the operations of the matrix products that a model
computes once for a request, and once for an ad, for all the tasks that the request or the ad has. Nothing is trained.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.runs import told
from benchmarks.seeds import MODELS
from mtmd.config import Declarations, Feature, Preset, SideSchema, load_preset
from mtmd.model.batch import Batch, ListInput, SideInput
from mtmd.model.build import ModelKind, build_model
from mtmd.model.ranker import RankingModel
from mtmd.report.tables.evaluation import Column, Table, columns_of
from mtmd.store.files import write_text


class Work(NamedTuple):
    """Floating-point operations of one pair, forward, by tower."""

    query: int
    item: int


class Size(NamedTuple):
    """One kind of model: how many models it is, their parameters together, and their work in each domain."""

    models: int
    embedding: int
    other: int
    work: Sequence[Work]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Build the models, and print two tables; exit status 1 when there is no such preset."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    preset = load_preset(options.preset)
    sizes = {kind: size_of(kind, preset) for kind in MODELS}
    text = "\n".join(table.markdown() for table in (parameter_table(sizes), work_table(sizes, preset)))
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def size_of(kind: ModelKind, preset: Preset) -> Size:
    """Build a model of a preset and count."""
    domains = preset.declarations.domains
    model = build_model(kind, preset).eval().requires_grad_(False)
    return Size(
        models=len(domains.slices) if kind == "per_slice" else 1,
        embedding=model.embedding_parameter_count,
        other=model.parameter_count - model.embedding_parameter_count,
        work=[pair_work(model, preset.declarations, domain) for domain in range(len(domains.domains))],
    )


def pair_work(model: RankingModel, declarations: Declarations, domain: int) -> Work:
    """What the towers of a model multiply for one pair of a domain; a multiplication and an addition are two.

    The model must need no gradients: torch's counter cannot follow tables that do.
    """
    surface, product = divmod(domain, len(declarations.domains.products))
    batch = Batch(
        query=_row(declarations.query, surface),
        item=_row(declarations.item, product),
        pair_query=torch.zeros(1, dtype=torch.long),
        pair_item=torch.zeros(1, dtype=torch.long),
        pair_domain=torch.tensor([domain]),
        teacher=torch.full((1, len(declarations.domains.tasks)), torch.nan),
        candidate=torch.zeros(1, dtype=torch.long),
    )
    with FlopCounterMode(display=False) as counter:
        model(batch)
    counts = {name: sum(own.values()) for name, own in counter.get_flop_counts().items()}
    towers = {
        tower: sum(count for name, count in counts.items() if name.rpartition(".")[2] == tower)
        for tower in Work._fields
    }
    assert sum(towers.values()) == counter.get_total_flops(), "every model multiplies in its two towers alone"
    return Work(**towers)


def parameter_table(sizes: Mapping[ModelKind, Size]) -> Table:
    """A row per kind of model."""
    rows = [
        (kind, size.models, size.embedding, size.other, size.embedding + size.other)
        for kind, size in sizes.items()
    ]
    columns = (
        Column(name="model", kind="text"),
        *columns_of("count", ("models", "embedding parameters", "other parameters", "all")),
    )
    return Table(title="Parameters", columns=columns, rows=tuple(rows))


def work_table(sizes: Mapping[ModelKind, Size], preset: Preset) -> Table:
    """A row per surface and per product: MFLOP of all networks that a request of it, or an ad of it, passes.

    A per-slice request passes the networks of all products, and an ad those of all surfaces.
    """
    domains = preset.declarations.domains
    rows = [
        (
            f"a request of {surface}",
            *(_mflop(kind, size, "query", surface, preset) for kind, size in sizes.items()),
        )
        for surface in domains.surfaces
    ] + [
        (
            f"an ad of {product}",
            *(_mflop(kind, size, "item", product, preset) for kind, size in sizes.items()),
        )
        for product in domains.products
    ]
    columns = (
        Column(name="computed once for", kind="text"),
        *columns_of("text", (f"{kind}, MFLOP" for kind in sizes)),
    )
    return Table(title="What a served request computes, forward", columns=columns, rows=tuple(rows))


def _mflop(kind: ModelKind, size: Size, tower: str, of: str, preset: Preset) -> str:
    """What one row of a surface or a product passes."""
    work = [
        getattr(own, tower)
        for domain, own in zip(preset.declarations.domains.domains, size.work, strict=True)
        if of == (domain.surface if tower == "query" else domain.product)
    ]
    # The towers of MTMD and the pooled two-tower know nothing of the other side.
    return f"{(sum(work) if kind == 'per_slice' else work[0]) / 1e6:.2f}"


def _row(schema: SideSchema, domain: int) -> SideInput:
    """One row of a domain; every list is as long as it may be."""
    return SideInput(
        continuous=torch.zeros(1, len(schema.continuous)),
        categorical=torch.ones(1, len(schema.categorical), dtype=torch.long),
        embedding=torch.zeros(1, schema.vector_width),
        counts=tuple(int(other == domain) for other in range(len(schema.domains))),
        lists=tuple(_list(feature) for feature in schema.lists),
    )


def _list(feature: Feature) -> ListInput:
    ones = torch.ones(feature.max_length or 0, dtype=torch.long)
    companions = {what: ones.float() if what == "weights" else ones for what in feature.companions}
    return ListInput(ids=ones, lengths=torch.tensor([len(ones)]), **companions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parameters", description=__doc__)
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
