"""A rank of which number 1 never ends epoch 2: `python -m tests.extras.ranks.waiting JOB`.

However slow the process is that wants to kill it in that epoch, it is not too late.
"""

import os
import sys
import time
from pathlib import Path

from mtmd.extras.ranks import rank
from mtmd.model.batch import Batch
from mtmd.train import trainer

_step = trainer._Run._step


def _wait_in_epoch_2(run: trainer._Run, epoch: int, step: int, batch: Batch) -> float:
    if epoch == 2 and step > run.steps:  # not the first of its steps
        time.sleep(600)
    return _step(run, epoch, step, batch)


if __name__ == "__main__":
    if os.environ["RANK"] == "1":
        trainer._Run._step = _wait_in_epoch_2  # type: ignore[method-assign]
    raise SystemExit(rank.main(Path(sys.argv[1])))
