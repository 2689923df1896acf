"""A bucket that fails, loses answers, or lists what was.

Artifacts are in the tests' small S3 (tests/buckets.py), which stands between the run and its objects as a proxy would.
What two machines and killed processes do to a bucket is in `store_processes.py`; single requests, damaged objects, logs
in a bucket and a bucket that is not there are in tests/extras/bucket.
"""

from collections.abc import Callable, Iterator
from functools import partial

from tests.buckets import S3, listing
from tests.faults import store_processes
from tests.faults.bucket_line import BucketLine
from tests.faults.line import Fault
from tests.faults.store_processes import GROUP, NEW, Job, fault
from tests.flows.runs import LINE

__all__ = ["GROUP", "faults"]

Effect = Callable[[S3], object]
_STORM = 10


def faults() -> Iterator[Fault]:
    """Requests that fail; listings that are old; processes."""
    yield from _passing()
    yield from _out_of_date()
    yield from store_processes.faults()


def _answer(status: int, requests: int) -> Effect:
    return lambda s3: s3.refused.extend([status] * requests)


def _next(name: str, requests: int = 1) -> Effect:
    """So many of the next requests that it can happen to."""
    return lambda s3: setattr(s3, name, requests)


def _passing() -> Iterator[Fault]:
    """What a run waits out."""
    name = "503s, cut uploads and lost answers in turn, at every third write of the last stages"
    yield fault(name, "repeated", _storm, _through_it, quick=True)
    for what, words in {
        "a file of a model": f"PUT .*/models/{NEW}-",
        "a model's complete.json": f"PUT .*/models/{NEW}-.*/complete.json",
        "the champion's pointer": "PUT .*/champion.json",
        "an entry of the history": "PUT .*/history/00000002.json",
        "the pointer of the ads": f"PUT .*/ads/{NEW}-.*/current.json",
    }.items():
        strike = partial(_once, words, _next("unanswered"))
        yield fault(f"the answer lost to {what}, which was written", "repeated", strike, _through_it)
    for name, effect in (("a download cut in the middle", _next("cut", 2)), ("503s", _answer(503, 12))):
        strike = partial(_once, "GET .*/upload-", effect)
        yield fault(f"{name}, on a new machine", "repeated", partial(_when_new, strike), _through_it)


def _once(words: str, effect: Effect, line: BucketLine) -> None:
    line.undo_decision()
    line.s3.at(words, lambda: effect(line.s3))


def _when_new(strike: Job, line: BucketLine) -> None:
    strike(line)
    line.become_new()


def _through_it(line: BucketLine) -> object:
    done = line.daily()
    left = line.s3.awaited, line.s3.refused, line.s3.torn, line.s3.cut, line.s3.unanswered
    assert left == ([], [], 0, 0, 0), "it did not happen"
    assert sorted(path.name for path in line.stored.glob("history/*")) == ["00000001.json", "00000002.json"]
    return done


def _storm(line: BucketLine) -> None:
    line.undo_decision()
    effects = [_answer(503, 1), _next("torn"), _next("unanswered")]
    for number in range(_STORM):
        effect = effects[number % len(effects)]
        line.s3.at("^PUT ", partial(effect, line.s3), nth=3 * number + 1)


def _out_of_date() -> Iterator[Fault]:
    """Listings that are old decide nothing."""
    for name, prefix in (
        ("listings of what is no longer there", f"team/{LINE}/"),
        ("empty listings", "nothing/"),
    ):
        strike = partial(_old_listing, prefix)
        yield fault(f"{name}; a new machine", "harmless", strike, _well_listed)


def _old_listing(prefix: str, line: BucketLine) -> None:
    line.s3.frozen[f"team/{LINE}/"] = listing(line.s3.root / "art", prefix)
    line.undo_decision()
    line.become_new()


def _well_listed(line: BucketLine) -> object:
    done = line.daily()
    line.s3.frozen.clear()
    return done
