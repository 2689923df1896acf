"""A flow as a command: `mtmd run` and `python -m mtmd.flows.…`, whose options are the flow's parameters."""

import inspect
import logging
import os
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import date, timedelta
from types import FrameType
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

import psutil
import typer
from httpx import HTTPStatusError, InvalidURL, TransportError
from prefect import Flow, runtime
from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker, PrefectConsoleHandler
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_LOGGING_LEVEL,
    PREFECT_UI_URL,
    temporary_settings,
)

from mtmd.command_line import PresetName, console, errors, literal, only_command, read_day, stages
from mtmd.config import load_preset
from mtmd.errors import ConfigError, LogsError, MtmdError
from mtmd.evaluate.ablation import Ablation
from mtmd.flows.parameters import (
    DAY_FORM,
    chosen_runner,
    description,
    plain_type,
    require_fitting,
    scheduled_day,
)
from mtmd.flows.server import own_server
from mtmd.inspect import print_document
from mtmd.logs.source import LogSource
from mtmd.promote.findings import RunSummary
from mtmd.report import jobs
from mtmd.report import stages as stage_reports
from mtmd.report.document import Document, Items
from mtmd.report.evaluation import gains_table
from mtmd.report.tables import Table, unescaped
from mtmd.report.view import decision
from mtmd.run import plan_run
from mtmd.store.workspace import Workspace

_INTERRUPTED = 128 + signal.SIGINT
_STOPPED = "stopped; the same command goes on where it was"
_PATIENCE_S = 5.0  # for what Prefect has still to send
_ANSWER_S = 60.0  # in which a server answers; Prefect itself would ask one that is silent for six minutes
_Result = TypeVar("_Result")


def _switch(name: str, text: str) -> inspect.Parameter:
    """An option of the command that is no parameter of its flow."""
    option = Annotated[bool, typer.Option(f"--{name}", help=text)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=option)


_NEWEST = _switch("newest", "Take the newest day of the logs as --as-of")
_VERBOSE = _switch("verbose", "Print the whole log, and at the end every slice")


def command_of(
    flow: Flow[..., _Result],
    show: Callable[[_Result, Mapping[str, Any]], None],
    refuse: Callable[[Mapping[str, Any]], object] = lambda _: None,
) -> typer.Typer:
    """The command that runs a flow here, and shows its result; the flow's parameters are its options.

    `refuse` raises for options that the run would fail with at once. It is asked where a temporary server would have to
    be started for that; on a server that is there, people look for the failed run.
    """

    def command(**given: Any) -> None:
        verbose = given.pop("verbose") or PREFECT_LOGGING_LEVEL.value() == "DEBUG"
        if refuse is require_days:
            given["as_of"] = _meant_day(given, newest=given.pop("newest"))
        for parameter in parameters:
            require_fitting(parameter, given[parameter.name])
        if "preset" in given:
            load_preset(given["preset"])  # a wrong one is refused before a server is waited for
        chosen_runner()  # likewise
        for handler in logging.getLogger().handlers:
            handler.addFilter(_says_more)
        try:
            if not (api := PREFECT_API_URL.value()):
                refuse(given)
            with nullcontext() if verbose else _in_short(api):
                result = _with_server(flow, given, api) if api else _with_own_server(flow, given)
        except KeyboardInterrupt:
            errors.print(_STOPPED)
            raise typer.Exit(_INTERRUPTED) from None
        show(result, given | {"verbose": verbose})

    parameters = list(inspect.signature(flow.fn, eval_str=True).parameters.values())
    text = (flow.description or "").split("\n\n")[0]
    options = [*map(_option, parameters), _VERBOSE, *([_NEWEST] if refuse is require_days else [])]
    return only_command(command, options, text)


def run_here(flow: Flow[..., _Result], given: dict[str, Any]) -> _Result:
    """Run a flow inside another program, which keeps its signals, and a temporary server until it ends."""
    if not (api := PREFECT_API_URL.value()):
        require_days(given)
    with _in_short(api):
        return _with_server(flow, given, api) if api else flow(**given)


