"""The client's addresses, taken from the socket itself where no TCP* variables are set (SPEC section 1).

tcpserver sets PROTO and the TCP* variables. inetd, xinetd and systemd do not, so the variables are filled from fd 0,
and TCPREMOTEHOST from one reverse look-up that takes at most REVERSE_LOOKUP_SECONDS. Only such sessions import this.
"""

from __future__ import annotations

import posix

from ..logs.log import described
from ..smtp.numbers import leading_number
from .standard import identity, is_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

    from ..logs.log import Log

FIRST_PASSED_FD, MOST_PASSED_FDS = 3, 64
# What belongs to one connection. TCPLOCALHOST does not: it is the name of this host, which administrators may set.
OF_TCP = (
    *(b"TCPREMOTEIP", b"TCPREMOTEPORT", b"TCPREMOTEHOST", b"TCPREMOTEINFO"),
    *(b"TCPLOCALIP", b"TCPLOCALPORT"),
)
REVERSE_LOOKUP_SECONDS = 5.0


def listeners(env: dict[bytes, bytes]) -> list[int]:
    """The listening sockets that this process was given: those of LISTEN_FDS (sd_listen_fds(3)), or fd 0. Empty if the
    process is to serve a single session."""
    found = [fd for fd in passed(env) if _listens(fd)]
    known = [identity(fd) for fd in found]
    return [0, *found] if _listens(0) and identity(0) not in known else found


def passed(env: dict[bytes, bytes]) -> list[int]:
    """The descriptors that LISTEN_FDS says this process was given (sd_listen_fds(3)), open or not."""
    if env.get(b"LISTEN_PID") != b"%d" % posix.getpid():
        return []
    count = min(leading_number(env.get(b"LISTEN_FDS", b""), 0), MOST_PASSED_FDS)
    return list(range(FIRST_PASSED_FD, FIRST_PASSED_FD + count))


def _listens(fd: int) -> bool:
    if not is_socket(fd):
        return False
    import _socket  # the C part alone: `socket` costs as much as the whole session

    with _Borrowed(_socket.socket(fileno=fd)) as probe:
        return bool(probe.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN))


def describe_socket(env: dict[bytes, bytes], log: Log) -> bool:
    """If PROTO is not set and fd 0 is a TCP socket, fill the TCP* variables from it, then apply the rules of TCPRULES.
    False if the rules deny this client. Raises ControlError for rules that cannot be read."""
    if b"PROTO" in env or not is_socket(0):
        return True
    import _socket

    with _Borrowed(_socket.socket(fileno=0)) as connection:
        try:
            if connection.family not in (_socket.AF_INET, _socket.AF_INET6):
                raise OSError
            remote, local = connection.getpeername(), connection.getsockname()
        except OSError:
            return b"TCPRULES" not in env  # no address, or the client has left: rules cannot be applied to it
    describe_peer(env, remote, local)
    host = _reverse(remote[0], env, log)
    if host:
        env[b"TCPREMOTEHOST"] = host.lower()  # as tcpserver does
    return b"TCPRULES" not in env or _obey_rules(env)


def describe_peer(env: dict[bytes, bytes], remote: tuple[str, int], local: tuple[str, int]) -> None:
    """Set the variables as tcpserver would, from (address, port) of both ends, and unset those that are not known. An
    IPv4-mapped IPv6 address is written as IPv4."""
    from ..smtp import ip

    remote_ip, local_ip = (ip.of_socket(end[0]) or b"unknown" for end in (remote, local))
    env[b"PROTO"] = b"TCP6" if b":" in remote_ip else b"TCP"
    env[b"TCPREMOTEIP"], env[b"TCPREMOTEPORT"] = remote_ip, b"%d" % remote[1]
    env[b"TCPLOCALIP"], env[b"TCPLOCALPORT"] = local_ip, b"%d" % local[1]
    for stale in (b"TCPREMOTEHOST", b"TCPREMOTEINFO"):
        env.pop(stale, None)


def _obey_rules(env: dict[bytes, bytes]) -> bool:
    """Apply the rules in the file TCPRULES: set their variables; whether the client is allowed. Raises ControlError for
    a file that cannot be read, so that a missing file lets no client in."""
    from ..control.tcprules import rules

    verdict = rules(env[b"TCPRULES"]).look_up(env[b"TCPREMOTEIP"], env.get(b"TCPREMOTEHOST"), None)
    env.update(verdict.variables)
    env.pop(b"", None)  # tcprules accepts a variable without a name, but no program can be started with one
    return verdict.allow


def _reverse(address: str, env: dict[bytes, bytes], log: Log) -> bytes | None:
    """The name of an address, None without one or when it takes too long."""
    from .hostname import host_name

    try:
        return host_name(env, address.encode(), REVERSE_LOOKUP_SECONDS)
    except (OSError, MemoryError) as error:
        log.trouble(b"cannot look up the name of ", address.encode(), b": ", described(error))
        return None


class _Borrowed:
    """A socket object on a descriptor that stays open afterwards."""

    def __init__(self, socket: socket) -> None:
        self._socket = socket

    def __enter__(self) -> socket:
        return self._socket

    def __exit__(self, *_: object) -> None:
        self._socket.detach()


def is_local_ip(text: bytes) -> bool:
    """Whether an address is one of this host: the kernel would send to it from the same address (nothing is sent).
    0.0.0.0 and all of 127.0.0.0/8 count as ours."""
    import _socket

    from ..smtp import ip

    packed = ip.parse(text)
    if packed is None:
        return False
    if len(packed) == 4 and packed[0] in (0, 127):
        return packed[0] == 127 or not any(packed)
    probe = _socket.socket(_socket.AF_INET if len(packed) == 4 else _socket.AF_INET6, _socket.SOCK_DGRAM)
    try:
        probe.connect((ip.text(packed).decode(), 9))  # any port will do
        return ip.parse(probe.getsockname()[0].encode()) == packed
    except OSError:
        return False
    finally:
        probe.close()
