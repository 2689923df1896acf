"""HTTP/1.1 with limits on slow clients: uvicorn's own waits for ever for a request's head, and for a reader."""

import asyncio
import fcntl
import sys
import termios
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientProtocol(H11Protocol):
    """Answers 408, and closes, when a request's head is not complete in time.

    A connection is ended, too, if its client takes no byte of an answer for as long. The time of a head counts from the
    opening of the connection, and later from the first byte of each head: what is idle between requests is uvicorn's to
    close.
    """

    head_timeout_s: ClassVar[float] = 5.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None  # at whether an answer is read
        self._unread = 0  # bytes of it that the client did not take yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # whatever the kernel does not take pauses
        self._set()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._set()
        else:
            self._unset()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self._not_taken()
        self._look = self.loop.call_later(self.head_timeout_s, self._look_at_reader)

    def resume_writing(self) -> None:
        self._look_no_more()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset()
        self._look_no_more()
        super().connection_lost(exc)

    def _set(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _unset(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look_at_reader(self) -> None:
        before, self._unread = self._unread, self._not_taken()
        if self._unread >= before:
            self.transport.abort()
        else:
            self._look = self.loop.call_later(self.head_timeout_s, self._look_at_reader)

    def _not_taken(self) -> int:
        """Bytes of the answer that the client's machine did not acknowledge: ours, and those that the kernel holds."""
        held = bytes(4)
        # The kernel takes none of ours before a third of what it holds is gone, which lasts for a slow reader.
        with suppress(OSError):
            held = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, held)
        return self.transport.get_write_buffer_size() + int.from_bytes(held, sys.byteorder)

    def _look_no_more(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE:
            status = HTTPStatus.REQUEST_TIMEOUT
            headers = [("content-length", "0"), ("connection", "close")]
            answer = h11.Response(status_code=status, headers=headers, reason=status.phrase)
            self.transport.write(self.conn.send(answer) or b"")
        self.transport.close()


def patient_for(seconds: float) -> type[PatientProtocol]:
    """The protocol with this limit: uvicorn makes one for each connection, and passes nothing of ours."""
    return type("Patient", (PatientProtocol,), {"head_timeout_s": seconds})
