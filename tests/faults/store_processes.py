"""What a killed process leaves in a bucket, and two machines that write the same at once.

Each machine is a process of its own. The small S3 is in the tests' process, and counts what arrives: a process is
killed when its n-th write arrives, which is then done or not.
"""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.context import ForkServerProcess

from mtmd.errors import RegistryError
from mtmd.extras.bucket.stores import WORK
from tests.buckets import hurry
from tests.faults.bucket_line import WARM, BucketLine
from tests.faults.crashes import CONTEXT
from tests.faults.line import Fault, Line, Outcome, run_day
from tests.flows.runs import NEXT

GROUP = "object store"
NEW = f"{NEXT:%Y%m%d}"
Job = Callable[[BucketLine], object]
_WRITES = 25  # of the last stages; a stop that is never reached fails its fault
_WRITE = "^(PUT|POST|DELETE) "
_REFUSED, _PATIENCE_S = 3, 300.0


def fault(
    name: str,
    outcome: Outcome,
    strike: Job,
    then: Job = BucketLine.daily,
    words: str = "",
    *,
    quick: bool = False,
) -> Fault:
    """A fault of a line in a bucket."""
    return Fault(GROUP, name, outcome, partial(_on, strike), partial(_on, then), words, quick, "bucket_line")


def _on(job: Job, line: Line) -> object:
    assert isinstance(line, BucketLine)
    return job(line)


_KILLED = {
    "a file of a model": f"PUT .*/models/{NEW}-.*/upload-",
    "a model's complete.json": f"PUT .*/models/{NEW}-.*/complete.json",
    "a change of the champion": "PUT .*/history/00000002.json",
    "the champion's pointer": "PUT .*/champion.json",
    "a file of the ads": f"PUT .*/ads/{NEW}-.*/upload-",
    "the pointer of the ads": f"PUT .*/ads/{NEW}-.*/current.json",
    "a run's summary": "PUT .*/runs/.*/summary.json",
}
_AT_ONCE: dict[str, tuple[str, Job]] = {
    "a model's complete.json": (f"PUT .*/models/{NEW}-.*/complete.json", BucketLine.undo_decision),
    "a change of the champion": ("PUT .*/history/00000002.json", BucketLine.undo_decision),
    "the pointer of the ads": (f"PUT .*/ads/{NEW}-.*/current.json", BucketLine.undo_publication),
}  # fmt: skip


def faults() -> Iterator[Fault]:
    """SIGKILL at each write of the last stages; two machines."""
    for what, words in _KILLED.items():
        for taken in (False, True):
            name = f"SIGKILL while {what} is sent, which is then {'written' if taken else 'not written'}"
            quick = what == "a model's complete.json" and not taken
            yield fault(name, "healed", partial(_killed, words, 1, taken), quick=quick)
            if taken:
                yield fault(
                    f"{name}; the next run on another machine",
                    "healed",
                    partial(_killed, words, 1, taken),
                    _elsewhere,
                )
    for number in range(1, _WRITES + 1):
        name = f"SIGKILL at write {number} of export, proofs, decision, ads and page"
        yield fault(name, "healed", partial(_killed, _WRITE, number, False))
    for what, (words, undo) in _AT_ONCE.items():
        yield fault(f"two machines write {what} at once", "healed", partial(_at_once, words, undo))


def _elsewhere(line: BucketLine) -> object:
    """The next run is another machine's; then the killed one comes back."""
    line.become_new()
    done = line.daily()
    line.become(WARM)
    line.daily()
    return done


def _killed(words: str, number: int, taken: bool, line: BucketLine) -> None:
    """The daily job of a process that is killed when its n-th request of these words arrives."""
    line.undo_decision()
    process = _machine(line, WARM)

    def kill() -> None:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        if not taken:
            line.s3.refused.append(503)

    line.s3.at(words, kill, number)
    process.start()
    process.join(_PATIENCE_S)
    line.s3.refused.clear()
    assert process.exitcode == -signal.SIGKILL, f"the job ended with {process.exitcode}, not by SIGKILL"


def _at_once(words: str, undo: Job, line: BucketLine) -> None:
    """Two machines run the same day; the writes of these words wait for each other, and then race.

    Of two that move the pointer one is refused. What else they write is the same; the second one to promote may still
    find that the first has moved the pointer.
    """
    undo(line)
    line.patience(_PATIENCE_S)
    shutil.copytree(line.artifacts / WARM, line.artifacts / "other")
    barrier = threading.Barrier(2)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(_PATIENCE_S)

    for number in (1, 2):
        line.s3.at(words, meet, number)
    processes = [_machine(line, name) for name in (WARM, "other")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_PATIENCE_S)
    assert line.s3.awaited == [], "they did not meet"
    ended = [process.exitcode for process in processes]
    assert sorted(ended) == [0, _REFUSED] or ("history" not in words and ended == [0, 0]), ended


def _machine(line: BucketLine, name: str) -> ForkServerProcess:
    environment = {
        name: value for name, value in os.environ.items() if name.startswith(("AWS_", "MTMD_"))
    } | {WORK: str(line.artifacts / name)}
    return CONTEXT.Process(target=_run, args=(environment, line.places))


def _run(environment: dict[str, str], places: tuple[str, str]) -> None:
    """The daily job on a machine; what another machine overtook ends it with an error in our words."""
    os.environ.update(environment)
    hurry()
    try:
        run_day(*places)
    except RegistryError as error:
        raise SystemExit(_REFUSED) from error
