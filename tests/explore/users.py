"""People who use the explorer without a browser: real websockets that speak just enough of Bokeh's protocol.

A user loads the page, keeps its cookies, opens the websocket with the page's token, asks for the document and says that
it is ready. Then they scrub: they ask for a level as browser.js does, and only once the last one is answered.
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psutil
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

PATIENCE = 240  # s
READY = {
    "kind": "MessageSent",
    "msg_type": "bokeh_event",
    "msg_data": {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}},
}


def run(coroutine):
    """Run a coroutine in a thread of its own: the browser tests leave an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


class User:
    """One session at `address`, http://host:port/app[?query]."""

    def __init__(self, address):
        self.address = address
        self._answered = asyncio.Event()
        self.received = 0

    async def open(self):
        """Load the page and open the session."""
        client = AsyncHTTPClient()
        page = await client.fetch(self.address, request_timeout=PATIENCE)
        token = re.search(r'"token":"([^"]+)"', page.body.decode())[1]
        cookies = "; ".join(line.split(";")[0] for line in page.headers.get_list("Set-Cookie"))
        origin = re.match(r"(http://[^/]+)", self.address)[1]
        request = HTTPRequest(
            f"ws{origin[4:]}/app/ws", headers={"Cookie": cookies, "Origin": origin}, connect_timeout=PATIENCE
        )
        self._socket = await websocket_connect(request, subprotocols=["bokeh", token], max_message_size=2**28)
        loop = asyncio.get_running_loop()
        self._welcome, self._document = loop.create_future(), loop.create_future()
        self._reader = asyncio.ensure_future(self._read())
        await asyncio.wait_for(self._welcome, PATIENCE)
        await self._send("PULL-DOC-REQ", {})
        await asyncio.wait_for(self._document, PATIENCE)
        await self._patch(READY)

    async def _send(self, kind, content):
        for part in ({"msgid": os.urandom(8).hex(), "msgtype": kind}, {}, content):
            await self._socket.write_message(json.dumps(part))

    async def _patch(self, event):
        await self._send("PATCH-DOC", {"events": [event]})

    async def _frame(self):
        frame = await self._socket.read_message()
        if frame is None:
            raise WebSocketClosedError
        self.received += len(frame)
        return frame

    async def _read(self):
        """Take messages apart until the end: header, metadata, content, then its buffers in pairs of frames."""
        with suppress(WebSocketClosedError):
            while True:
                header, _, content = [await self._frame() for _ in range(3)]
                header = json.loads(header)
                for _ in range(2 * header.get("num_buffers", 0)):
                    await self._frame()
                self._take(header["msgtype"], content)

    def _take(self, kind, content):
        if kind == "ACK":
            self._welcome.set_result(None)
        elif kind == "PULL-DOC-REPLY":
            self._scrub = re.search(r'"name":\s*"[^"]*Scrub",\s*"id":\s*"(p\d+)"', content)[1]
            self._document.set_result(None)
        elif kind == "PATCH-DOC":
            for event in json.loads(content)["events"]:
                if event.get("attr") == "answered" and event["model"]["id"] == self._scrub:
                    self.answered = event["new"]
                    self._answered.set()

    async def settle(self, level):
        """Ask for a level and wait for the answer; the time that took (s)."""
        self._answered.clear()
        began = time.perf_counter()
        await self._patch({"kind": "ModelChanged", "model": {"id": self._scrub}, "attr": "settled", "new": level})
        await asyncio.wait_for(self._answered.wait(), PATIENCE)
        return time.perf_counter() - began

    async def close(self):
        """Leave without a word, as a closed tab does."""
        self._socket.close()
        await self._reader


@contextmanager
def served(*arguments, prepare="pass"):
    """`glassviz serve` with some arguments on a free port, after a Python statement; yields (address, process)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = f"from glassviz.cli import main; from glassviz.explore import server; {prepare}; main()"
    command = [sys.executable, "-c", start, "serve", "--port", str(port), "--address", "127.0.0.1", *arguments]
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/app"
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(address, timeout=PATIENCE).close()
                break
            except OSError:
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.3)
        yield address, process
    finally:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
        process.wait(60)


def memory(process):
    """Memory of a process and all it has started (bytes): unique to them, plus what they share once."""
    everyone = [process, *process.children(recursive=True)]
    return sum(one.memory_full_info().uss for one in everyone)
