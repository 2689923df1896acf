"""One reading of a day for two: rows on their way from the logs into a shard are shown to validation as they pass.

All declared columns are shown, as they were read. Candidates come in the order of their rows in the shard, and the
tables that they refer to are known by then, so they have more columns: the indices of their surface and product, and
DOMAIN_FIRST, which is true in one row of each request and product.
"""

from collections.abc import Callable
from datetime import date
from typing import Protocol

import pyarrow as pa

SURFACE, PRODUCT, DOMAIN_FIRST = "surface.index", "product.index", "domain.first"

# Is given a table's name and its rows, which it must read to their end; it is called from a thread for each table.
Show = Callable[[str, pa.RecordBatchReader], None]


class OnePass(Protocol):
    """Whoever reads a day anyway."""

    def read(self, day: date, show: Show) -> bool:
        """Read the day; whether all of its rows were shown, and its keys are known, complete and distinct.

        Where it is not so, for whatever reason, what was shown means nothing, and the day is to be read as ever.
        """

    def discard(self, day: date) -> None:
        """Forget what was read of a day, which must not be used."""
