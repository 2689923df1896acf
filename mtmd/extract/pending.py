"""Shards that are made while their days are validated: the logs are read once for both.

They wait in <shards>/pending/ until the day has passed and is extracted, and are removed where it fails. A run that was
killed in between leaves them there; the next one takes or replaces them.
"""

import logging
from dataclasses import dataclass
from datetime import date

import duckdb

from mtmd.errors import MtmdError
from mtmd.extract.stage import PENDING, DayLogs, write_shard
from mtmd.logs.passing import Show
from mtmd.run import RunPlan
from mtmd.store.files import remove

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PendingShards:
    """The shards of a run's days, made as the days are read (`mtmd.logs.passing.OnePass`)."""

    plan: RunPlan

    def read(self, day: date, show: Show) -> bool:
        """Write the day's shard and show its rows; False where it is there already, or anything is wrong with it."""
        self.discard(day)
        shards = self.plan.workspace.shards
        try:
            logs = DayLogs.of(self.plan.source, day, self.plan.preset.declarations, shards)
            if logs.place(shards).exists():
                return False
            write_shard(logs, logs.place(shards / PENDING), show=show)
        except (MtmdError, duckdb.Error, OSError) as error:  # validation says what is wrong, and better
            _log.info("%s is validated by itself, because it can't be extracted meanwhile: %s", day, error)
            return False
        return True

    def discard(self, day: date) -> None:
        """Remove the day's pending shards."""
        remove(self.plan.workspace.shards / PENDING / f"date={day.isoformat()}")
