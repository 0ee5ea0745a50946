"""Headless Chromium that trusts exactly the roots it is given, and tells what it makes of a URL.

Driven over the DevTools protocol on a pipe (`--remote-debugging-pipe`): no port is open, and Chromium ends when the
pipe does. NSS reads its database once, so another trust set is another browser; visits share nothing with each other.
"""

import asyncio
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ADVICE = (
    "Chromium and certutil are needed for the browser tests: "
    "apt-get install -y --no-install-recommends chromium libnss3-tools"
)
_FLAGS = (
    "--headless",
    "--no-sandbox",  # for root; the pages are ours
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP *.example 127.0.0.1,MAP *.example. 127.0.0.1",  # the tests' names; no resolver is asked
)
_START_WITHIN, _ANSWER_WITHIN, _END_WITHIN = 60.0, 30.0, 5.0  # seconds; a busy machine is slow to start it
_COMMANDS, _ANSWERS = 3, 4  # the file descriptors of --remote-debugging-pipe
_LOWEST_FREE = 10  # ours stay clear of those while they are moved there
_MOST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """What a visit came to.

    error: Chromium's own word, such as `ERR_CERT_DATE_INVALID` (net/base/net_error_list.h), "" if the page loaded.
    security: of the document that loaded, as the lock beside the address is drawn: `secure`, or less.
    """

    url: str
    error: str = ""
    security: str = ""

    @property
    def secure(self) -> bool:
        """The page is there, and is shown as secure."""
        return not self.error and self.security == "secure"


class Browser:
    """`async with Browser(roots) as browser: page = await browser.visit(url)`. Everything of it ends with it.

    roots: PEM certificates that Chromium takes for CAs of the user's; its own root store knows none of ours.
    intermediates: PEM certificates that it may build a path with, and does not trust by themselves.
    database: a folder with an NSS database made by somebody else, to be used instead; it is copied.
    home: its HOME, with the NSS database, while it runs. pid: the leader of its process group;
    crash handlers stand outside of that, and end with it.
    Raises RuntimeError with ADVICE on a machine without the programs, or with what certutil said of a root.
    """

    def __init__(
        self, roots: Iterable[bytes] = (), intermediates: Iterable[bytes] = (), *, database: Path | None = None
    ) -> None:
        self._roots, self._intermediates = tuple(roots), tuple(intermediates)
        self._database = database
        self.home = Path()
        self.pid = 0
        self._pipe: _Pipe | None = None

    async def __aenter__(self) -> Self:
        path = program()
        self.home = Path(tempfile.mkdtemp(prefix="browser-"))
        try:
            if self._database is not None:
                await asyncio.to_thread(shutil.copytree, self._database, self.home / ".pki" / "nssdb")
            else:
                await asyncio.to_thread(_make_database, self.home, self._roots, self._intermediates)
            await self._start(path)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._end()

    async def visit(self, url: str) -> Page:
        """Load an http or https URL as if for the first time: no cookie, cache, connection or TLS session is there."""
        pipe = self._speaking()
        context = (await pipe.ask("Target.createBrowserContext"))["browserContextId"]
        try:
            target = await pipe.ask("Target.createTarget", url="about:blank", browserContextId=context)
            attached = await pipe.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            return await self._navigate(attached["sessionId"], url)
        finally:
            await pipe.ask("Target.disposeBrowserContext", browserContextId=context)

    async def _navigate(self, session: str, url: str) -> Page:
        pipe = self._speaking()
        await pipe.ask("Network.enable", session)
        told = await pipe.ask("Page.navigate", session, url=url)
        if error := told.get("errorText", ""):
            return Page(url, error.removeprefix("net::"))
        return Page(url, security=await pipe.security_of_document(session))

    def _speaking(self) -> "_Pipe":
        assert self._pipe is not None, "the browser is not running"
        return self._pipe

    async def _start(self, path: str) -> None:
        self._pipe = await _Pipe.over(*self._spawn(path))
        try:
            await self._pipe.ask("Browser.getVersion", within=_START_WITHIN)
        except (TimeoutError, ConnectionError):
            said = (self.home / "chromium.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"Chromium does not start: {said}") from None

    def _spawn(self, path: str) -> tuple[int, int]:
        """Start it as the leader of a process group. (where its answers are read, where commands are written)."""
        commands, answers = os.pipe(), os.pipe()
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _LOWEST_FREE) for end in (commands[0], answers[1])]
        log = os.open(self.home / "chromium.log", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            self.pid = os.posix_spawn(
                path,
                [path, *_FLAGS, f"--user-data-dir={self.home / 'profile'}", "about:blank"],
                {"PATH": os.environ["PATH"], "HOME": str(self.home), "TMPDIR": str(self.home), "LANG": "C.UTF-8"},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    (os.POSIX_SPAWN_DUP2, theirs[0], _COMMANDS),
                    (os.POSIX_SPAWN_DUP2, theirs[1], _ANSWERS),
                ],
                setpgroup=0,
            )
        finally:
            for end in (*theirs, commands[0], answers[1], log):
                os.close(end)
        return answers[0], commands[1]

    async def _end(self) -> None:
        """Ask it to go, wait, then end its process group; nothing of it stays, on disk neither."""
        if self._pipe is not None:
            with suppress(TimeoutError, ConnectionError):
                await self._pipe.ask("Browser.close", within=_END_WITHIN)
            self._pipe.close()
        if self.pid:
            await asyncio.to_thread(_reap, self.pid)
        shutil.rmtree(self.home, ignore_errors=True)