def _says_more(record: logging.LogRecord) -> bool:
    """Whether a terminal shows a record: PREFECT_LOGGING_LEVEL=DEBUG adds traces of errors that a person can mend."""
    ours = record.exc_info is not None and isinstance(record.exc_info[1], MtmdError)
    return not ours or PREFECT_LOGGING_LEVEL.value() == "DEBUG"


@contextmanager
def _in_short(api: str | None) -> Iterator[None]:
    """Show stages, and of Prefect's log warnings and errors alone, above the line that a terminal has rewritten."""
    root = logging.getLogger()
    before = root.handlers
    root.handlers = [_Above(one) if isinstance(one, PrefectConsoleHandler) else one for one in before]
    try:
        with stages.shown(f"asking {api}" if api else "starting a temporary Prefect server"):
            yield
    finally:
        root.handlers = before


class _Above(logging.Handler):
    """What Prefect's handler prints of warnings and errors; how a run failed is said at the end, by its error."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__(logging.WARNING)
        self.formatter, self.filters = handler.formatter, handler.filters

    def emit(self, record: logging.LogRecord) -> None:
        if not record.getMessage().startswith("Finished in state "):
            errors.print(literal(self.format(record)))


def require_days(given: Mapping[str, Any]) -> None:
    """Refuse what the run itself would refuse: a wrong window, or days that the logs lack."""
    names = ("as_of", "preset", "window_days", "logs", "artifacts")
    try:
        plan_run(**{name: given[name] for name in names})
    except LogsError as error:
        jobs.point_to_check(error, given["as_of"], given["preset"], given["logs"])
        raise


def _meant_day(given: Mapping[str, Any], *, newest: bool) -> date:
    """The day that was named; else yesterday, or the newest one that all tables have.

    Raises LogsError where yesterday is not there, or no day at all; ConfigError where two days are named.
    """
    if (named := given["as_of"]) is not None:
        if newest:
            raise ConfigError(f"--newest and --as-of {named} name two days; give one of them")
        return cast("date", named)
    preset = load_preset(given["preset"])
    source = LogSource.of(preset, given["logs"], Workspace.of(given["artifacts"], preset).spool)
    last, yesterday = source.newest_common_day(), scheduled_day()
    if newest:
        return last
    if last < yesterday:
        raise LogsError(
            f"without --as-of a run takes yesterday, {yesterday}, and the newest day of all three tables is {last}",
            "deliver yesterday, or say --newest to take that day",
        )
    return yesterday


def _with_server(flow: Flow[..., _Result], given: Mapping[str, Any], api: str) -> _Result:
    """Run the flow with the server that is there. Raises ConfigError where it does not answer, or goes away meanwhile.

    It is asked first, once, something that it answers to its users alone: Prefect would retry for minutes.
    """
    answer_s = min(_ANSWER_S, PREFECT_API_REQUEST_TIMEOUT.value())
    once = {PREFECT_API_REQUEST_TIMEOUT: answer_s, PREFECT_CLIENT_MAX_RETRIES: 0}
    try:
        with temporary_settings(once), get_client(sync_client=True) as client:
            client.read_flows(limit=1)
        result: _Result = flow(**given)
        return result
    except (HTTPStatusError, InvalidURL, TransportError) as error:
        raise ConfigError(
            f"the Prefect server at PREFECT_API_URL ({api}) does not answer as it should ({error})",
            "start it; or correct the variable, and PREFECT_API_KEY or PREFECT_API_AUTH_STRING where it has users; or "
            "unset it: the run then has a temporary server. The same command goes on where it was",
        ) from error


def _with_own_server(flow: Flow[..., _Result], given: Mapping[str, Any]) -> _Result:
    """Run the flow with a temporary server, and end it: what it says of its end comes before our last words.

    It must not outlive this process when a signal ends it.
    """
    signal.signal(signal.SIGINT, _stop)

    def stop_at_once(*_: Any, **__: Any) -> None:
        # Prefect's own handler, which it installs when a run begins, raises wherever the process is just then: also in
        # Prefect's bookkeeping, which fails at that.
        signal.signal(signal.SIGTERM, _stop)

    with own_server() as api, temporary_settings({PREFECT_API_URL: api, PREFECT_UI_URL: ""}):
        try:
            result: _Result = flow.with_options(on_running=[*flow.on_running_hooks, stop_at_once])(**given)
            return result
        finally:
            EventsWorker.drain_all(timeout=_PATIENCE_S)
            APILogWorker.drain_all(timeout=_PATIENCE_S)


def _stop(number: int, _frame: FrameType | None) -> None:
    """End at Ctrl-C or SIGTERM at once. The temporary server may have it too: nothing can be reported to it any more.

    What is written is written whole, so the next run goes on from it. A server that is asked to end may print
    tracebacks of what it was doing, below our words. So it is killed, but not before a run has begun: it makes tables.
    """
    stages.end()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill() if runtime.flow_run.id else child.terminate()
    errors.print(_STOPPED)
    os._exit(128 + number)


def show(summary: RunSummary, given: Mapping[str, Any]) -> None:
    """LogMAE, the gates, the verdict, where the page is, and what to do next; if `verbose`, slice by slice."""
    table, found, places = gains_table(summary.report), decision(summary), summary.places
    gates = found.sections[0]
    if given["verbose"]:
        print_table(table)
        facts = (*found.facts, *((f"place of {name}", place) for name, place in places.items()))
        print_document(Document(found.title, found.kind, found.words, facts, (gates,)))
    else:
        print_table(table.model_copy(update={"rows": table.rows[len(summary.report.slices) :]}))
        items = [block for block in gates.blocks if isinstance(block, Items)]
        listed = replace(gates, title="", lead="", blocks=items)
        print_document(Document(f"Gates: {gates.lead}", gates.kind, sections=(listed,)))
        print_document(Document(found.title, found.kind, found.words, found.facts))
        console.print(literal(f"page: {places['report']}"))
    console.print(literal(what_next(summary.as_of, given["preset"], given["artifacts"])))


def show_ablation(ablated: Ablation, _: Mapping[str, Any]) -> None:
    """What each factor is worth, where a variant was compared; and why others were not."""
    print_document(Document("Ablations", "", sections=(stage_reports.ablations(ablated),)))


def what_next(as_of: date, preset: str, artifacts: str) -> str:
    """Commands that can be copied into a shell, a preset's path with a space too. Artifacts are named if given."""
    tomorrow = as_of + timedelta(days=1)
    elsewhere = "" if artifacts == "artifacts" else f" --artifacts {shlex.quote(artifacts)}"
    return (
        f"next: the day after with --as-of {tomorrow}; `mtmd status --preset {shlex.quote(preset)}{elsewhere}`; "
        "`prefect server start` shows the run and its artifacts"
    )


def print_table(table: Table) -> None:
    """A table as the Markdown has it."""
    console.print(literal(unescaped(table.markdown())))


def _option(parameter: inspect.Parameter) -> inspect.Parameter:
    """A flow's parameter with what typer needs to know: type, description, and how a day is read."""
    keyword = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    if parameter.name == "preset":  # a deployment names its preset; a person stands in a project's folder
        return keyword.replace(annotation=PresetName, default=inspect.Parameter.empty)
    kind, _ = plain_type(parameter.annotation)
    if get_origin(kind) is list:
        kind = list[plain_type(get_args(kind)[0])[0]]  # type: ignore[misc]
    text = description(parameter)
    # `with_`, as Python has `with`
    named = [f"--{parameter.name[:-1]}"] if parameter.name.endswith("_") else []
    option: typer.models.OptionInfo = typer.Option(*named, help=text or None)
    if kind is date:
        option.parser, option.metavar = read_day, DAY_FORM  # in the place of the words
    optional = kind | None if parameter.default is None else kind
    return keyword.replace(annotation=Annotated[optional, option])
