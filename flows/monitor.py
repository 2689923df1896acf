"""Before the daily run: is the champion still what it was at its promotion, on logs like those it was trained on?"""

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed

from mtmd.flows import parameters, prefect_artifacts, steps
from mtmd.flows.parameters import Artifacts, AsOf, Logs, PresetName, described, scheduled_day
from mtmd.monitor import stage as monitor_stage
from mtmd.monitor.health import MonitorReport
from mtmd.report import jobs

BREACH_STATE = "Breach"  # a state that ends a run: the automation crash-zombies waits for these


@flow(name="monitor", flow_run_name=parameters.of_day, persist_result=False)
@described
def monitor(
    as_of: AsOf | None = None,
    preset: PresetName = "demo",
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
) -> State[MonitorReport]:
    """Look at one day; ends completed, in a state named Breach when something is off, and says so in an event."""
    report = look(as_of or scheduled_day(), preset, logs=logs, artifacts=artifacts)
    if report.breaches:  # first, so that nobody misses it where the artifact can't be published
        prefect_artifacts.tell("mtmd.monitor.breach", report.line, report.day, report.champion, report.words)
    steps.update_index(artifacts, preset)
    publish(report, preset, artifacts)
    name = BREACH_STATE if report.breaches else None
    return Completed(data=report, name=name, message=report.words)


look = steps.task_of(monitor_stage.monitor, lambda report: f"{report.day}: {report.words}", name="look")


@task(persist_result=False, name="publish monitor")
def publish(report: MonitorReport, preset: str, artifacts: str) -> None:
    """Breaches, figures, drift, and the trend with the days before."""
    trend = monitor_stage.monitored(preset, report.day, artifacts=artifacts)
    prefect_artifacts.publish("monitor", f"{report.day}: {report.words[:200]}", jobs.monitor(report, trend))
