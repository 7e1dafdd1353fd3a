"""bin/pbscheck PROGRAM...: let a client relay that has lately read mail by POP (SPEC section 11).

Asks the servers in control/pbsservers about $TCPREMOTEIP: a random one first, then, after each SILENCE without an
answer, all of them in file order. If the answer is yes, RELAYCLIENT is set empty, and variables that came with the
answer are set if control/pbsenv names them. Then PROGRAM is executed. With NOPBS in the environment nothing is asked
and no control file is read. An IPv4-mapped IPv6 address is asked about as IPv4; other IPv6 addresses are not asked
about.

Packets from other addresses or ports than the servers' are ignored. With control/pbssecret the question has a nonce,
and only an answer with the right MAC counts (packet.py). Network errors and odd replies count as no. For errors that
the administrator has to correct the client gets `554 ... (#5.3.5)`, and the exit code is 1.

It runs before every session, so it imports only what a socket and the control files need.
"""

from __future__ import annotations

import posix
import sys
from _socket import AF_INET, SOCK_DGRAM, socket
from time import monotonic

from ..control.files import ControlError, reason
from . import packet, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..logs.log import Log

SILENCE = 1.0  # seconds to wait for an answer before the next server is asked


def main() -> int:
    """The program. Returns its exit code, unless PROGRAM takes its place."""
    log = settings.log_of(b"pbscheck")
    argv = sys.argv[1:]
    if not argv:
        return _refuse(b"no program to start", log)
    env = posix.environ
    if b"NOPBS" not in env:
        try:
            env = environment(env, log)
        except ControlError as error:
            return _refuse(b"pop before smtp is not set up", log, b": ", error.path, b": ", error.reason)
    return _refuse(b"unable to start the mail program", log, b": ", settings.execute(argv, env))


def _refuse(text: bytes, log: Log, *detail: bytes) -> int:
    log.line(b"fatal: ", text, *detail)
    try:
        posix.write(1, b"554 %b (#5.3.5)\r\n" % text)
    except OSError:
        pass
    return 1


def environment(env: dict[bytes, bytes], log: Log) -> dict[bytes, bytes]:
    """`env`, with what a server's answer adds to it. Raises ControlError."""
    control = settings.control_files()
    servers, port = settings.servers(control), settings.port(control)
    variables = settings.variables(control)
    address = settings.client_address(env)
    if address is None:
        log.line(b"not asked about an IPv6 client")
        return env
    try:
        answer = ask(Question(address, settings.secret_if_any(control, log)), servers, port)
    except OSError as error:
        log.line(b"cannot ask: ", reason(error))
        return env
    if answer is None:
        log.line(b"no response from any server")
        return env
    entries = packet.read_reply(answer, address)
    return env if entries is None else granted(env, entries, variables)


class Question:
    """The question about a client, and the test whether a packet answers it. `secret` b"": without nonce and MAC."""

    def __init__(self, address: bytes, secret: bytes) -> None:
        self._secret = secret
        self._nonce = posix.urandom(packet.NONCE) if secret else b""
        self.packet = packet.query(address, self._nonce)

    def answered_by(self, data: bytes) -> bytes | None:
        """The answer in a packet, without its MAC; None if it is no answer to this question."""
        return packet.verified(data, self._secret, self._nonce) if self._secret else data


def ask(question: Question, servers: list[str], port: int) -> bytes | None:
    """The first answer of a server, None if no server answers. Raises OSError."""
    first = servers[int.from_bytes(posix.urandom(4), "big") % len(servers)]
    wire = socket(AF_INET, SOCK_DGRAM)
    for server in (first, *servers):
        wire.sendto(question.packet, (server, port))
        answer = _heard(wire, question, servers, port)
        if answer is not None:
            return answer
    return None


def _heard(wire: socket, question: Question, servers: list[str], port: int) -> bytes | None:
    """An answer from any of the servers within SILENCE, also from one that was asked before."""
    end = monotonic() + SILENCE
    while (left := end - monotonic()) > 0:
        wire.settimeout(left)
        try:
            data, (host, sender_port) = wire.recvfrom(packet.LARGEST + packet.MAC)
        except TimeoutError:
            return None
        answer = question.answered_by(data) if host in servers and sender_port == port else None
        if answer is not None:
            return answer
    return None


def granted(
    env: dict[bytes, bytes], entries: list[tuple[bytes, bytes]], variables: list[tuple[bytes, bytes, bytes]]
) -> dict[bytes, bytes]:
    """`env` for a client that may relay."""
    env = {**env, b"RELAYCLIENT": b""}
    # Of several lines for one variable the first that renames it counts. A variable that no line names is ignored: a
    # server must not be able to set LD_PRELOAD.
    renames = [(name, new, prefix) for name, new, prefix in variables if new != name or prefix]
    wanted = {name: (new, prefix) for name, new, prefix in (*variables, *reversed(renames))}
    for name, value in entries:
        if name in wanted:
            new, prefix = wanted[name]
            env[new] = prefix + value
    return env
