"""The daily flow, which never gets past one stage: `python -m tests.flows.held STAGE ARGUMENTS`.

Up to the stage's end it goes its way. Who wants to kill it within the stage is never too late, however slow.
"""

import runpy
import sys
import time
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import Any

from mtmd.export import stage as export_stage
from mtmd.extract import stage as extract_stage
from mtmd.train import trainer

# Of each stage: what it calls, in which module, and the call that never ends.
_STAGES = {
    "extract": (extract_stage, "extract", 20),  # of 21 days
    "train": (trainer, "save_checkpoint", 3),  # of 4 epochs
    "export": (export_stage, "write_json", 1),  # after the files
}


def _held(call: Callable[..., Any], last: int) -> Callable[..., Any]:
    numbers = count(1)

    @wraps(call)
    def hold(*arguments: Any, **named: Any) -> Any:
        if next(numbers) >= last:
            time.sleep(600)
        return call(*arguments, **named)

    return hold


if __name__ == "__main__":
    module, name, last = _STAGES[sys.argv.pop(1)]
    setattr(module, name, _held(getattr(module, name), last))
    runpy.run_module("mtmd.flows.daily_retrain", run_name="__main__", alter_sys=True)
