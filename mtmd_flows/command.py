"""A flow as a command of its own: `python -m mtmd_flows.…`, whose options are the flow's parameters."""

import inspect
import os
import signal
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from types import FrameType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import psutil
from prefect import Flow
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_API_URL
from pydantic.fields import FieldInfo

from mtmd.config.preset_files import default_preset
from mtmd.errors import MtmdError
from mtmd.project.commands import read_day
from mtmd_flows.terminal import print_error, print_stopped

_INTERRUPTED = 128 + signal.SIGINT
_Result = TypeVar("_Result")


def run_from_terminal(
    flow: Flow[..., _Result], module: str, show: Callable[[_Result, Namespace], None]
) -> int:
    """Run a flow with the options of the command line; exit status 1 for an error that the user can mend."""
    options = parser_of(flow, module).parse_args()
    if not PREFECT_API_URL.value():
        signal.signal(signal.SIGINT, _stop)
    try:
        result = flow(**vars(options))
    except (MtmdError, ParameterTypeError) as error:
        print_error(error)
        return 1
    except KeyboardInterrupt:
        print_stopped()
        return _INTERRUPTED
    show(result, options)
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    """End at Ctrl-C at once. The temporary server gets the Ctrl-C too, so nothing could be reported to it any more.

    What is written is written whole, so the next run goes on from it.
    """
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.terminate()
    print_stopped()
    os._exit(_INTERRUPTED)


def parser_of(flow: Flow[..., Any], module: str) -> ArgumentParser:
    """An option for each parameter, with its default and its description; a boolean one has a `--no-` twin."""
    prog = os.environ.get("MTMD_COMMAND", f"python -m {module}")
    parser = ArgumentParser(prog=prog, description=(flow.description or "").split("\n\n")[0])
    for name, parameter in inspect.signature(flow.fn, eval_str=True).parameters.items():
        kind, text = _described(parameter.annotation)
        default = None if parameter.default is parameter.empty else parameter.default
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            required=parameter.default is parameter.empty,
            default=default_preset() if name == "preset" else default,
            help=text.replace("%", "%%"),
            **_reading(kind),
        )
    return parser


def _described(annotation: Any) -> tuple[Any, str]:
    """The type of a parameter, without None, and its description."""
    if get_origin(annotation) in {Union, UnionType}:
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is not Annotated:
        return annotation, ""
    kind, *notes = get_args(annotation)
    return kind, next((note.description or "" for note in notes if isinstance(note, FieldInfo)), "")


def _reading(kind: Any) -> dict[str, Any]:
    """How argparse reads a value of a type."""
    if kind is bool:
        return {"action": BooleanOptionalAction}
    if get_origin(kind) is list:
        element, _ = _described(get_args(kind)[0])
        return {"nargs": "+", "type": element}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    return {"type": read_day if kind is date else kind}
