"""Batches on the way to the device that trains: gathered ahead and pinned where that is a GPU.

On a CPU batches are taken as they come: gathering ahead would take a core from torch.
"""

from collections.abc import Callable, Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread

import torch

from mtmd.model.batch import Batch

AHEAD = 2  # batches that wait
Waiting = Queue[Batch | BaseException | None]  # None at the end
_LOOK_S = 0.1  # how often a thread that waits looks whether it is still wanted


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches in their order, on a device."""
    if device.type == "cpu":
        yield from batches
        return
    for batch in ahead(batches, lambda batch: batch.map(torch.Tensor.pin_memory)):
        yield batch.to(device)


def ahead(batches: Iterable[Batch], prepare: Callable[[Batch], Batch]) -> Iterator[Batch]:
    """The prepared batches in their order, up to AHEAD of them made by a thread while the caller has an earlier one.

    What the thread raises is raised here. The thread ends with the caller's loop, however that ends.
    """
    waiting, unwanted = Waiting(AHEAD), Event()
    thread = Thread(target=_make, args=(batches, prepare, waiting, unwanted), name="batches", daemon=True)
    thread.start()
    try:
        while (one := waiting.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        unwanted.set()
        thread.join()


def _make(
    batches: Iterable[Batch], prepare: Callable[[Batch], Batch], waiting: Waiting, unwanted: Event
) -> None:
    try:
        for batch in batches:
            if not _offer(prepare(batch), waiting, unwanted):
                return
        _offer(None, waiting, unwanted)
    except BaseException as error:  # noqa: BLE001 - raised again where the batches are wanted
        _offer(error, waiting, unwanted)


def _offer(one: Batch | BaseException | None, waiting: Waiting, unwanted: Event) -> bool:
    """Wait until there is room for it; False where it is not wanted any more."""
    while not unwanted.is_set():
        try:
            waiting.put(one, timeout=_LOOK_S)
        except Full:
            continue
        return True
    return False
