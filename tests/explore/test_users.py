"""Several people at one server, without a browser: answers, memory, hostile requests."""

import asyncio
import gc
import json
import re
import socket
import urllib.error
import urllib.request
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import urlencode, urljoin

import psutil
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from glassviz.explore import dispatch

_spec = spec_from_file_location("users", Path(__file__).with_name("users.py"))
_module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
PATIENCE, User, memory, run, served = (getattr(_module, n) for n in ("PATIENCE", "User", "memory", "run", "served"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FORGETFUL = "server.FORGET = 5_000; server.CHECK = 500"  # ms
LEAK_SESSIONS = 50
MARGIN = 1.5e6  # bytes a session may leave behind


@pytest.fixture(scope="module")
def server(library):
    """Two processes behind one port."""
    with served("--processes", "2") as (address, process):
        yield address, process


def status(address, **headers):
    """Status of an answer to a request."""
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=PATIENCE).status
    except urllib.error.HTTPError as error:
        return error.code


def test_cookies_name_processes():
    assert dispatch.named(b"GET /app HTTP/1.1\r\nHost: a\r\nCookie: x=1; glassviz-process=3\r\n\r\n") == 3
    assert dispatch.named(b"GET /app HTTP/1.1\r\nHost: a\r\nX: glassviz-process=3\r\n\r\n") is None
    assert dispatch.named(b"GET /app HTTP/1.1\r\nCookie: glassviz-process=x\r\n\r\n") is None
    head = dispatch.with_cookie(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", 2)
    assert head.startswith(b"HTTP/1.1 200 OK\r\nSet-Cookie: glassviz-process=2;")
    assert head.endswith(b"\r\nA: b\r\n\r\n")


def test_who_has_said_all_is_answered_still():
    """A connection whose request has ended hangs by nothing but the dispatcher while a slow process thinks."""

    class Process:
        """A process that is a server of this event loop; answers once the garbage has been collected."""

        def __init__(self, port):
            self.port = port

        def start(self):
            self.server = asyncio.ensure_future(asyncio.start_server(self.answer, "127.0.0.1", self.port))

        async def answer(self, reader, writer):
            held.append((reader, writer))
            await reader.read()
            gc.collect()
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nthought")
            writer.close()

        def is_alive(self):
            return True

        def terminate(self):
            pass

    held = []

    async def ask():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        serving = asyncio.ensure_future(dispatch._Dispatcher([Process]).run(port, "127.0.0.1", lambda: None))
        await asyncio.sleep(0.5)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /app HTTP/1.1\r\n\r\n")
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 20)
        serving.cancel()
        return answer

    assert run(ask()).endswith(b"thought")


def test_users_of_several_processes_are_answered(server):
    address, _ = server

    async def meet():
        users = [User(address) for _ in range(3)]
        for user in users:
            await user.open()
        for level in (0.3, 0.61, 0.9):
            await asyncio.gather(*(user.settle(level) for user in users))
            assert [user.answered for user in users] == [level] * 3
        for user in users:
            await user.close()

    run(meet())


def test_a_server_that_is_told_to_end_takes_its_processes_along(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with served("--processes", "2") as (_, process):
        everyone = [process, *process.children(recursive=True)]
        process.terminate()
        assert process.wait(60) == 0
        _, left = psutil.wait_procs(everyone, timeout=30)
        assert not left
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "query",
    ["?T=nan", "?T=1e999", "?C=%00", "?sample=../../etc/passwd", "?particles=" + "1." * 5000, "?%ff=%ff", "?T[]=0.2"],
)
def test_garbage_in_the_address_leaves_the_server_alone(server, query):
    address, _ = server
    assert status(address + query) in (200, 400)
    assert status(address) == 200


def test_hostile_requests_leave_the_server_alone(server):
    address, process = server
    root = address.removesuffix("/app")
    assert status(f"{root}/../../etc/passwd") == 404
    assert status(address, Cookie="glassviz-process=99999999999999999999") == 200
    assert status(address, Cookie="x=" + "y" * 20_000) in (200, 400, 431)
    run(_flood(root))
    assert status(address) == 200
    assert process.is_running()


async def _flood(root):
    """Connections that send no request, a head without an end, and nonsense."""
    host, port = root.removeprefix("http://").split(":")
    for data in (b"", b"GET /app HTTP/1.1\r\nX: " + b"y" * 200_000, bytes(range(256)) * 10 + b"\r\n\r\n"):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        writer.close()


def test_other_peoples_pages_may_not_open_a_websocket(server):
    address, _ = server
    request = HTTPRequest(f"ws{address[4:]}/ws", headers={"Origin": "http://elsewhere.example"})

    async def intrude():
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(request, subprotocols=["bokeh", "x"])
        return refused.value.code

    assert run(intrude()) == 403


@pytest.mark.parametrize("known", ["of all", "of each"])
def test_a_password_is_asked_for(library, tmp_path, known):
    """Who gives the right one comes to the page, and they alone."""
    people = tmp_path / "people.json"
    people.write_text(json.dumps({"ada": "lovelace", "charles": "babbage"}))
    wrong = [("ada", "hopper"), ("ada", "")] + [("ada", "babbage"), ("grace", "lovelace")] * (known == "of each")
    with served("--basic-auth", "lovelace" if known == "of all" else str(people)) as (address, _):
        for (name, password), let_in in [*((one, False) for one in wrong), (("ada", "lovelace"), True)]:
            visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            asked = visitor.open(address, timeout=PATIENCE)
            assert asked.url.startswith(address.removesuffix("app") + "login")
            action = re.search(r'action="([^"]+)"', asked.read().decode())[1]
            form = urlencode({"username": name, "password": password}).encode()
            answer = visitor.open(urljoin(asked.url, action), form, timeout=PATIENCE)
            assert (answer.url == address, b'"token":' in answer.read()) == (let_in, let_in)
            assert let_in or ("error=Invalid" in answer.url and "login" in visitor.open(address, timeout=PATIENCE).url)
        assert "login" in urllib.request.urlopen(address, timeout=PATIENCE).url


def test_sessions_give_their_memory_back(library):
    with served(prepare=FORGETFUL) as (address, process):

        async def come_and_go(number):
            for _ in range(number):
                user = User(address)
                await user.open()
                await user.settle(0.6)
                await user.close()
            await asyncio.sleep(8)  # until the server has forgotten them

        run(come_and_go(10))
        before = memory(process)
        run(come_and_go(LEAK_SESSIONS))
        left = (memory(process) - before) / LEAK_SESSIONS
        print(f"\n{LEAK_SESSIONS} sessions left {left / 1e6:.2f} MB each")
        assert left < MARGIN
