"""A day of a preset that has everything a preset may add to the tests' own: five tasks, lists, and encoded numbers."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mtmd.promote.findings import RunSummary
from mtmd.promote.stage import DayRun
from mtmd.report import stage as report_stage
from mtmd.sources.simulated.platform import simulate
from tests.daily import Done, run_stages
from tests.flows.runs import AS_OF
from tests.tiny_lists import HISTORIES, write_preset
from tests.worlds import tiny_world

FIVE = Path(__file__).parent / "tiny-five.toml"


@dataclass(frozen=True)
class RichLine:
    """A day that was decided, and its page; its logs have a day more."""

    preset: str
    logs: Path
    run: DayRun
    summary: RunSummary
    page: str

    @property
    def done(self) -> Done:
        return Done(self.run)


def make_rich_line(place: Path) -> RichLine:
    """From the simulated platform to a promoted model."""
    place.mkdir()
    preset, logs = str(write_preset(place, base=str(FIVE))), place / "logs"
    world = tiny_world(further_tasks=True).model_copy(update={"histories": HISTORIES})
    simulate(world, AS_OF - timedelta(days=8), AS_OF + timedelta(days=1), logs)
    done = run_stages(logs, place / "artifacts", preset=preset)
    summary = done.decide()
    page = report_stage.write_report(done.run, summary)
    return RichLine(preset, logs, done.run, summary, page.read_text(encoding="utf-8"))
