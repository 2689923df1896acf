"""Batches on the way to the device that trains: gathered ahead and pinned where that is a GPU.

On a CPU batches are taken as they come: gathering ahead would take a core from torch.
"""

from collections.abc import Callable, Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread

import torch

from mtmd.model.batch import Batch

AHEAD = 2  # batches that wait
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
    waiting: Queue[Batch | BaseException | None] = Queue(AHEAD)
    unwanted = Event()

    def offer(one: Batch | BaseException | None) -> None:
        while not unwanted.is_set():
            try:
                return waiting.put(one, timeout=_LOOK_S)
            except Full:
                continue

    def make() -> None:
        try:
            for batch in batches:
                offer(prepare(batch))
                if unwanted.is_set():
                    return
            offer(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the batches are wanted
            offer(error)

    thread = Thread(target=make, name="batches", daemon=True)
    thread.start()
    try:
        while (one := waiting.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        unwanted.set()
        thread.join()
