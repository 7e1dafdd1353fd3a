"""One qmail-spp plugin: a program that is asked about an SMTP command and prints commands of its own.

    read_sections(text)         control/smtpplugins as {section: [Plugin]}; raises Malformed
    plugin.run(env, seconds)    the lines it printed; raises PluginFailed

The program gets /dev/null on fd 0, a pipe to us on fd 1, our log on fd 2 and no other descriptor, and is the head
of a process group of its own. What it prints counts only as a whole, once it has ended well: a signal, exit 120, a
program that cannot be executed, more than `seconds` or more than MOST_OUTPUT bytes are a PluginFailed, and what is
left of its group is killed where it had to be stopped. Any other exit status says nothing, as in qmail-spp.
"""

from __future__ import annotations

import posix
import select
from time import monotonic, sleep

SECTIONS = (b"connection", b"helo", b"auth", b"mail", b"rcpt", b"data")
SHELL = b"/bin/sh"
SIGKILL, SIGPIPE = 9, 13
MOST_OUTPUT = 1 << 16  # bytes
CANNOT_WORK = 120  # the exit that says: there is trouble
# What a shell exits with when the command could not be executed (126, 127) or died by a signal (128 and its number).
SHELL_TROUBLE = range(126, 193)
_LONGEST_NAP = 0.05  # seconds


class PluginFailed(Exception):
    """It did not work; args[0] says why, as bytes for the log."""


class Malformed(Exception):
    """A line of control/smtpplugins that means nothing; args[0] says which and why, as bytes."""


class Plugin:
    """A line of control/smtpplugins: an executable, or `:command` for the shell. `place` is where it stands."""

    def __init__(self, line: bytes, place: bytes) -> None:
        self.line = line
        self.place = place
        self._shell = line.startswith(b":")
        self._argv = [SHELL, b"-c", line[1:]] if self._shell else [line]

    def run(self, env: dict[bytes, bytes], seconds: float) -> list[bytes]:
        """Start it and wait for its end, at most `seconds`: its output by lines."""
        deadline = monotonic() + seconds
        pid, output = self._start(env)
        try:
            text = _read_all(output, deadline)
            status = _wait(pid, deadline)
        except PluginFailed:
            _kill(pid)
            raise
        finally:
            posix.close(output)
        self._judge(status)
        return [line.partition(b"\0")[0].rstrip(b"\r") for line in text.split(b"\n")]

    def _start(self, env: dict[bytes, bytes]) -> tuple[int, int]:
        """(pid, the reading end of its output)."""
        output, printed = posix.pipe()
        try:
            actions: list[tuple[object, ...]] = [
                (posix.POSIX_SPAWN_OPEN, 0, b"/dev/null", posix.O_RDONLY, 0),
                (posix.POSIX_SPAWN_DUP2, printed, 1),
                *((posix.POSIX_SPAWN_CLOSE, fd) for fd in _inherited()),
            ]
            pid = posix.posix_spawn(
                self._argv[0], self._argv, env, file_actions=actions, setpgroup=0, setsigdef=(SIGPIPE,)
            )
        except (OSError, ValueError) as error:
            posix.close(output)
            raise PluginFailed(b"cannot be executed: " + str(error).encode(errors="replace")) from error
        finally:
            posix.close(printed)
        return pid, output

    def _judge(self, status: int) -> None:
        if not posix.WIFEXITED(status):
            raise PluginFailed(b"died by signal %d" % posix.WTERMSIG(status))
        code = posix.WEXITSTATUS(status)
        if code == CANNOT_WORK or (self._shell and code in SHELL_TROUBLE):
            raise PluginFailed(b"exited %d" % code)


def read_sections(text: bytes, name: bytes) -> dict[bytes, list[Plugin]]:
    """The plugins of the file `name` by section, in order. Nothing is skipped that might be meant to refuse mail."""
    sections: dict[bytes, list[Plugin]] = {}
    current = None
    for number, line in enumerate(text.split(b"\n"), 1):
        entry = line.partition(b"\0")[0].strip()
        if not entry or entry.startswith(b"#"):
            continue
        if entry.startswith(b"["):
            section = entry[1:-1].lower()
            if section not in SECTIONS or not entry.endswith(b"]"):
                raise Malformed(b"line %d: no such section: %b" % (number, entry))
            current = sections.setdefault(section, [])
        elif current is None:
            raise Malformed(b"line %d: not in a section: %b" % (number, entry))
        else:
            current.append(Plugin(entry, b"%b:%d" % (name, number)))
    return sections


def _inherited() -> list[int]:
    """The descriptors beyond 2 that would stay open in a child: whoever started us left them open."""
    try:
        candidates = [int(name) for name in posix.listdir("/dev/fd")]
    except OSError:
        candidates = list(range(256))
    return [fd for fd in candidates if fd > 2 and _passes_exec(fd)]


def _passes_exec(fd: int) -> bool:
    try:
        return posix.get_inheritable(fd)
    except OSError:
        return False  # closed by now: it was the folder's


def _read_all(fd: int, deadline: float) -> bytes:
    """Everything until the end. Raises PluginFailed when that is too late or too much."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    text = b""
    while poll.poll(max(0.0, deadline - monotonic()) * 1000):
        block = posix.read(fd, 4096)
        if not block:
            return text
        text += block
        if len(text) > MOST_OUTPUT:
            raise PluginFailed(b"printed more than %d bytes" % MOST_OUTPUT)
    raise PluginFailed(b"took too long")


def _wait(pid: int, deadline: float) -> int:
    """The wait status. What has closed its output has mostly ended already, so short naps are enough."""
    nap = 0.0005
    while True:
        done, status = posix.waitpid(pid, posix.WNOHANG)
        if done:
            return status
        if monotonic() >= deadline:
            raise PluginFailed(b"took too long")
        sleep(nap)
        nap = min(2 * nap, _LONGEST_NAP)


def _kill(pid: int) -> None:
    """End it and everything it started. Not reaped so far, so the number of the group is still its own."""
    try:
        posix.killpg(pid, SIGKILL)
        posix.waitpid(pid, 0)
    except OSError:
        pass
