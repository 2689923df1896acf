"""What differs between two models or runs in how they were made: preset, code, format numbers, packages, days."""

from pydantic import Field

from mtmd.config import Frozen
from mtmd.inspect.models import NamedModel, find
from mtmd.report.made import Difference, Made, differing
from mtmd.store.workspace import Workspace


class Differences(Frozen):
    """What `mtmd diff` says."""

    first: str
    second: str
    notes: tuple[str, ...] = Field(description="what could not be compared, and why")
    differences: tuple[Difference, ...]


def differences(workspace: Workspace, first: str, second: str) -> Differences:
    """Compare how two models or runs were made; raises RegistryError for a name that fits none, or several."""
    sides = [find(workspace, name) for name in (first, second)]
    made = [Made.of(side.model_id, side.run) for side in sides]
    notes = tuple(
        f"the preset and the formats of {name} are not recorded (its run's record is gone, or older): the declarations "
        "of the models are compared instead"
        for name, side in zip((first, second), made, strict=True)
        if side.origin is None
    )
    return Differences(
        first=_label(sides[0]),
        second=_label(sides[1]),
        notes=notes,
        differences=differing(workspace, *made),
    )


def _label(side: NamedModel) -> str:
    return side.model_id if side.run is None else f"{side.model_id} (run {side.run.name})"
