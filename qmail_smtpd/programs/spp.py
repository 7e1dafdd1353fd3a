"""Run a qmail-spp plugin: a program that is started for an SMTP command and prints commands for us.

    read_sections(text, name)       control/smtpplugins as {section: [Plugin]}; raises BadPluginLine
    plugin.run(env, seconds, left)  (the lines it printed, its exit status); raises PluginFailed, and ClientGone as
                                    soon as `left()` says that the client has closed its connection

The program has /dev/null on fd 0, a pipe to us on fd 1, our log on fd 2 and no other descriptor, and leads a process
group of its own. Its output counts only if it has ended normally. PluginFailed means that it died by a signal, exited
120, could not be executed, took more than `seconds`, or printed more than MOST_OUTPUT bytes; in the last two cases its
whole group is killed. Any other exit status is left to the caller. As in qmail-spp, a shell that cannot parse its
command exits 2, which lets the mail pass.
"""

from __future__ import annotations

import posix
import select
from time import monotonic

from ..smtp.errors import ClientGone
from . import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SECTIONS = (b"connection", b"helo", b"auth", b"mail", b"rcpt", b"data")
_FIRST_LETTERS = {section[:1]: section for section in SECTIONS}
SHELL = b"/bin/sh"
LOOK_AGAIN = 0.5  # seconds between two looks whether the client is still connected
MOST_OUTPUT = 1 << 16  # bytes
CANNOT_WORK = 120  # the exit status by which a plugin says that it failed
# What a shell exits with when the command could not be executed (126, 127) or died by a signal (128 + its number).
SHELL_TROUBLE = range(126, 193)


class PluginFailed(Exception):
    """A plugin could not be run to its end; args[0] says why, as bytes for the log."""


class BadPluginLine(Exception):
    """A line of control/smtpplugins that cannot be understood; args[0] has its number and what is wrong, as bytes."""


class Plugin:
    """A line of control/smtpplugins: an executable, or `:command` for the shell. `place` is FILE:LINE."""

    def __init__(self, line: bytes, place: bytes) -> None:
        self.line = line
        self.place = place
        self._shell = line.startswith(b":")
        self.path = SHELL if self._shell else line
        self._argv = [SHELL, b"-c", line[1:]] if self._shell else [line]

    def run(
        self, env: dict[bytes, bytes], seconds: float, left: Callable[[], bool] = lambda: False
    ) -> tuple[list[bytes], int]:
        """See the module's docstring."""
        deadline = monotonic() + seconds
        pid, output = self._start(env)
        try:
            text = _read_all(output, deadline, left)
            status = process.reap(pid, deadline - monotonic())
            if status is None:
                raise PluginFailed(b"took too long")
        except (PluginFailed, ClientGone):
            process.kill(pid, group=True)
            raise
        finally:
            posix.close(output)
        self._judge(status)
        return [line.partition(b"\0")[0].rstrip(b"\r") for line in text.split(b"\n")], status

    def _start(self, env: dict[bytes, bytes]) -> tuple[int, int]:
        """Start the program: its pid and the reading end of its output. Raises PluginFailed."""
        null = posix.open("/dev/null", posix.O_RDONLY | posix.O_CLOEXEC)
        output, printed = posix.pipe()
        try:
            return process.spawn(self._argv, env, {0: null, 1: printed}, group=True), output
        except OSError as error:
            posix.close(output)
            raise PluginFailed(b"cannot be executed: " + (error.strerror or str(error)).encode()) from error
        finally:
            posix.close(null)
            posix.close(printed)

    def _judge(self, status: int) -> None:
        if status < 0:
            raise PluginFailed(b"died by signal %d" % -status)
        if status == CANNOT_WORK or (self._shell and status in SHELL_TROUBLE):
            raise PluginFailed(b"exited %d" % status)


def read_sections(text: bytes, name: bytes) -> dict[bytes, list[Plugin]]:
    """The plugins in the `text` of the file `name`, by section, in order. As in qmail-spp the first letter of a
    section's name decides: `[rcptto]` is `[rcpt]`. Raises BadPluginLine for any line that is not understood, since it
    may be meant to refuse mail."""
    sections: dict[bytes, list[Plugin]] = {}
    current = None
    for number, line in enumerate(text.split(b"\n"), 1):
        entry = line.partition(b"\0")[0].strip()
        if not entry or entry.startswith(b"#"):
            continue
        if entry.startswith(b"["):
            section = _FIRST_LETTERS.get(entry[1:2].lower())
            if section is None or not entry.endswith(b"]"):
                raise BadPluginLine(b"line %d: no such section: %b" % (number, entry))
            current = sections.setdefault(section, [])
        elif current is None:
            raise BadPluginLine(b"line %d: not in a section: %b" % (number, entry))
        else:
            current.append(Plugin(entry, b"%b:%d" % (name, number)))
    return sections


def _read_all(fd: int, deadline: float, left: Callable[[], bool]) -> bytes:
    """Everything up to the end of file. Raises PluginFailed at the deadline or for too much output, and ClientGone."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    text = b""
    while (seconds := deadline - monotonic()) > 0:
        if not poll.poll(min(seconds, LOOK_AGAIN) * 1000):
            if left():
                raise ClientGone
            continue
        block = posix.read(fd, 4096)
        if not block:
            return text
        text += block
        if len(text) > MOST_OUTPUT:
            raise PluginFailed(b"printed more than %d bytes" % MOST_OUTPUT)
    raise PluginFailed(b"took too long")
