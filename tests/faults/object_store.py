"""A bucket that fails, loses answers, or lists what was; killed processes; two machines that write the same at once.

Artifacts are in the tests' small S3 (tests/buckets.py), which stands between the run and its objects as a proxy would.
Each machine is a process of its own: it is killed when its n-th write arrives, which is then done or not. Single
requests, damaged objects, logs in a bucket and a bucket that is not there are in tests/extras/bucket.
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
from tests.buckets import S3, hurry, listing
from tests.faults.bucket_line import WARM, BucketLine
from tests.faults.crashes import CONTEXT
from tests.faults.line import Fault, Line, Outcome, run_day
from tests.flows.runs import LINE, NEXT

GROUP = "object store"
NEW = f"{NEXT:%Y%m%d}"
Job = Callable[[BucketLine], object]
_STORM = 10  # things that go wrong
_WRITES = 25  # of the last stages; a stop that is never reached fails its fault
_REFUSED, _PATIENCE_S = 3, 300.0
_AT_ONCE: dict[str, tuple[str, Job]] = {
    "a model's complete.json": (f"PUT .*/models/{NEW}-.*/complete.json", BucketLine.undo_decision),
    "a change of the champion": ("PUT .*/history/00000002.json", BucketLine.undo_decision),
    "the pointer of the ads": (f"PUT .*/ads/{NEW}-.*/current.json", BucketLine.undo_publication),
}


def faults() -> Iterator[Fault]:
    """Requests that fail; listings that are old; SIGKILL at each write of the last stages; two machines."""
    name = "503s and lost answers in turn, at every third write of the last stages"
    yield _fault(name, "repeated", _storm, _through_it, quick=True)
    for what, effect in {"a download cut in the middle": _cut, "503s": partial(_refuse, 12)}.items():
        yield _fault(f"{what}, on a new machine", "repeated", partial(_when_new, effect), _through_it)
    for what, prefix in {"listings of what is gone": f"team/{LINE}/", "empty listings": "nothing/"}.items():
        yield _fault(f"{what}; a new machine", "harmless", partial(_old_listing, prefix), _well_listed)
    for number in range(1, _WRITES + 1):
        name = f"SIGKILL at write {number} of export, proofs, decision, ads and page"
        yield _fault(name, "healed", partial(_killed, number, False), quick=number == _WRITES // 2)
        name = f"{name}, which is done; the next run on another machine"
        yield _fault(name, "healed", partial(_killed, number, True), _elsewhere)
    for what, (words, undo) in _AT_ONCE.items():
        yield _fault(f"two machines write {what} at once", "healed", partial(_at_once, words, undo))


def _fault(
    name: str, outcome: Outcome, strike: Job, then: Job = BucketLine.daily, *, quick: bool = False
) -> Fault:
    return Fault(GROUP, name, outcome, partial(_on, strike), partial(_on, then), "", quick, "bucket_line")


def _on(job: Job, line: Line) -> object:
    assert isinstance(line, BucketLine)
    return job(line)


def _storm(line: BucketLine) -> None:
    line.undo_decision()
    effects = (partial(_refuse, 1), lambda s3: setattr(s3, "unanswered", 1))
    for number in range(_STORM):
        line.s3.at("^PUT ", partial(effects[number % 2], line.s3), nth=3 * number + 1)


def _refuse(requests: int, s3: S3) -> None:
    s3.refused.extend([503] * requests)


def _cut(s3: S3) -> None:
    s3.cut = 2


def _when_new(effect: Callable[[S3], None], line: BucketLine) -> None:
    line.undo_decision()
    line.s3.at("GET .*/upload-", partial(effect, line.s3))
    line.become_new()


def _through_it(line: BucketLine) -> object:
    done = line.daily()
    left = line.s3.awaited, line.s3.refused, line.s3.cut, line.s3.unanswered
    assert left == ([], [], 0, 0), "it did not happen"
    assert sorted(path.name for path in line.stored.glob("history/*")) == ["00000001.json", "00000002.json"]
    return done


def _old_listing(prefix: str, line: BucketLine) -> None:
    line.s3.frozen[f"team/{LINE}/"] = listing(line.s3.root / "art", prefix)
    line.undo_decision()
    line.become_new()


def _well_listed(line: BucketLine) -> object:
    done = line.daily()
    line.s3.frozen.clear()
    return done


def _elsewhere(line: BucketLine) -> object:
    """The next run is another machine's; then the killed one comes back."""
    line.become_new()
    done = line.daily()
    line.become(WARM)
    line.daily()
    return done


def _killed(number: int, taken: bool, line: BucketLine) -> None:
    """The daily job of a process that is killed when its n-th write arrives, which is then done or not."""
    line.undo_decision()
    process = _machine(line, WARM)

    def kill() -> None:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        if not taken:
            line.s3.refused.append(503)

    line.s3.at("^(PUT|POST|DELETE) ", kill, number)
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
