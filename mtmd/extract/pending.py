"""Shards that are made while their days are validated: the logs are read once for both.

They wait in <shards>/pending/ until the day has passed and is extracted, and are removed where it fails. A run that was
killed in between leaves them there; the next one takes or removes them. Runs that validate one day at the same time
leave each other's work alone: what one of them writes is not touched, and the first that is finished is taken.
"""

import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from mtmd.errors import MtmdError
from mtmd.extract.stage import PENDING, DayLogs, write_shard
from mtmd.logs.passing import Show
from mtmd.run import RunPlan
from mtmd.store.files import discard, matching

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PendingShards:
    """The shards of a run's days, made as the days are read (`mtmd.logs.passing.OnePass`)."""

    plan: RunPlan

    def read(self, day: date, show: Show) -> bool:
        """Write the day's shard and show its rows; False where it is there already, or anything is wrong with it."""
        shards = self.plan.workspace.shards
        try:
            logs = DayLogs.of(self.plan.source, day, self.plan.preset.declarations, shards)
            place = logs.place(shards / PENDING)
            self._remove(day, but=place)  # those of other files
            if logs.place(shards).exists():
                self.discard(day)
                return False
            write_shard(logs, place, show=show)
        except (MtmdError, duckdb.Error, OSError) as error:  # validation says what is wrong, and better
            _log.info("%s is validated by itself, because it can't be extracted meanwhile: %s", day, error)
            return False
        return True

    def discard(self, day: date) -> None:
        """Remove the day's pending shards."""
        self._remove(day)

    def _remove(self, day: date, but: Path | None = None) -> None:
        """Names that begin with a dot stay: another run may be writing there."""
        for path in matching(self.plan.workspace.shards / PENDING, f"date={day.isoformat()}/*"):
            if path != but:
                discard(path)
