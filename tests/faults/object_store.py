"""A bucket that fails, is slow, loses answers, lists what was, or holds objects that were damaged.

Artifacts, and in the last faults logs, are in the tests' small S3 (tests/buckets.py), which stands between the run and
its objects as a proxy would. What two machines and killed processes do to a bucket is in `store_processes.py`.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial

from mtmd.extras.bucket.outputs import COMPLETE
from tests.buckets import S3, listing
from tests.faults import store_processes
from tests.faults.bucket_line import URL, BucketLine
from tests.faults.fault import Fault, Outcome
from tests.faults.store_processes import GROUP, NEW, Job, fault
from tests.faults.stored import WAYS
from tests.flows.runs import LINE, NEXT

__all__ = ["GROUP", "faults"]

Effect = Callable[[S3], object]
_FOR_GOOD = 100_000  # requests
_SHORT_S = 0.4
_STORM = 10


def faults() -> Iterator[Fault]:
    """Requests that fail; objects that are damaged or lost; listings and e-tags that are old; logs; processes."""
    yield from _passing()
    yield from _lasting()
    yield from _damaged()
    yield from _out_of_date()
    yield from _of_logs()
    yield from store_processes.faults()


def _answer(status: int, requests: int) -> Effect:
    return lambda s3: s3.refused.extend([status] * requests)


def _next(name: str, requests: int = 1) -> Effect:
    """So many of the next requests that it can happen to."""
    return lambda s3: setattr(s3, name, requests)


def _slow(_: S3) -> None:
    time.sleep(3 * _SHORT_S)


_MODEL = f"PUT .*/models/{NEW}-"
_PASSING: tuple[tuple[str, str, Effect], ...] = (
    ("503 to 12 requests while a model goes up", _MODEL, _answer(503, 12)),
    ("an answer later than the timeout, to a file of a model", _MODEL, _slow),
    ("an answer later than the timeout, to the champion's pointer", "PUT .*/champion.json", _slow),
    ("an upload of a model cut in the middle", _MODEL, _next("torn", 3)),
    ("the answer lost to a file of a model, which was written", _MODEL, _next("unanswered")),
    *(
        (f"the answer lost to {what}, which was written", words, _next("unanswered"))
        for what, words in {
            "a model's complete.json": f"{_MODEL}.*/complete.json",
            "the champion's pointer": "PUT .*/champion.json",
            "an entry of the history": "PUT .*/history/00000002.json",
            "the pointer of the ads": f"PUT .*/ads/{NEW}-.*/current.json",
            "a run's summary": "PUT .*/runs/.*/summary.json",
        }.items()
    ),
)
_ON_A_NEW_MACHINE: tuple[tuple[str, str, Effect], ...] = (
    ("a download cut in the middle", "GET .*/upload-", _next("cut", 3)),
    ("503 to 12 downloads", "GET .*/upload-", _answer(503, 12)),
)


def _passing() -> Iterator[Fault]:
    """What a run waits out."""
    name = "503s, cut uploads and lost answers in turn, at every third write of the last stages"
    yield fault(name, "repeated", _storm, _through_it, quick=True)
    for name, words, effect in _PASSING:
        yield fault(name, "repeated", partial(_once, words, effect), _through_it)
    for name, words, effect in _ON_A_NEW_MACHINE:
        yield fault(
            f"{name}, on a new machine", "repeated", partial(_once_when_new, words, effect), _through_it
        )


def _once(words: str, effect: Effect, line: BucketLine) -> None:
    line.undo_decision()
    line.patience(_SHORT_S if effect is _slow else 30.0)
    line.s3.at(words, lambda: effect(line.s3))


def _once_when_new(words: str, effect: Effect, line: BucketLine) -> None:
    line.become_new()
    line.s3.at(words, lambda: effect(line.s3))


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


def _lasting() -> Iterator[Fault]:
    """What ends a run with an error; afterwards the store is well again."""
    while_up = {
        "503 to every request": (_answer(503, _FOR_GOOD), r"can't be written .*503.*see that the bucket"),
        "no access any more": (_answer(403, _FOR_GOOD), r"can't be written .*access is denied: give this"),
        "no answer in time any more": (_slow_for_good, r"can't be written .*time.*see that the bucket"),
    }
    for name, (effect, words) in while_up.items():
        strike = partial(_from_now_on, _MODEL, effect)
        yield fault(
            f"{name}, from a model's upload on", "refused", strike, words=f"{URL}/{LINE}/models/.*{words}"
        )
    words = f"{URL}/{LINE}.* can't be read .*"
    denied = partial(_from_now_on, "GET", _answer(403, _FOR_GOOD))
    yield fault("no access to the artifacts", "refused", denied, words=f"{words}access is denied")
    words = f"{URL}/{LINE}.* can't be read: the bucket s3://art does not exist"
    yield fault("no bucket of the artifacts", "refused", partial(_without, "art"), words=words)


def _slow_for_good(s3: S3) -> None:
    s3.slow_s = 3 * _SHORT_S


def _from_now_on(words: str, effect: Effect, line: BucketLine) -> None:
    line.undo_decision()
    line.patience(_SHORT_S if effect is _slow_for_good else 30.0)
    line.s3.at(words, lambda: effect(line.s3))

    def well() -> None:
        line.s3.refused, line.s3.slow_s = [], 0.0

    line.causes.append(well)


def _without(bucket: str, line: BucketLine) -> None:
    place, aside = line.s3.root / bucket, line.s3.root / "aside"
    place.rename(aside)
    line.causes.append(lambda: aside.rename(place))


_OUTPUTS = {  # a pattern of the newest day's output, and its largest kind of file
    "the live model": (f"models/{NEW}-*", "query_search.onnx"),
    "the live model's ads": (f"ads/{NEW}-*/*", "shopping.arrow"),
    "the held-out day's shard": (f"shards/date={NEXT}/*", "candidates.arrow"),
    "MTMD's training": ("trained/mtmd-*", "weights.safetensors"),
    "an evaluation": ("evaluations/*", "report.json"),
}
_WAYS = ("a bit flipped", "cut in half", "gone")
_POINTERS = {
    "the champion's pointer": "champion.json",
    "the first entry of the history": "history/00000001.json",
    "the last entry of the history": "history/00000002.json",
    "the pointer of the ads": f"ads/{NEW}-*/current.json",
}
_RECORDS = {
    "the held-out day's validation": f"validation/date={NEXT}/[0-9a-f]*.json",
    "the latest validation": f"validation/as_of={NEXT}.json",
    "a run's summary": f"runs/{NEXT}-*/summary.json",
    "the line's index": "index.json",
}


def _damaged() -> Iterator[Fault]:
    """Objects of outputs are refused by their digests, and the error says what to remove; pointers and records heal."""
    for what, (pattern, name) in _OUTPUTS.items():
        remedy = f"remove {URL}/{LINE}/.* in the bucket, and run again"
        words = f"{URL}/{LINE}/.*{name} (has sha256 .*|is missing); .*{COMPLETE} says .*: {remedy}"
        for way in _WAYS:
            strike = partial(_damage_output, pattern, f"upload-*/{name}", way)
            yield fault(f"a file of {what}: {way}; a new machine", "refused", strike, words=words)
        half, gone = (partial(_damage_output, pattern, COMPLETE, way) for way in ("cut in half", "gone"))
        words = f"{COMPLETE} can't be read .*; {remedy}"
        yield fault(f"{COMPLETE} of {what}: cut in half; a new machine", "refused", half, words=words)
        yield fault(f"{COMPLETE} of {what}: gone; a new machine", "healed", gone)
        if "live model" in what:
            strike = partial(_removed, pattern)
            yield fault(f"{what} removed from the bucket; a machine that has it", "healed", strike)
    for what, pattern in (_POINTERS | _RECORDS).items():
        outcome: Outcome = "healed" if what in _POINTERS else "harmless"
        for way in (*_WAYS, "empty"):
            strike = partial(_damage, pattern, way)
            yield fault(f"{what}: {way}", outcome, strike)
            yield fault(f"{what}: {way}; a new machine", outcome, partial(_then_new, strike))


def _damage_output(pattern: str, name: str, way: str, line: BucketLine) -> None:
    """What the error says is what mends it: to remove the output."""
    output = line.new(pattern)
    (path,) = output.glob(name)
    WAYS[way](path)
    line.causes.append(lambda: shutil.rmtree(output))
    line.become_new()


def _removed(pattern: str, line: BucketLine) -> None:
    shutil.rmtree(line.new(pattern))


def _damage(pattern: str, way: str, line: BucketLine) -> None:
    WAYS[way](line.one(pattern))


def _then_new(strike: Job, line: BucketLine) -> None:
    strike(line)
    line.become_new()


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


_LOG = f"team/ads/date={NEXT}/"


def _of_logs() -> Iterator[Fault]:
    """Logs in a bucket, which a machine fetches and remembers."""
    table: tuple[tuple[str, Outcome, Job, str], ...] = (
        ("a download of logs cut in the middle", "repeated", partial(_fetching, _next("cut", 3)), ""),
        ("503 to 12 downloads of logs", "repeated", partial(_fetching, _answer(503, 12)), ""),
        ("logs written again while they are fetched", "repeated", partial(_fetching, _next("era")), ""),
        (
            "no access to the logs",
            "refused",
            partial(_fetching, _answer(403, _FOR_GOOD)),
            "s3://logs/.*access is denied",
        ),
        (
            "no bucket of the logs",
            "refused",
            _without_logs,
            "s3://logs/team.* can't be read: the bucket s3://logs does not exist",
        ),
        ("a listing of files that were rewritten", "refused", _listing_before, "are not as they are listed"),
    )
    for name, outcome, strike, words in table:
        then = _through_it if outcome == "repeated" else BucketLine.daily
        yield fault(name, outcome, strike, then, words)


def _fetching(effect: Effect, line: BucketLine) -> None:
    line.upload_logs()
    line.s3.at("GET .*/logs/team/ads/", lambda: effect(line.s3))
    line.causes.append(line.s3.refused.clear)


def _without_logs(line: BucketLine) -> None:
    line.upload_logs()
    _without("logs", line)


def _listing_before(line: BucketLine) -> None:
    """The same rows in a longer file, so that the results are the same once the listing is well again."""
    line.upload_logs()
    (path,) = (line.s3.root / "logs" / _LOG).glob("*.parquet")
    line.s3.frozen[_LOG] = listing(line.s3.root / "logs", _LOG)
    content = path.read_bytes()
    path.write_bytes(content + b" ")

    def well() -> None:
        path.write_bytes(content)
        line.s3.frozen.clear()

    line.causes.append(well)
