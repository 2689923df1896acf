"""Names of durable outputs: digests of everything that decides their content, the code included."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from mtmd.config import Preset
from mtmd.storage import digest, sha256_file
from mtmd.training import ModelKind
from mtmd.training.precision import choose_precision

_PACKAGE = Path(__file__).parents[1]
_CONFIG = ("config/domains.py", "config/features.py", "config/model.py")  # what is computed from a preset


@cache
def code_digest(*places: str) -> str:
    """Digest of the Python files of some modules or sub-packages of mtmd: changed code is a changed output."""
    files: list[Path] = []
    for place in places:
        path = _PACKAGE / place
        files += (
            sorted(p for p in path.rglob("*") if p.suffix in {".py", ".sql"}) if path.is_dir() else [path]
        )
    return digest([[file.name, sha256_file(file)] for file in files])


def training_key(kind: ModelKind, window: str, preset: Preset) -> str:
    """Name of a trained model: its data, its configuration, its code and torch's version."""
    own: Any = None if kind == "mtmd" else getattr(preset.rivals, kind).model_dump(mode="json")
    return digest(
        {
            "kind": kind,
            "window": window,
            "model": preset.model.model_dump(mode="json"),  # rivals take their normalisation from it
            "rival": own,
            "training": preset.training.model_dump(mode="json"),
            "declarations": preset.declarations.model_dump(mode="json"),
            "code": code_digest("model", "training", "data", "batch.py", "encoding.py", *_CONFIG),
            "torch": torch.__version__,
            "precision": choose_precision(preset.training),
        }
    )


def candidate_key(trained: str, held_out: str, preset: Preset) -> str:
    """Name of an exported model: the trained one, the day and the cut of its metrics, what turns it into files."""
    return digest(
        {
            "trained": trained,
            "held_out": held_out,
            "buckets": preset.evaluation.buckets,
            "code": code_digest("export", "serving", "evaluation", "encoding.py", *_CONFIG),
            "exporter": _exporter(),
        }
    )


def graph_key(preset: Preset) -> str:
    """Name of the graphs that a model's towers are traced to: all of it but the weights."""
    return digest(
        {
            "model": preset.model.model_dump(mode="json"),
            "declarations": preset.declarations.model_dump(mode="json"),
            "code": code_digest("model", "export", "serving/bundle.py", *_CONFIG),
            "exporter": _exporter(),
        }
    )


def evaluation_key(trained: Mapping[str, str], held_out: str, champion: str | None, preset: Preset) -> str:
    """Name of an evaluation: what was compared (name → key), on which day, and how it was cut."""
    return digest(
        {
            "trained": dict(trained),
            "held_out": held_out,
            "champion": champion,
            "evaluation": preset.evaluation.model_dump(mode="json"),
            "code": code_digest(
                "evaluation", "export/shard_scores.py", "serving", "data/snapshot.py", *_CONFIG
            ),
        }
    )


def _exporter() -> list[str]:
    return [version(name) for name in ("torch", "onnx", "onnxscript")]
