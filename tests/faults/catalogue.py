"""All faults, in the order of docs/reliability.md."""

from tests.faults import crashes, disks, sources, stored
from tests.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *stored.faults(),
    *sources.faults(),
    *crashes.faults(),
    *disks.faults(),
)
