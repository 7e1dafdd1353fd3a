"""A home with qmail-spp plugins: scripts in plugins/, listed in control/smtpplugins."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .home import Home

ENVELOPE = "MAIL FROM:<joe@example.net>\r\nRCPT TO:<ann@example.org>\r\n"
MESSAGE = "DATA\r\nSubject: hello\r\n\r\nhello\r\n.\r\n"
EVERYTHING = "EHLO client.test\r\n" + ENVELOPE + MESSAGE
SECTIONS = {"connection": 0, "helo": 1, "mail": 2, "rcpt": 3, "data": 4}  # the reply of EVERYTHING that each can refuse


class PluginSite:
    """Plugins are asked in the order in which they are added to a section."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._sections: dict[str, list[str]] = {}
        (home.path / "plugins").mkdir()

    def line(self, section: str, line: str) -> None:
        """A line of control/smtpplugins, as it is."""
        self._sections.setdefault(section, []).append(line)
        text = "".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in self._sections.items())
        self.home.control("smtpplugins", text)

    def script(self, section: str, text: str, shell: str = "/bin/sh") -> Path:
        """A plugin that is a script."""
        path = self.home.path / "plugins" / f"{section}.{len(self._sections.get(section, []))}"
        path.write_text(f"#!{shell}\n{text}\n")
        path.chmod(0o755)
        self.line(section, f"plugins/{path.name}")
        return path

    def says(self, section: str, *commands: str | bytes) -> Path:
        """A plugin that prints these commands."""
        data = b"".join((c.encode() if isinstance(c, str) else c) + b"\n" for c in commands)
        name = f"said.{section}.{len(self._sections.get(section, []))}"
        (self.home.path / "plugins" / name).write_bytes(data)
        return self.script(section, f"cat plugins/{name}")

    def talk(self, text: str = ENVELOPE + MESSAGE, **env: str) -> subprocess.CompletedProcess[bytes]:
        """A session that ends with QUIT; nothing may go wrong inside of the receiver."""
        done = self.home.smtp(text + "QUIT\r\n", **env)
        assert b"Traceback" not in done.stderr and b"failed at" not in done.stderr, done.stderr
        return done

    def seen(self, name: str) -> dict[str, str]:
        """The environment that a plugin wrote with `env -0 > NAME`."""
        entries = (self.home.path / name).read_text().split("\0")[:-1]
        return dict(entry.split("=", 1) for entry in entries)
