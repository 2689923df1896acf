"""One rank of a training: `python -m mtmd.extras.ranks.rank JOB`, started by torchrun (see `launcher`)."""

import gc
import os
import sys
import traceback
from pathlib import Path
from threading import Thread

import torch
import torch.distributed as dist

from mtmd.errors import MtmdError
from mtmd.extras.ranks.group import Group
from mtmd.extras.ranks.launcher import Report
from mtmd.model.ranker import choose_device
from mtmd.train.results import Progress
from mtmd.train.stage import TrainingJob, run_job


def main(file: Path) -> int:
    """Train, and report on standard output; the exit status."""
    # As in mtmd.flows: what torch imports makes many objects that stay, and looking through them takes time.
    gc.set_threshold(100_000, 20, 20)
    Thread(target=_end_with_parent, daemon=True).start()
    rank = int(os.environ["RANK"])

    def say(progress: Progress) -> None:
        _tell(Report(rank=rank, progress=progress))

    try:
        job = TrainingJob.model_validate_json(file.read_text(encoding="utf-8"))
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        device = choose_device(job.plan.preset.training.device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        try:
            run_job(job, say if rank == 0 else None, Group(device))
        finally:
            dist.destroy_process_group()
    except MtmdError as error:
        _tell(Report(rank=rank, refused=str(error)))
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, the process that started this one says it
        traceback.print_exc()
        _tell(Report(rank=rank, broke=f"{type(error).__name__}: {error}"))
        return 1
    return 0


def _tell(report: Report) -> None:
    sys.stdout.write(report.model_dump_json() + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """End this process when the one that started the ranks has ended, however that ended.

    Nothing is ever written to this process. The file is read without Python's buffer, whose lock would be in the way
    when Python ends.
    """
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
