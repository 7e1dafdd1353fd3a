"""bin/pbsadd [PROGRAM...]: report that this client has read mail, so that it may relay for a while (SPEC section 11).

Sends $TCPREMOTEIP and the variables that control/pbsenv names (empty if unset) to every server in control/pbsservers,
then executes PROGRAM; without one, exit 0. Servers do not answer, so nothing is waited for. A server that cannot be
reached is logged, and so is a variable that has no room in the packet and is left out. Exit 1 with a line on fd 2 if a
control file cannot be used, $TCPREMOTEIP is missing or no address, or PROGRAM cannot be executed.
"""

from __future__ import annotations

import posix
import sys
from _socket import AF_INET, SOCK_DGRAM, socket

from ..control.files import ControlError, reason
from . import packet, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..logs.log import Log


def main() -> int:
    """The program. Returns its exit code, unless PROGRAM takes its place."""
    log = settings.log_of(b"pbsadd")
    argv = sys.argv[1:]
    try:
        announce(log)
    except ControlError as error:
        log.line(b"fatal: ", error.path, b": ", error.reason)
        return 1
    if not argv:
        return 0
    log.line(b"fatal: unable to start the program: ", settings.execute(argv, posix.environ))
    return 1


def announce(log: Log) -> None:
    """Send the packet about this client to all servers. Raises ControlError."""
    env = posix.environ
    control = settings.control_files()
    servers, port = settings.servers(control), settings.port(control)
    secret, variables = settings.secret(control), settings.variables(control)
    address = settings.client_address(env)
    if address is None:
        log.line(b"an IPv6 client is not announced")
        return
    entries = [(name, env.get(name, b"")) for name, _, _ in variables]
    data, left_out = packet.add(address, secret, entries)
    for name in left_out:
        log.line(b"too large, left out: $", name)
    for server in servers:
        try:
            wire = socket(AF_INET, SOCK_DGRAM)
            wire.setblocking(False)
            wire.sendto(data, (server, port))
        except OSError as error:
            log.line(b"cannot send to ", server.encode(), b": ", reason(error))
