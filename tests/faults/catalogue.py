"""All faults; those of buckets where the extra `bucket` is."""

from collections.abc import Iterator

from mtmd import extension
from tests.faults import clocks, crashes, disks, servers, sources, stored
from tests.faults.line import Fault


def _of_buckets() -> Iterator[Fault]:
    if "bucket" in extension.names():
        from tests.faults import object_store  # noqa: PLC0415

        yield from object_store.faults()


FAULTS: tuple[Fault, ...] = (
    *stored.faults(),
    *sources.faults(),
    *crashes.faults(),
    *disks.faults(),
    *clocks.faults(),
    *servers.faults(),
    *_of_buckets(),
)
