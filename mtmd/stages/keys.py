"""Names of durable outputs: digests of everything that decides their content, the code included."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from mtmd.config import Preset
from mtmd.storage import digest, sha256_file
from mtmd.training import ModelKind

_PACKAGE = Path(__file__).parents[1]


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
            "code": code_digest("model", "training", "data/batches.py", "data/window.py", "encoding.py"),
            "torch": torch.__version__,
        }
    )


def evaluation_key(trained: Sequence[str], held_out: str, champion: str | None, preset: Preset) -> str:
    """Name of an evaluation: what was compared, on which day, and how it was cut."""
    return digest(
        {
            "trained": sorted(trained),
            "held_out": held_out,
            "champion": champion,
            "evaluation": preset.evaluation.model_dump(mode="json"),
            "code": code_digest("evaluation"),
        }
    )
