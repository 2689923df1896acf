"""The nights and mornings of the soak: what is delivered, what runs, what goes wrong, and who mends it how."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from benchmarks.soak import logs as damage
from benchmarks.soak.ledger import Night
from benchmarks.soak.operator import Ended, Operator, SoakError, slot
from benchmarks.soak.story import Event
from mtmd.config import load_preset
from mtmd.jobs.backfill import DayOutcome, latest_outcome
from mtmd.registry.registry import Registry
from mtmd.store.workspace import Workspace

_DAILY = "daily-retrain/daily-retrain"


@dataclass
class Month:
    """The soak's days, one after the other. `champion` is the model that ought to be live, kept from verdicts alone."""

    operator: Operator
    story: Mapping[int, Event]
    first: date
    champion: str | None = None

    def __post_init__(self) -> None:
        self.workspace = Workspace.of(self.operator.platform.artifacts, load_preset(self.operator.preset))
        self.registry = Registry(self.workspace.root)
        self._mend: Callable[[], str] | None = None

    def night(self, number: int) -> Night:
        """Mend what yesterday left, then deliver, monitor and retrain one day."""
        day, event = self.first + timedelta(days=number), self.story.get(number)
        mended, self._mend = self._mend() if self._mend else "", None
        self._deliver(day, event)
        watched = self.operator.scheduled("monitor/monitor", day)
        ended, note = self._retrain(day, event)
        outcome = latest_outcome(self.workspace, day)
        self._expect(outcome)
        if event == "rollback":
            ended, note = self._roll_back(day)
        live = self.registry.champion()
        return Night(
            day=day,
            event=event or "",
            mended=mended,
            monitor=watched.state,
            found=watched.message if watched.state != "Completed" else "",
            daily=ended.state,
            promoted=bool(outcome.model_id) and outcome.model_id == self.champion,
            words=_explained(ended),
            champion=live.model_id if live else None,
            expected=self.champion,
            note=note,
            seconds=watched.seconds + ended.seconds,
        )

    def _deliver(self, day: date, event: Event | None) -> None:
        if event == "late day":
            self._mend = lambda: self._again(day, "delivered late")
            return
        _required(self.operator.scheduled("simulate-day/simulate-day", day, days=1))
        if event == "corrupt day":
            damage.deliver_twice(self.operator.logs, day)
            self._mend = lambda: self._again(day, "delivered again")
        elif event == "planted drift":
            damage.log_bids_in_cents(self.operator.logs, day)

    def _again(self, day: date, how: str) -> str:
        """The morning after: the day is delivered whole, and a backfill of it may promote."""
        damage.take_back(self.operator.logs, day)
        _required(self.operator.scheduled("simulate-day/simulate-day", day, days=1))
        ended = self.operator.by_hand(
            "backfill/backfill", first=str(day), last=str(day), reprocess="failed", promote=True
        )
        _required(ended)
        outcome = latest_outcome(self.workspace, day)
        self._expect(outcome)
        return f"{day} {how}, backfill: {outcome.words}"

    def _retrain(self, day: date, event: Event | None) -> tuple[Ended, str]:
        if event == "worker killed":
            return self._interrupted(day, "worker")
        if event == "server restarted":
            return self._interrupted(day, "server")
        return self.operator.scheduled(_DAILY, day, ablations=False), ""

    def _interrupted(self, day: date, process: str) -> tuple[Ended, str]:
        """Kill a process while the run trains, start it again, and run the day again if that run did not survive."""
        twin = self._twin(day)
        started = self.operator.start(_DAILY, slot(_DAILY, day), ablations=False)
        self.operator.until(lambda: self._trains() or self.operator.over(started), "the training")
        if self.operator.over(started):
            raise SoakError(f"the run of {day} was over before the {process} could be killed in its training")
        killed = time.monotonic()
        self.operator.kill(process)
        self.operator.restart()
        ended = self.operator.wait(started)
        note = (
            f"{process} killed (-9) while training: run {ended.state} {time.monotonic() - killed:.0f} s later"
        )
        if not ended.completed:
            ended = self.operator.by_hand(_DAILY, as_of=str(day), ablations=False)
            note += f", run again: {ended.state}"
        same = self._files(self.registry, day) == self._files(twin, day)
        return ended, note + (
            "; the model's files are those of an undisturbed run"
            if same
            else "; OTHER FILES than an undisturbed run"
        )

    def _twin(self, day: date) -> Registry:
        """The day run undisturbed on a copy of the artifacts."""
        copy = Path(f"{self.operator.platform.artifacts}-{day}")
        shutil.copytree(self.operator.platform.artifacts, copy)
        ended = self.operator.by_hand(_DAILY, as_of=str(day), ablations=False, artifacts=str(copy))
        _required(ended)
        return Registry(copy / self.workspace.root.name)

    def _trains(self) -> bool:
        return any(self.workspace.work("mtmd", "").parent.glob("mtmd-*/*"))

    def _files(self, registry: Registry, day: date) -> dict[str, str]:
        """Digests of the day's ONNX files."""
        (model,) = (path.name for path in registry.models.glob(f"{day:%Y%m%d}-*"))
        return {name: sha for name, sha in registry.manifest(model).files.items() if name.endswith(".onnx")}

    def _roll_back(self, day: date) -> tuple[Ended, str]:
        """Take the day's champion down; a run of the same day must not bring it back."""
        *_, before, taken = self.registry.standing()
        _required(self.operator.by_hand("rollback/rollback", reason="conversions fell", model=taken))
        self.champion = before
        again = self.operator.by_hand(_DAILY, as_of=str(day), ablations=False)
        _required(again)
        return again, f"{taken} taken down, and the day run again"

    def _expect(self, outcome: DayOutcome) -> None:
        """A verdict that says promoted names the model that is live from now on."""
        if outcome.words.startswith("promoted") and outcome.model_id:
            self.champion = outcome.model_id


def _required(ended: Ended) -> None:
    if not ended.completed:
        raise SoakError(f"a run that had to complete ended {ended.state}: {ended.message}")


def _explained(ended: Ended) -> str:
    """Why the day ended as it did, as the artifact says that a person would open."""
    return f"`verdict`: {ended.artifacts['verdict']}" if "verdict" in ended.artifacts else ""
