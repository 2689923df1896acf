"""What the registry refuses before it writes."""

from pathlib import Path

from mtmd.errors import RegistryError
from mtmd.registry.bundle import load_bundle
from mtmd.registry.records import Champion, ModelManifest

_REQUIRED = ("bundle.json", "metrics.json")


def check_built(directory: Path, manifest: ModelManifest) -> None:
    """Raise RegistryError where a model lacks a file, or holds another bundle than its manifest says."""
    missing = [name for name in _REQUIRED if not (directory / name).is_file()]
    if missing:
        raise RegistryError(f"model {manifest.model_id!r} was built without {missing}; export writes them")
    if (bundle := load_bundle(directory).bundle_id) != manifest.bundle_id:
        raise RegistryError(
            f"model {manifest.model_id!r} holds bundle {bundle}, its manifest says {manifest.bundle_id}"
        )


def require_reason(what: str, reason: str) -> None:
    """Raise RegistryError for a blank reason."""
    if not reason.strip():
        raise RegistryError(f"{what} needs a reason; it is written into the history")


def check_sequence(champion: Champion | None, expected: int, model_id: str) -> None:
    """Raise RegistryError when the champion is not the one that a decision was based on."""
    sequence = champion.sequence if champion else 0
    if sequence != expected:
        live = champion.model_id if champion else "no model"
        raise RegistryError(
            f"the champion's sequence is {sequence}, not {expected} as when {model_id!r} was compared with it: "
            f"{live} is live now. Run again, so that it is compared with that one"
        )
