"""What a fault is: where it strikes, what is run then, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.faults.line import Line

Outcome = Literal["healed", "harmless", "repeated", "refused"]
MEANING: dict[Outcome, str] = {
    "healed": "the next run makes it again, and every result has the digest of an undisturbed run",
    "repeated": "the run asks again, and ends as an undisturbed one: nothing is lost, and nothing is done twice",
    "harmless": "nothing that is live was made from it: the next run has the results of an undisturbed one",
    "refused": "the run ends with an error that names it; once its cause is gone, the next run is undisturbed",
}


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