class _Pipe:
    """The DevTools protocol: JSON texts, each ended by a NUL. One task reads; whoever asked is answered by number."""

    def __init__(
        self, reader: asyncio.StreamReader, answers: asyncio.ReadTransport, commands: asyncio.WriteTransport
    ) -> None:
        self._reader = reader
        self._answers = answers
        self._writer = commands
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._documents: dict[str, asyncio.Future[str]] = {}
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def over(cls, answers: int, commands: int) -> Self:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_MOST_BYTES)
        read, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(answers, "rb", 0)
        )
        write, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(commands, "wb", 0))
        return cls(reader, read, write)

    async def ask(self, method: str, session: str = "", within: float = _ANSWER_WITHIN, **given: Any) -> dict[str, Any]:
        """Raises TimeoutError, ConnectionError when the browser is gone, RuntimeError for a refused command."""
        if self._task.done():
            raise ConnectionError("the browser is gone")
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": given} | ({"sessionId": session} if session else {})
        self._writer.write(json.dumps(message).encode() + b"\0")
        try:
            async with asyncio.timeout(within):
                answer = await self._asked[number]
        finally:
            del self._asked[number]
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    async def security_of_document(self, session: str) -> str:
        """The securityState of the document that the session has loaded."""
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await self._document(session)

    def _document(self, session: str) -> "asyncio.Future[str]":
        return self._documents.setdefault(session, asyncio.get_running_loop().create_future())

    async def _read(self) -> None:
        try:
            while True:
                self._take(json.loads((await self._reader.readuntil(b"\0"))[:-1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            for waiting in self._asked.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError("the browser is gone"))

    def _take(self, message: dict[str, Any]) -> None:
        if (waiting := self._asked.get(message.get("id", 0))) is not None:
            if not waiting.done():
                waiting.set_result(message)
        elif message.get("method") == "Network.responseReceived" and message["params"]["type"] == "Document":
            document = self._document(message["sessionId"])
            if not document.done():
                document.set_result(message["params"]["response"]["securityState"])

    def close(self) -> None:
        self._task.cancel()
        self._answers.close()
        self._writer.close()


def program() -> str:
    """The path of Chromium. Raises RuntimeError with ADVICE."""
    found = shutil.which("chromium")
    if found is None or shutil.which("certutil") is None:
        raise RuntimeError(ADVICE)
    return found


def _make_database(home: Path, roots: tuple[bytes, ...], intermediates: tuple[bytes, ...]) -> None:
    """`~/.pki/nssdb` as Chromium on Linux reads it: each root trusted for TLS servers (`C,,`), and nothing else."""
    folder = home / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    _certutil(folder, "-N", "--empty-password")
    for number, pem in enumerate(roots):
        _certutil(folder, "-A", "-n", f"root {number}", "-t", "C,,", "-a", given=pem)
    for number, pem in enumerate(intermediates):
        _certutil(folder, "-A", "-n", f"intermediate {number}", "-t", ",,", "-a", given=pem)


def _certutil(folder: Path, *arguments: str, given: bytes = b"") -> None:
    done = subprocess.run(
        ["certutil", "-d", f"sql:{folder}", *arguments], input=given, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"certutil {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")


def _reap(pid: int) -> None:
    """Wait for the browser's own end, then end what is left of the process group that it leads, and take note of it.

    It is not waited for before that, or its number could be somebody else's by then.
    """
    ended = os.pidfd_open(pid)
    try:
        select.select([ended], [], [], _END_WITHIN)
    finally:
        os.close(ended)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
