"""What the flows share: parameters with bounds and descriptions, names of runs, and where parallel parts run.

Prefect names a run when it starts, so scheduled runs that have not started have a name of Prefect's own.

The environment variable MTMD_RUNNER chooses a runner: `threads` (the default) is this machine alone. Others are the
extra `clusters`'s, whose seam `runner` has `require(kind, setting)` and `started(kind, processes)`.
"""

import inspect
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from prefect import get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.states import Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from mtmd import extension
from mtmd.config import MAX_WINDOW_DAYS, SHORTEST_WINDOW_DAYS, preset_names
from mtmd.errors import ConfigError, MtmdError

_Function = TypeVar("_Function", bound=Callable[..., Any])

# What a server checks of a run that is submitted is the JSON Schema; without a pattern it takes any text for a date.
_DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"

RUNNER = "MTMD_RUNNER"
HERE = "threads"

DAY_FORM = "YYYY-MM-DD"
_LINES = 10  # of an error's details, in a message

_PRESET = rf"^({'|'.join(map(re.escape, preset_names()))}|.+\.toml)$"


def a_day(description: str) -> FieldInfo:
    """A parameter that is a day; the server refuses other texts when a run is submitted."""
    field: FieldInfo = Field(description=f"{description}; {DAY_FORM}", json_schema_extra={"pattern": _DATE})
    return field


WindowDays = Annotated[
    int,
    Field(
        ge=SHORTEST_WINDOW_DAYS,
        le=MAX_WINDOW_DAYS,
        description="Training days before as_of; the preset's when omitted",
    ),
]
AsOf = Annotated[
    date, a_day("Newest complete UTC day, held out; the day before the scheduled start when omitted")
]
PresetName = Annotated[
    str,
    Field(
        description="A shipped preset's name, or a path to a .toml, seen from the flow's folder",
        json_schema_extra={"pattern": _PRESET},
    ),
]
Promote = Annotated[bool, Field(description="Whether a candidate that passes every gate goes live")]
Ablations = Annotated[
    bool, Field(description="Whether to train the rows of Table 6, after the decision: four more trainings")
]
Override = Annotated[
    str,
    Field(
        pattern=r"\S",
        description="Reason to promote although a gate about slices fails; written into the history",
    ),
]
Logs = Annotated[str, Field(description="Where the log tables are; the preset's when omitted")]
Artifacts = Annotated[str, Field(description="Where outputs go")]


def scheduled_day() -> date:
    """The day before the run's scheduled start, in UTC, so that a late run trains the right day."""
    scheduled = runtime.flow_run.scheduled_start_time
    return (scheduled or datetime.now(UTC)).astimezone(UTC).date() - timedelta(days=1)


def described(function: _Function) -> _Function:
    """Let Prefect show what each parameter is, and why a run failed.

    Its run form takes descriptions from the docstring alone. The message of a failed run would begin with Prefect's own
    words: so an error becomes the state here, whose message is the error's and its notes, such as a page's address.
    """
    lines = [
        f"    {name}: {note.description}"
        for name, parameter in inspect.signature(function).parameters.items()
        for note in plain_type(parameter.annotation)[1]
        if note.description
    ]

    @wraps(function)
    def run(*given: Any, **named: Any) -> Any:
        try:
            return function(*given, **named)
        except Exception as error:  # noqa: BLE001 - the caller of the flow gets it as it is
            return failed(error)

    run.__doc__ = "\n".join([inspect.getdoc(function) or "", "", "Args:", *lines])
    return cast("_Function", run)


def failed(error: Exception) -> State[Any]:
    """The end of a run that raised an error; the cause comes first, then notes on the error, such as its page.

    The log has the whole error, and the trace of one that nobody meant to raise.
    """
    words = f"{error}"
    if not isinstance(error, MtmdError):
        get_run_logger().error("not an error that MTMD raises on purpose:", exc_info=error)
        words = f"{type(error).__name__}: {error}"
    cause, _, more = words.partition("\n")
    lines = [cause, *getattr(error, "__notes__", ()), *more.splitlines()[:_LINES]]
    return Failed(data=error, message="\n".join(lines))


def plain_type(annotation: Any) -> tuple[Any, list[FieldInfo]]:
    """A parameter's type without None and without notes, and the notes."""
    if get_origin(annotation) in {Union, UnionType}:
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is not Annotated:
        return annotation, []
    kind, *notes = get_args(annotation)
    return kind, [note for note in notes if isinstance(note, FieldInfo)]


def description(parameter: inspect.Parameter) -> str:
    """What a parameter is, without the form of a day."""
    notes = plain_type(parameter.annotation)[1]
    return next((note.description for note in notes if note.description), "").removesuffix(f"; {DAY_FORM}")


def require_fitting(parameter: inspect.Parameter, value: Any) -> None:
    """Raise ConfigError for a value that the flow would refuse, naming option, value and what it is."""
    try:
        TypeAdapter(parameter.annotation).validate_python(value)
    except ValidationError as error:
        words = "; ".join(problem["msg"] for problem in error.errors())
        flag = parameter.name.rstrip("_").replace("_", "-")
        raise ConfigError(f"--{flag} ({value!r}): {words}", f"it is: {description(parameter)}") from error


def of_day() -> str:
    """`daily-retrain 2026-01-26`: the run's as_of, given or derived from the scheduled start."""
    return f"{runtime.flow_run.flow_name} {runtime.flow_run.parameters.get('as_of') or scheduled_day()}"


def chosen_runner() -> str:
    """The runner that MTMD_RUNNER names. Raises ConfigError where it can't be had."""
    kind = os.environ.get(RUNNER) or HERE
    if kind != HERE:
        _clusters(kind).require(kind, RUNNER)
    return kind


def _clusters(kind: str) -> ModuleType:
    return extension.required("clusters", "runner", f"{RUNNER} ({kind!r})")


@contextmanager
def runner(threads: int) -> Iterator[TaskRunner[Any]]:
    """The chosen runner, started, with so many threads where it is this machine; raises like `chosen_runner`."""
    kind = chosen_runner()
    here: TaskRunner[Any] = ThreadPoolTaskRunner(threads)
    with here if kind == HERE else _clusters(kind).started(kind, os.cpu_count() or 1) as chosen:
        yield chosen
