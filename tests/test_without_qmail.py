"""The steps of qmail-smtpd-upgrading(7) for a host with another mail server, as they stand there, in a folder apart."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .support.home import codes
from .support.processes import BIN, ROOT

PAGE = ROOT / "man" / "qmail-smtpd-upgrading.7"
SENDMAIL = '#!/bin/sh\nprintf "%s\\n" "$*" >{0}/arguments\ncat >{0}/message\n'


def blocks() -> list[str]:
    """The literal blocks of the section."""
    section = re.search(r"^\.Ss In front of Postfix.*?(?=^\.S[sh] )", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert section
    return [text.replace("\\e", "\\") for text in re.findall(r"^\.Bd.*\n((?:(?!\.Ed).*\n)*)", section[0], re.MULTILINE)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the commands make of an installed program; make install and useradd apart."""
    home = tmp_path / "qmail"
    (home / "bin").mkdir(parents=True)
    (home / "bin/queue-sendmail").symlink_to(BIN / "queue-sendmail")
    commands, check, start = blocks()
    kept = [line for line in commands.split("\n") if not line.startswith(("make ", "useradd "))]
    script = "\n".join(kept).replace("/var/qmail", str(home))
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "postconf").write_text('#!/bin/sh\n[ "$*" = "-h message_size_limit" ] && echo 10240000\n')
    (tools / "postconf").chmod(0o755)
    subprocess.run(["/bin/sh", "-e", "-c", script], env={"PATH": f"{tools}:/usr/bin:/bin"}, check=True)
    (home / "checkers").mkdir()
    (home / "checkers/known.py").write_text(check)
    (home / "control/smtpcheckers").write_text("known\n")
    (home / "control/mailboxes").write_text("You@example.org\n")
    (tmp_path / "sendmail").write_text(SENDMAIL.format(tmp_path))
    (tmp_path / "sendmail").chmod(0o755)
    assert "qmail-smtpd-check --user qmaild" in start
    return home


def test_nothing_is_found(home: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "QMAILHOME": str(home), "BLOCKRELAYPROBE": "1"}
    done = subprocess.run([BIN / "qmail-smtpd-check"], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("nothing found\nmemory: "), done.stdout


def test_mail_for_who_is_known_goes_to_sendmail(home: Path, tmp_path: Path) -> None:
    said = "MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<you@EXAMPLE.org>\r\n"
    said += "RCPT TO:<you@elsewhere.example>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n"
    env = {"PATH": "/usr/bin:/bin", "QMAILHOME": str(home), "SENDMAIL": str(tmp_path / "sendmail")}
    done = subprocess.run([BIN / "qmail-smtpd"], input=said.encode(), env=env, capture_output=True, check=False)
    assert codes(done.stdout) == [220, 250, 553, 250, 553, 354, 250, 221], done.stderr
    assert (tmp_path / "arguments").read_text() == "-i -f a@b.example -- you@EXAMPLE.org\n"
    assert (tmp_path / "message").read_text().endswith("\nSubject: x\n\nhi\n")
    relaying = "MAIL FROM:<a@b.example>\r\nRCPT TO:<you@elsewhere.example>\r\nQUIT\r\n"
    env["RELAYCLIENT"] = ""
    done = subprocess.run([BIN / "qmail-smtpd"], input=relaying.encode(), env=env, capture_output=True, check=False)
    assert codes(done.stdout) == [220, 250, 250, 221]


def test_the_service_files_are_there() -> None:
    start = blocks()[2]
    (pattern,) = re.findall(r"cp (contrib/\S+)", start)
    assert {path.suffix for path in ROOT.glob(pattern)} == {".service", ".socket"}
