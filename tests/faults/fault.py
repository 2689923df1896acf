"""What a fault is: where it strikes, what is run then, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.faults.line import Line

Outcome = Literal["healed", "harmless", "repeated", "refused"]  # docs/reliability.md has what each means


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong.

    strike  makes it happen
    then    what is run afterwards; the daily job where it is left out
    words   a pattern of the error of a fault that is refused
    """

    group: str
    name: str
    outcome: Outcome
    strike: Callable[[Line], object]
    then: Callable[[Line], object] = Line.daily
    words: str = ""
    quick: bool = False  # in every run of the tests, not only in `make faults`
    on: Literal["line", "bucket_line"] = "line"  # the fixture of the line that it strikes
