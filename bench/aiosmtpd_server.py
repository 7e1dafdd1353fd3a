"""The peer aiosmtpd, with a handler that does what qmail-smtpd does: the message goes to a queue program, with a
trace header, on its fd 0, the envelope on its fd 1. Arguments: port, queue program. Runs until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import sys
from email.utils import formatdate
from functools import partial

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST, LARGEST = "127.0.0.1", 1 << 30


class Handler:
    def __init__(self, program: str) -> None:
        self._program = program

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list) -> str:
        if not address.endswith("@example.org"):
            return "553 not here"
        envelope.rcpt_tos.append(address)
        return "250 recipient ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        trace = f"Received: from {session.host_name} ({session.peer[0]}); {formatdate()}\n".encode()
        message = trace + envelope.content.replace(b"\r\n", b"\n")
        words = [f"F{envelope.mail_from}", *(f"T{address}" for address in envelope.rcpt_tos), "", ""]
        status = await asyncio.to_thread(queue, self._program, message, "\0".join(words).encode())
        return "451 queue trouble" if status else "250 ok"


def queue(program: str, message: bytes, envelope: bytes) -> int:
    """The exit status of the queue program."""
    (message_out, message_in), (envelope_out, envelope_in) = os.pipe(), os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, message_out, 0), (os.POSIX_SPAWN_DUP2, envelope_out, 1)]
    pid = os.posix_spawn(program, [program], os.environ, file_actions=actions)
    for fd in (message_out, envelope_out):
        os.close(fd)
    for fd, data in ((message_in, message), (envelope_in, envelope)):
        with open(fd, "wb", buffering=0) as stream:
            rest = memoryview(data)
            while rest:
                rest = rest[stream.write(rest) :]
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def main(port: int, program: str) -> None:
    loop = asyncio.get_running_loop()
    make = partial(SMTP, Handler(program), hostname="mx.example.org", data_size_limit=LARGEST, loop=loop)
    server = await loop.create_server(make, HOST, port, backlog=128)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
