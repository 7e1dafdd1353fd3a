"""contrib/ldap: the schema in both forms, the generator, and `make run-ldap` as a newcomer meets it."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
from pathlib import Path

import pytest

from ..support.processes import DEADLINE, accepts, free_port, program, running
from ..support.slapd import CONTRIB

NAME = re.compile(r"NAME '([^']+)'")


def test_the_schema_loads_into_cn_config(tmp_path: Path) -> None:
    schemas = [f"/etc/ldap/schema/{name}.ldif" for name in ("core", "cosine", "nis", "inetorgperson")]
    includes = "\n\n".join(f"include: file://{path}" for path in [*schemas, CONTRIB / "qmail.ldif"])
    entries = ["dn: cn=config\nobjectClass: olcGlobal\ncn: config"]
    entries += ["dn: cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: schema", includes]
    (tmp_path / "config.ldif").write_text("\n\n".join(entries) + "\n")
    (tmp_path / "slapd.d").mkdir()
    argv = [program("slapadd"), "-n", "0", "-F", f"{tmp_path}/slapd.d", "-l", f"{tmp_path}/config.ldif"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_both_forms_of_the_schema_say_the_same() -> None:
    schema, ldif = ((CONTRIB / name).read_text() for name in ("qmail.schema", "qmail.ldif"))
    assert NAME.findall(schema) == NAME.findall(ldif.replace("\n ", ""))

    def words(text: str) -> list[str]:
        """All words of all definitions, whatever their line breaks."""
        return [word for word in text.split() if not word.lower().startswith(("olc", "attributetype", "objectclass"))]

    definitions = "".join(line for line in schema.splitlines(keepends=True) if not line.startswith("#"))
    folded = ldif[ldif.index("cn: qmail\n") + len("cn: qmail\n") :].replace("\n ", "")
    assert words(definitions.replace("objectidentifier", "")) == words(folded)


def test_the_generator_repeats_itself() -> None:
    argv = [str(CONTRIB / "make-directory.py"), "3", "example.net"]
    first, second = (subprocess.run(argv, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second
    assert first.count("\ndn: uid=person") == 3 and "mail: person2@example.net" in first


@pytest.fixture
def port() -> int:
    return free_port()


def test_run_ldap(tmp_path: Path, port: int) -> None:
    log = tmp_path / "log"
    argv = [str(CONTRIB / "run-ldap"), str(port)]
    with running(
        argv, cwd=tmp_path, log=log, ready=lambda: accepts(port), env={**os.environ, "LOGLEVEL": "3"}
    ) as process:
        with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE) as client:
            client.sendmail("me@client.example", ["alice@example.org", "list-x@example.org"], "Subject: x\r\n\r\nx\r\n")
            for unknown in ("nobody@example.org", "carol@example.org"):
                with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
                    client.sendmail("me@client.example", [unknown], "Subject: x\r\n\r\nx\r\n")
                assert caught.value.recipients[unknown][0] == 554
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.sendmail("nobody@example.org", ["alice@example.org"], "Subject: x\r\n\r\nx\r\n")
        with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE) as client:
            client.login("alice", "wonderland")
            client.sendmail("alice@example.org", ["you@elsewhere.example"], "Subject: y\r\n\r\ny\r\n")
        home = tmp_path / "var" / "ldap-home"
        assert len(list((home / "Maildir" / "new").iterdir())) == 2
        (home / "control" / "ldaptimeout").write_text("7\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0
        assert not accepts(port)
    printed = log.read_text()
    for word in (
        "curl -sS smtp://",
        "alice@example.org",
        "nobody@example.org",
        "alice:wonderland",
        f"127.0.0.1:{port}",
    ):
        assert word in printed
    folder = re.search(r"/tmp/run-ldap-[^/ ]+", printed)
    assert folder and not Path(folder[0]).exists()
    with running(argv, cwd=tmp_path, ready=lambda: accepts(port)):
        assert (home / "control" / "ldaptimeout").read_text() == "7\n"
        assert (home / "control" / "ldappassword").stat().st_mode & 0o777 == 0o600
        second = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1 and f"port {port} is taken; try make run-ldap" in second.stderr
