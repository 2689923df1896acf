"""Train until some step and die there by SIGKILL: `python -m tests.train.interrupted WORK STEP THREADS`."""

import os
import signal
import sys
from pathlib import Path

import torch

from mtmd.train.results import Progress
from mtmd.train.trainer import fit
from tests.train.windows import RandomWindow, pinned_preset

BATCHES = 12  # a report comes after ten steps: in the middle of an epoch


def main(work: Path, step: int) -> None:
    def die(progress: Progress) -> None:
        if progress.step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    preset = pinned_preset()
    fit("mtmd", RandomWindow(preset.declarations, BATCHES), preset, work, die)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[3]))  # the bits of a sum depend on it
    main(Path(sys.argv[1]), int(sys.argv[2]))
