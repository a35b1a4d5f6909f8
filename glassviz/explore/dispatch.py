"""One port for several server processes: every browser stays with the process that has its sessions.

A session lives in one process, and its page and its websocket arrive on different connections. So each connection is
led, byte by byte, to the process that a cookie names; a browser without the cookie is given the next process and the
cookie with the first answer.
"""

import asyncio
import re
import signal
import socket
from contextlib import suppress

COOKIE = "glassviz-process"
HEAD = 64 * 1024  # bytes of a request's head at most
CHUNK = 256 * 1024
WATCH = 1.0  # s between two looks at the processes
PATIENCE = 300.0  # s a process may take to start
_NAMED = re.compile(rb"^cookie:.*\b" + COOKIE.encode() + rb"=(\d+)", re.IGNORECASE | re.MULTILINE)


def dispatch(port, address, starts, listening):
    """Serve several processes behind one port until interrupted or terminated; one that dies is started anew.

    Parameters
    ----------
    port, address
        Where to listen.
    starts : sequence of callable
        Called with a free port of the loopback interface; returns a process, not started, that serves there.
    listening : callable
        Called once the port is taken.
    """

    async def run():
        serving = asyncio.current_task()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
        await _Dispatcher(starts).run(port, address, listening)

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(run())


def free_port():
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def named(head):
    """The number of the process that the cookie in a request's head (bytes) names; None without one."""
    found = _NAMED.search(head)
    return int(found[1]) if found else None


def with_cookie(head, number):
    """The head of an answer (bytes) with the cookie that names a process."""
    status, rest = head.split(b"\r\n", 1)
    return status + f"\r\nSet-Cookie: {COOKIE}={number}; Path=/; HttpOnly; SameSite=Lax\r\n".encode() + rest


class _Dispatcher:
    def __init__(self, starts):
        self._starts = starts
        self._ports, self._processes = [None] * len(starts), [None] * len(starts)
        self._next = 0
        self._connections = set()  # the event loop alone would not keep them

    async def run(self, port, address, listening):
        server = await asyncio.start_server(self._connect, address, port, limit=HEAD)
        listening()
        try:
            async with server:
                while True:
                    for number, process in enumerate(self._processes):
                        if process is None or not process.is_alive():
                            self._start(number)
                    await asyncio.sleep(WATCH)
        finally:
            for process in filter(None, self._processes):
                process.terminate()

    def _start(self, number):
        self._ports[number] = free_port()
        self._processes[number] = self._starts[number](self._ports[number])
        self._processes[number].start()

    async def _connect(self, reader, writer):
        """Lead one connection to its process, both ways, until either side is done."""
        connection = asyncio.current_task()
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        onward = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            number = named(head)
            known = number is not None and number < len(self._ports)
            if not known:
                number, self._next = self._next, (self._next + 1) % len(self._ports)
            backward, onward = await self._open(number)
            onward.write(head)
            there = asyncio.ensure_future(_copy(reader, onward))
            if not known:
                writer.write(with_cookie(await backward.readuntil(b"\r\n\r\n"), number))
            await _copy(backward, writer)
            there.cancel()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the browser or the process has gone
        finally:
            for end in (writer, onward):
                if end is not None:
                    end.close()

    async def _open(self, number):
        """A connection to a process, as soon as it listens."""
        end = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", self._ports[number], limit=HEAD)
            except OSError:
                if asyncio.get_running_loop().time() > end:
                    raise
                await asyncio.sleep(0.1)


async def _copy(reader, writer):
    """Copy what arrives until there is no more, no faster than it is taken."""
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
