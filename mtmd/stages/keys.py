"""Names of durable outputs: digests of what went in, and of the number of the code's format that makes them.

A format is raised by hand whenever its code would give other outputs for the same inputs; tests/golden pins what each
number stands for.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch

from mtmd.config import Preset
from mtmd.evaluation import METRICS_FORMAT, REPLAY_FORMAT
from mtmd.export import EXPORT_FORMAT
from mtmd.storage import digest
from mtmd.training import TRAINING_FORMAT, ModelKind
from mtmd.training.precision import choose_precision


def training_key(kind: ModelKind, window: str, preset: Preset) -> str:
    """Name of a trained model: its data, its configuration, its format and torch's version."""
    own: Any = None if kind == "mtmd" else getattr(preset.rivals, kind).model_dump(mode="json")
    return digest(
        {
            "format": TRAINING_FORMAT,
            "kind": kind,
            "window": window,
            "model": preset.model.model_dump(mode="json"),  # rivals take their normalisation from it
            "rival": own,
            "training": preset.training.model_dump(mode="json"),
            "declarations": preset.declarations.model_dump(mode="json"),
            "torch": torch.__version__,
            "precision": choose_precision(preset.training),
        }
    )


def candidate_key(trained: str, held_out: str, preset: Preset) -> str:
    """Name of an exported model: the trained one, the day and the buckets of its metrics, what makes its files."""
    return digest(
        {
            "formats": [EXPORT_FORMAT, METRICS_FORMAT],
            "trained": trained,
            "held_out": held_out,
            "buckets": preset.evaluation.buckets,
            "exporter": _exporter(),
        }
    )


def graph_key(preset: Preset) -> str:
    """Name of the graphs that a model's towers are traced to: all of it but the weights."""
    return digest(
        {
            "format": EXPORT_FORMAT,
            "model": preset.model.model_dump(mode="json"),
            "declarations": preset.declarations.model_dump(mode="json"),
            "exporter": _exporter(),
        }
    )


def evaluation_key(trained: Mapping[str, str], held_out: str, champion: str | None, preset: Preset) -> str:
    """Name of an evaluation: what was compared (name → key), on which day, and in which buckets."""
    return digest(
        {
            "formats": [METRICS_FORMAT, REPLAY_FORMAT],
            "trained": dict(trained),
            "held_out": held_out,
            "champion": champion,
            "evaluation": preset.evaluation.model_dump(mode="json"),
        }
    )


def _exporter() -> list[str]:
    return [version(name) for name in ("torch", "onnx", "onnxscript")]
