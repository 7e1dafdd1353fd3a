"""bin/pbscheck PROGRAM...: may this client relay, because it has lately read mail? (SPEC section 11)

Asks the servers of control/pbsservers about $TCPREMOTEIP: a random one first, then after each silent second
the next in file order, so that it takes one second more than there are servers if all are silent. A yes sets
RELAYCLIENT, empty, and those of the variables that came with it that control/pbsenv names; then PROGRAM takes over.
With NOPBS in the environment nothing is asked and no control file is read. An IPv4 address mapped into IPv6 is
asked as IPv4; about other IPv6 addresses nobody is asked.

A packet that did not come from a server's address and port is not looked at: only what a server says counts. With
control/pbssecret the question has a nonce, and only an answer with the right MAC is one (packet.py).
Trouble with the network or an odd reply is no: PROGRAM decides without it. What the postmaster must mend is
told the client as `554 ... (#5.3.5)`, exit 1.

Runs before every connection: nothing is imported but what a socket and the control files need.
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

SILENCE = 1.0  # seconds to wait for a server


def main() -> int:
    """The program. Returns its exit code, if at all."""
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
    """`env` with what the servers have to say. Raises ControlError."""
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
    """What is asked, and what of a packet is an answer to it."""

    def __init__(self, address: bytes, secret: bytes) -> None:
        self._secret = secret
        self._nonce = posix.urandom(packet.NONCE) if secret else b""
        self.packet = packet.query(address, self._nonce)

    def answered_by(self, data: bytes) -> bytes | None:
        return packet.verified(data, self._secret, self._nonce) if self._secret else data


def ask(question: Question, servers: list[str], port: int) -> bytes | None:
    """The first answer of a server, None if all keep silent. Raises OSError."""
    first = servers[int.from_bytes(posix.urandom(4), "big") % len(servers)]
    wire = socket(AF_INET, SOCK_DGRAM)
    for server in (first, *servers):
        wire.sendto(question.packet, (server, port))
        answer = _heard(wire, question, servers, port)
        if answer is not None:
            return answer
    return None


def _heard(wire: socket, question: Question, servers: list[str], port: int) -> bytes | None:
    """An answer from one of the servers within SILENCE; theirs may be late."""
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
    # The first line of pbsenv that renames a variable counts. One that no line names is not taken: not LD_PRELOAD.
    renames = [(name, new, prefix) for name, new, prefix in variables if new != name or prefix]
    wanted = {name: (new, prefix) for name, new, prefix in (*variables, *reversed(renames))}
    for name, value in entries:
        if name in wanted:
            new, prefix = wanted[name]
            env[new] = prefix + value
    return env
