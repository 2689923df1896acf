"""What the benchmarks of the service serve: an untrained model, random rows and random requests."""

from argparse import ArgumentTypeError
from typing import Any

import numpy as np
import torch

from mtmd.config import Preset, SideSchema, load_preset
from mtmd.errors import MtmdError
from mtmd.features import Feature
from mtmd.logs.encoding import EncodedSide
from mtmd.model.ranker import TwoTower, build_model


def preset_without_lists(name: str) -> Preset:
    """The type of an option that names a preset for random rows; raises ArgumentTypeError where it has lists."""
    try:
        preset = load_preset(name)
    except MtmdError as error:
        raise ArgumentTypeError(str(error)) from error
    if lists := [feature.name for feature in preset.features if feature.matrix == "lists"]:
        raise ArgumentTypeError(
            f"preset {preset.name!r} has lists ({', '.join(lists)}), and this benchmark makes rows without them; "
            "choose a preset without lists"
        )
    return preset


def random_model(preset: Preset, seed: int = 1) -> TwoTower:
    """An untrained model, with weights away from their quiet start."""
    model = build_model(preset.candidate, preset)
    assert isinstance(model, TwoTower)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def random_rows(schema: SideSchema, rows: int, seed: int) -> EncodedSide:
    """Rows of any domain, every tenth value missing."""
    rng = np.random.default_rng(seed)
    side = EncodedSide.filled(schema, rows, lambda feature: feature.hard_rows(rows - 1))
    for matrix in (side.continuous, side.embedding):
        matrix[:] = rng.standard_normal(matrix.shape, dtype=np.float32)
        matrix[rng.random(matrix.shape) < 0.1] = np.nan
    for column, feature in enumerate(schema.categorical):
        known = rng.integers(1, feature.buckets + 1, rows)
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
