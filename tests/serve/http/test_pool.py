"""Room for so many questions; what has none, or is late, comes back later."""

import asyncio
import threading

import pytest

from mtmd.serve.http.intake import Refused
from mtmd.serve.http.pool import Pool


def test_work_that_began_keeps_its_room_and_work_that_waits_leaves_when_it_is_late() -> None:
    pool, began, go_on, ran = Pool(1, 1), threading.Event(), threading.Event(), []

    def wait() -> None:
        began.set()
        go_on.wait(60)

    async def story() -> None:
        await pool.run(lambda: None, 60)  # the thread is there
        first = asyncio.create_task(pool.run(wait, 0.5))
        assert await asyncio.to_thread(began.wait, 60)
        second = asyncio.create_task(pool.run(lambda: ran.append(2), 0.05))
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="2 questions are waiting"):
            await pool.run(lambda: ran.append(3), 1)
        for late in (second, first):
            with pytest.raises(Refused, match="no answer within"):
                await late
        assert pool.taken == 1
        go_on.set()
        assert await pool.run(lambda: "answer", 20) == "answer"

    try:
        asyncio.run(story())
    finally:
        go_on.set()
        pool.close()
    assert (pool.taken, ran) == (0, [])


def test_what_the_work_raises_is_raised() -> None:
    pool = Pool(1, 0)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(pool.run(lambda: 1 / 0, 1))
    pool.close()
    assert pool.taken == 0
