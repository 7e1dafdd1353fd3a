"""inspect/queues.py: the compiled queue program of a qmail works only as its own user, and in a queue."""

from __future__ import annotations

import shutil

from ..support.checked import check, run
from ..support.home import Home


def test_a_compiled_queue_program(home: Home) -> None:
    queue = home.path / "bin/qmail-queue"
    shutil.copy("/bin/true", queue)
    queue.chmod(0o711)
    assert check(home).has("warning", "bin/qmail-queue", "not setuid", "chmod 4711 it")
    queue.chmod(0o4711)
    checked = check(home)
    assert checked.has("warning", "queue", "does not exist")
    assert len(checked.findings) == 1
    (home.path / "queue").mkdir()
    assert check(home).findings == []


def test_a_queue_program_that_is_missing_is_one_finding(home: Home) -> None:
    (home.path / "bin/qmail-queue").unlink()
    assert len(check(home).findings) == 1
    assert len(check(home, QMAILQUEUE="bin/nothing").findings) == 1


def test_sendmail_is_no_queue_program(home: Home) -> None:
    """What an administrator of Postfix may try first: sendmail gets no recipients, and fails."""
    for path in ("/usr/sbin/sendmail", "bin/sendmail"):
        (found,) = check(home, QMAILQUEUE=path).findings
        assert found.startswith(f"error environment QMAILQUEUE: {path} is no queue program")
        assert "name bin/queue-sendmail" in found


def test_a_limit_for_the_mail_system_behind_us(home: Home) -> None:
    """Postfix allows 10 MB by default, and its sendmail cannot say that a message has more."""
    home.link("queue-sendmail", "maildir-queue")
    queue = {"QMAILQUEUE": "bin/queue-sendmail", "BLOCKRELAYPROBE": ""}
    said = "hint: control/databytes: no limit, so a message that is too large for the mail system"
    assert said in run(home, env=queue).stdout
    assert said not in run(home, env={**queue, "DATABYTES": "10240000"}).stdout
    assert said not in run(home, env={**queue, "QMAILQUEUE": "bin/maildir-queue"}).stdout
    home.control("databytes", "10240000\n")
    assert said not in run(home, env=queue).stdout
