"""What a backfill leaves behind for the index; its days leave records of their own."""

from collections.abc import Sequence

from mtmd.config import load_preset
from mtmd.jobs.backfill import BackfillPlan, DayOutcome
from mtmd.report.index.sources import Backfilled, Outcome
from mtmd.report.index.stage import unless_it_fails, write_line
from mtmd.store.outputs import write_record
from mtmd.store.workspace import Workspace


def record_backfill(
    artifacts: str, preset: str, planned: BackfillPlan, outcomes: Sequence[DayOutcome]
) -> None:
    """Keep what came of a backfill so far, in the place of an earlier one of the same days, and write the index.

    Never fails: a warning in the log says what went wrong.
    """

    def write() -> None:
        workspace = Workspace.of(artifacts, load_preset(preset))
        told = tuple(Outcome(as_of=one.as_of, state=one.state, words=one.words) for one in outcomes)
        done = Backfilled(first=planned.first, last=planned.last, reprocess=planned.reprocess, outcomes=told)
        write_record(workspace.backfill(planned.first, planned.last), done)
        write_line(workspace.root)

    unless_it_fails(artifacts, write)
