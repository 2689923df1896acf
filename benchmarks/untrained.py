"""What the serving benchmark measures: an untrained model, rows, and the query tower with all surfaces computed."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtmd.config import Feature, Preset, SideSchema, load_preset
from mtmd.errors import MtmdError
from mtmd.logs.encoding import EncodedSide
from mtmd.model.build import build_model
from mtmd.model.layers import normalise
from mtmd.model.served import DomainModule
from mtmd.model.two_tower import MTMD


def preset_without_lists(name: str) -> Preset:
    """The type of an option that names a preset for random rows; raises ArgumentTypeError where it has lists."""
    try:
        preset = load_preset(name)
    except MtmdError as error:
        raise ArgumentTypeError(str(error)) from error
    if lists := [feature.name for feature in preset.features if feature.multi]:
        raise ArgumentTypeError(
            f"preset {preset.name!r} has lists ({', '.join(lists)}), and this benchmark makes rows without them; "
            "choose a preset without lists"
        )
    return preset


def random_model(preset: Preset, seed: int = 1) -> MTMD:
    """An untrained model, with weights away from their quiet start."""
    model = build_model("mtmd", preset)
    assert isinstance(model, MTMD)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def random_rows(schema: SideSchema, rows: int, seed: int) -> EncodedSide:
    """Rows of any domain, every tenth value missing."""
    rng = np.random.default_rng(seed)
    side = EncodedSide.empty(rows, schema)
    for matrix in (side.continuous, side.embedding):
        matrix[:] = rng.standard_normal(matrix.shape, dtype=np.float32)
        matrix[rng.random(matrix.shape) < 0.1] = np.nan
    for column, feature in enumerate(schema.categorical):
        known = rng.integers(1, (feature.buckets or 0) + 1, rows)
        side.categorical[:, column] = np.where(rng.random(rows) < 0.1, 0, known)
    return side


def random_requests(schema: SideSchema, requests: int, seed: int) -> list[dict[str, Any]]:
    """Raw requests of the surfaces in turn, with every feature that the surface has."""
    rng = np.random.default_rng(seed)

    def value(feature: Feature) -> Any:
        if feature.kind == "embedding":
            return [round(float(one), 4) for one in rng.standard_normal(feature.width)]
        if feature.column_type in {"FLOAT", "DOUBLE"}:
            return round(float(rng.standard_normal()), 4)
        number = int(rng.integers(0, 1000))
        return f"value-{number}" if feature.column_type == "VARCHAR" else number

    def request(number: int) -> dict[str, Any]:
        surface = schema.domains[number % len(schema.domains)]
        own = [one for one in schema.fields if one.domains is None or surface in one.domains]
        return {feature.name: value(feature) for feature in own} | {"request_id": number, "surface": surface}

    return [request(number) for number in range(requests)]


class AllSurfaces(nn.Module):
    """The query tower with the experts of every surface computed; the last categorical column selects one."""

    def __init__(self, surfaces: Sequence[DomainModule]) -> None:
        super().__init__()
        self.surfaces = nn.ModuleList(surfaces)
        self.eval()

    def forward(self, continuous: Tensor, categorical: Tensor, embedding: Tensor) -> tuple[Tensor, ...]:
        """As DomainModule, with the row's surface as one more column of categorical (N, K + 1)."""
        wanted, own = categorical[:, -1:], categorical[:, :-1]
        adapted = [one.adapt(continuous, own, embedding) for one in self.surfaces]
        normalised = [
            normalise(x) if one.norm == "pre" else x for x, one in zip(adapted, self.surfaces, strict=True)
        ]
        first = self.surfaces[0]
        shared = None if first.shared is None else first.shared(select(normalised, wanted))
        each = [one.embed(x, z, shared) for one, x, z in zip(self.surfaces, adapted, normalised, strict=True)]
        return tuple(select(task, wanted) for task in zip(*each, strict=True))


def select(each: Sequence[Tensor], wanted: Tensor) -> Tensor:
    """Of S matrices (N, K), each row's own: (N, K); wanted (N, 1)."""
    selected = each[0]
    for place, other in enumerate(each[1:], start=1):
        selected = torch.where(wanted == place, other, selected)
    return selected
