"""All faults, in the order of docs/reliability.md."""

from tests.faults import clocks, crashes, disks, object_store, servers, sources, stored
from tests.faults.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *stored.faults(),
    *sources.faults(),
    *crashes.faults(),
    *disks.faults(),
    *clocks.faults(),
    *servers.faults(),
    *object_store.faults(),
)
