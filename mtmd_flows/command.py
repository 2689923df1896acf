"""A flow as a command: `mtmd run` and `python -m mtmd_flows.…`, whose options are the flow's parameters."""

import inspect
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from types import FrameType, NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import psutil
import typer
from annotated_types import Ge, Le
from prefect import Flow
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_API_URL
from pydantic.fields import FieldInfo

from mtmd.command_line import PresetName, only_command, read_day
from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd_flows import runners
from mtmd_flows.orphans import watch_over
from mtmd_flows.terminal import print_stopped

_INTERRUPTED = 128 + signal.SIGINT
_WATCHERS: list[object] = []  # they end by themselves
_Result = TypeVar("_Result")


def command_of(flow: Flow[..., _Result], show: Callable[[_Result, Mapping[str, Any]], None]) -> typer.Typer:
    """The command that runs a flow here, and shows its result; the flow's parameters are its options."""

    def command(**given: Any) -> None:
        if "preset" in given:
            load_preset(given["preset"])  # a wrong one is refused before a server is started
        runners.chosen()  # likewise
        try:
            result = (flow if PREFECT_API_URL.value() else _on_its_own(flow))(**given)
        except ParameterTypeError as error:
            raise ConfigError(str(error)) from error
        except KeyboardInterrupt:
            print_stopped()
            raise typer.Exit(_INTERRUPTED) from None
        show(result, given)

    parameters = inspect.signature(flow.fn, eval_str=True).parameters.values()
    text = (flow.description or "").split("\n\n")[0]
    return only_command(command, [_option(parameter) for parameter in parameters], text)


def _on_its_own(flow: Flow[..., _Result]) -> Flow[..., _Result]:
    """The flow with a temporary server, which must not outlive this process, however that ends."""
    signal.signal(signal.SIGINT, _stop)
    _WATCHERS.append(watch_over(os.getpid()))

    def stop_at_once(*_: Any, **__: Any) -> None:
        # Prefect's own handler, which it installs when a run begins, raises wherever the process is just then: also in
        # Prefect's bookkeeping, which fails at that.
        signal.signal(signal.SIGTERM, _stop)

    return flow.with_options(on_running=[*flow.on_running_hooks, stop_at_once])


def _stop(number: int, _frame: FrameType | None) -> None:
    """End at Ctrl-C or SIGTERM at once. The temporary server may have it too: nothing can be reported to it any more.

    What is written is written whole, so the next run goes on from it.
    """
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.terminate()
    print_stopped()
    os._exit(128 + number)


def _option(parameter: inspect.Parameter) -> inspect.Parameter:
    """A flow's parameter with what typer needs to know: type, description, bounds, and how a day is read."""
    keyword = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    if parameter.name == "preset":  # a deployment names its preset; a person stands in a project's folder
        return keyword.replace(annotation=PresetName, default=inspect.Parameter.empty)
    kind, notes = _plain(parameter.annotation)
    elements, of_elements = _plain(get_args(kind)[0]) if get_origin(kind) is list else (None, [])
    option: typer.models.OptionInfo = typer.Option(
        help=next((note.description for note in notes if note.description), None)
    )
    for bound in (bound for note in (*notes, *of_elements) for bound in note.metadata):
        if isinstance(bound, Ge):
            option.min = bound.ge  # type: ignore[assignment]  # a number, wherever typer reads numbers
        if isinstance(bound, Le):
            option.max = bound.le  # type: ignore[assignment]
    if kind is date:
        option.parser, option.metavar = read_day, "YYYY-MM-DD"
    kind = list[elements] if elements else kind  # type: ignore[valid-type]
    optional = kind | None if parameter.default is None else kind
    return keyword.replace(annotation=Annotated[optional, option])


def _plain(annotation: Any) -> tuple[Any, list[FieldInfo]]:
    """A type without None and without notes, and the notes."""
    if get_origin(annotation) in {Union, UnionType}:
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is not Annotated:
        return annotation, []
    kind, *notes = get_args(annotation)
    return kind, [note for note in notes if isinstance(note, FieldInfo)]
