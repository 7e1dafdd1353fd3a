"""bin/qmail-smtpd-check: one mistake at a time, put into a home that is in order."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ..support.checked import Checked, check, run
from ..support.home import Home
from ..support.processes import BIN, program


def with_rules(home: Home, text: str, **env: str) -> Checked:
    path = home.path / "tcp.smtp"
    path.write_text(text)
    checked = check(home, "--rules", str(path), **env)
    checked.findings = [one.replace(f"{path}", "RULES") for one in checked.findings]
    return checked


def test_a_home_in_order_is_clean(home: Home) -> None:
    done = run(home)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "nothing found\nmemory: a session: 16 MB per process\n",
        "",
    )
    assert check(home).findings == []


def test_nothing_is_written(home: Home) -> None:
    (home.path / "mine.py").write_text("def setup(config):\n    return None\n")
    home.control("smtpcheckers", "mine\n")
    before = sorted(home.path.rglob("*"))
    assert check(home).code == 0
    assert sorted(home.path.rglob("*")) == before


def test_a_line_for_people(home: Home) -> None:
    home.control("rbllist", "list.example reject any Listed.\nlist.example\n")
    done = run(home)
    assert done.stdout.startswith("error: control/rbllist:2: write BASE ACTION MATCHON MESSAGE")
    assert done.stdout.count("\n") == 2
    assert done.returncode == 2


def test_home_by_option_and_missing(home: Home) -> None:
    assert run(home, "--home", str(home.path), env={"QMAILHOME": "/nonexistent"}).returncode == 0
    done = run(home, "--home", "/nonexistent")
    assert (done.returncode, done.stdout) == (2, "error: /nonexistent: No such file or directory\n")


def test_wrong_usage_is_no_verdict(home: Home) -> None:
    assert run(home, "--rulez", "x").returncode == 100


# Variables

VARIABLES = [
    ("RELAYCLIENTS=", "error", "RELAYCLIENTS is read by no program; did you mean RELAYCLIENT?"),
    ("SENDERCHEK=", "error", "did you mean SENDERCHECK?"),
    ("MAXRCPTCUONT=5", "error", "did you mean MAXRCPTCOUNT?"),
    ("nobounce=", "error", "did you mean NOBOUNCE?"),
    ("RLB=", "error", "did you mean RBL?"),
    ("DATABYTES=abc", "error", "DATABYTES=abc is no number and counts as 0"),
    ("DATABYTES=10MB", "warning", "counts as 10"),
    ("SENDERCHECK=LOSE", "error", "did you mean LOOSE?"),
    ("SENDERCHECK=maybe", "warning", "counts as empty; known: LOOSE or STRICT"),
    ("SMTPAUTH=TLSREQIRED", "error", "did you mean TLSREQUIRED?"),
    ("SMTPS=yes", "error", "write SMTPS=1"),
    ("NOBOUNCE=0", "warning", "NOBOUNCE=0 switches it on"),
    ("LOGFORMAT=jsn", "error", "did you mean json?"),
    ("RELAYCLIENT=1", "error", '"1" is appended to every recipient'),
    ("RELAYCLIENT=", "error", "an open relay"),
    ("SHADOW=badmailform", "error", "there is no check badmailform; did you mean badmailfrom?"),
    ("SHADOW=bounce", "warning", "set LOGLEVEL=1"),
    ("SHADOW=rcpthosts", "error", "rcpthosts has no effect here"),
    ("DNSCACHEIP=127.0.0.1 300.1.1.1", "error", "words other than IP"),
    ("QMAILQUEUE=/nonexistent", "error", "/nonexistent does not exist"),
    ("QMAILQUEUE=/etc/passwd", "error", "is not executable"),
    ("QMAILQUEUE=/tmp", "error", "is not a file"),
    ("DROPRUSHGREET=", "warning", "no effect without GREETDELAY"),
    ("TARPITDELAY=3", "warning", "no effect without TARPITCOUNT"),
    ("LDAPSOFTOK=", "warning", "no effect without RCPTCHECK or SENDERCHECK"),
    ("AUTHPREPEND=x", "warning", "no effect without SMTPAUTH"),
    ("RBL=", "error", "no effect without control/rbllist"),
    ("REJECTEXEC=", "error", "no effect without control/signatures"),
    ("SMTPAUTH=", "error", "bin/auth_smtp does not exist"),
    ("SMTPAUTH=TLSREQUIRED", "error", "without a certificate: nobody can authenticate"),
    ("SMTPS=1", "error", "SMTPS=1 without a certificate"),
    ("AUTHREQUIRED=", "error", "without SMTPAUTH: nobody can send anything"),
    ("SMTPAUTH=-", "warning", "SMTPAUTH=- does not switch it off"),
    ("SSLCERT=-----BEGIN CERTIFICATE-----", "error", "SSLCERT is a PEM text"),
    ("RCPTCHECK=", "error", "RCPTCHECK: bin/qmail-verify does not exist"),
    ("SPFBEHAVIOR=7", "warning", "the highest value is 6"),
    ("DMARCBEHAVIOR=4", "warning", "the highest value is 3"),
    ("SPFBEHAVIOR=3", "warning", "SPFBEHAVIOR refuses mail, and no client is exempt"),
    ("DMARCBEHAVIOR=3", "warning", "DMARCBEHAVIOR refuses mail, and no client is exempt"),
    ("SENDERCHECK=LOOSE", "error", "SENDERCHECK: bin/qmail-verify does not exist"),
]


@pytest.mark.parametrize(("assignment", "severity", "text"), VARIABLES)
def test_a_variable(home: Home, assignment: str, severity: str, text: str) -> None:
    name, _, value = assignment.partition("=")
    checked = check(home, **{name: value})
    assert checked.has(severity, "environment", text), checked.findings


@pytest.mark.parametrize(
    "assignment",
    ["HOME=/root", "LS_COLORS=x", "TERM=x", "MAIL=/x", "TCP6REMOTEIP=::1", "DATABYTES=", "NOBOUNCE=", "LOGLEVEL=2"],
)
def test_ordinary_variables_are_no_finding(home: Home, assignment: str) -> None:
    name, _, value = assignment.partition("=")
    assert check(home, **{name: value}).findings == []


def test_two_variables(home: Home) -> None:
    home.control("locals", "")
    home.program("qmail-verify", "#!/bin/sh\n")
    assert check(home, RCPTCHECK="").has("error", "environment", "control/locals names no domain")
    (home.path / "control/locals").unlink()
    assert check(home, RCPTCHECK="").has("warning", "environment", "only addresses at mx.example.org")
    assert check(home, TARPITCOUNT="9", MAXRCPTCOUNT="5").has("warning", "environment", "is never reached")
    assert check(home, **{"421GREETING": "", "550GREETING": ""}).has("warning", "environment", "are both set")
    assert check(home, GREETDELAY="5", DROPRUSHGREET="").findings == []


@pytest.mark.unmeasured
def test_our_own_helpers_need_a_directory(home: Home) -> None:
    home.link("qmail-verify", "auth_smtp")
    checked = check(home, RCPTCHECK="", SMTPAUTH="")
    assert checked.has("error", "environment", "RCPTCHECK: bin/qmail-verify needs control/ldapserver")
    assert checked.has("error", "environment", "SMTPAUTH: bin/auth_smtp needs control/ldapserver")
    home.control("ldapserver", "ldap.example.org\n")
    checked = check(home, RCPTCHECK="", SMTPAUTH="")
    assert checked.has("warning", "environment", "SMTPAUTH without a certificate: passwords travel in clear")
    assert len(checked.findings) == 1


def test_queue_program_missing(home: Home) -> None:
    (home.path / "bin/qmail-queue").unlink()
    assert check(home).has("error", "bin/qmail-queue", "does not exist; every message gets 451")


def test_a_queue_program_that_may_follow_routes(home: Home) -> None:
    text = "may deliver an address with % or ! to another host, an open relay: set BLOCKRELAYPROBE"
    assert check(home).findings == []
    home.link("queue-sendmail", "maildir-queue")
    assert check(home, QMAILQUEUE="bin/queue-sendmail").has("error", "environment", text)
    assert check(home, QMAILQUEUE="bin/queue-sendmail", BLOCKRELAYPROBE="").findings == []
    assert check(home, QMAILQUEUE="bin/maildir-queue").findings == []
    (home.path / "bin/qmail-queue").unlink()
    (home.path / "bin/qmail-queue").symlink_to("queue-sendmail")
    assert check(home).has("error", "environment", text)
    assert check(home, BLOCKRELAYPROBE="").findings == []


# Rules

RULES = [
    (':allow,RELAYCLIENT=""', "error", "RULES:1", "RELAYCLIENT in the rule for all other clients: an open relay"),
    ('=:allow,RELAYCLIENT=""', "error", "RULES:1", "every host with a name: an open relay"),
    ('193.:allow,RELAYCLIENT=""', "warning", "RULES:1", "16 million addresses"),
    ('# x\n\n10.:allow,RELAYCLIENTS=""', "error", "RULES:3", "did you mean RELAYCLIENT?"),
    ('10.:allow,MINE="x"', "warning", "RULES:1", "MINE is read by no program of ours"),
    ('10.:allow,SMTPAUTHUSER="x"', "warning", "RULES:1", "set by the programs themselves"),
    ('10.:allow,="x"', "error", "RULES:1", "a variable without a name"),
    ('10.:allow,MAXRCPTCOUNT="many"', "error", "RULES:1", "is no number"),
    ('10.:allow,RBL=""\n:allow', "error", "RULES:1", "without control/rbllist"),
    ('10.:allow,QMAILQUEUE="bin/nothing"', "error", "RULES:1", "bin/nothing does not exist"),
    (':allow,SENDERCHECK="STRICT"', "error", "RULES:1", "SENDERCHECK=STRICT in the rule for all other clients"),
    (':allow,SENDERCHECK="loose"', "error", "RULES:1", "SENDERCHECK=LOOSE in the rule for all other clients"),
    ("10.1:allow", "error", "RULES:1", 'write "10.1."'),
    ("10.0.0.0/8:allow", "error", "RULES:1", "no masks"),
    (" 10.:allow", "error", "RULES:1", "blanks before"),
    ("10.:allow\n10.:deny", "error", "RULES:2", "line 1 is for"),
    ("10.:alow", "error", "RULES:1", "tcprules refuses the whole file"),
    ("10.:allow,RBL", "error", "RULES:1", "NAME="),
    ("10.\n", "error", "RULES:1", "it has no colon"),
    ("10.7-3.:allow", "error", "RULES:1", "its range is empty"),
    ("mail.example.org:allow", "error", "RULES:1", 'a name is written "=name"'),
    ("bob@10.0.0.300:allow", "error", "RULES:1", "is no address of a client"),
    ("10.0.0.1.2:allow", "error", "RULES:1", "is no address of a client"),
    ('10.:allow, RBL=""', "error", "RULES:1", "blanks are part of the name: remove them before or after RBL"),
    ('10.:allow,X="y"\r\n:allow\r', "error", "RULES:1", "its lines end in CR LF: remove each CR"),
]


@pytest.mark.parametrize(("text", "severity", "place", "words"), RULES)
def test_a_rule(home: Home, text: str, severity: str, place: str, words: str) -> None:
    checked = with_rules(home, f"{text}\n")
    assert checked.has(severity, place, words), checked.findings


def test_rules_in_order(home: Home) -> None:
    rules = '# us\n127.:allow,RELAYCLIENT=""\n10.0.0-255.:allow,RELAYCLIENT=""\n6.6.6.6:deny\n:allow,NOBOUNCE=""\n'
    assert with_rules(home, rules).findings == []
    forms = ("10.1.2.3", "10.1.", "bob@10.1.2.3", "=mx.example.net", "=.example.net", "a@=mx.example.net", "2001:db8:")
    assert with_rules(home, "".join(f"{form}:allow\n" for form in forms)).findings == []


def test_what_no_rule_changes_is_for_everybody(home: Home) -> None:
    home.link("qmail-verify")
    home.control("ldapserver", "ldap.example.org\n")
    home.control("locals", "example.org\n")
    ours = '10.:allow,RELAYCLIENT=""\n'
    checked = with_rules(home, f"{ours}:allow\n", SENDERCHECK="STRICT")
    assert checked.has("error", "environment", "SENDERCHECK=STRICT for all clients"), checked.findings
    for last in (':allow,SENDERCHECK=""', ":deny"):
        checked = with_rules(home, f"{ours}{last}\n", SENDERCHECK="STRICT")
        assert not checked.has("error", "environment", "for all clients"), checked.findings


def test_a_rule_may_complete_the_environment_and_the_other_way_round(home: Home) -> None:
    assert with_rules(home, ':allow,TARPITCOUNT="5"\n', TARPITDELAY="2").findings == []
    assert with_rules(home, ':allow,TARPITDELAY="5"\n', TARPITCOUNT="2").findings == []


def test_compiled_rules_old_rules_and_tcprules_variable(home: Home) -> None:
    source, database = home.path / "tcp.smtp", home.path / "tcp.smtp.cdb"
    text = '10.:allow,RELAYCLIENTS=""\n:allow,RELAYCLIENT=""\n'
    source.write_text(text)
    argv = [program("tcprules"), str(database), str(home.path / "tmp")]
    subprocess.run(argv, input=text.encode(), check=True)
    for checked in (check(home, "--rules", str(database)), check(home, TCPRULES="tcp.smtp.cdb")):
        place = next(one for one in checked.findings if "did you mean" in one).split()[1]
        assert place.endswith("tcp.smtp.cdb")
        assert checked.has("error", place, 'rule "10.": RELAYCLIENTS')
        assert checked.has("error", place, 'rule "": RELAYCLIENT in the rule for all other clients')
    os.utime(database, (1, 1))
    assert check(home, "--rules", str(database)).has("warning", str(database), f"older than {source}")
    database.write_bytes(database.read_bytes()[:-5])
    assert check(home, "--rules", str(database)).has("error", str(database), "corrupt")
    assert check(home, "--rules", "/nonexistent").has("error", "/nonexistent", "No such file")


# Control files

FILES = [
    ("me", "\n", "error", ":1", "its first line is empty"),
    ("me", "mx.example.org # here\n", "warning", ":1", "is no host name"),
    ("me", "m\u00fc.example.org\n".encode(), "warning", ":1", "m\\303\\274.example.org is no host name"),
    ("me", "mx.example.org.\n", "warning", ":1", "is no host name"),
    ("databytes", "5 MB\n", "warning", ":1", "counts as 5"),
    ("timeoutsmtpd", "two minutes\n", "error", ":1", "the default (120) is used"),
    ("smtpgreeting", "# hello\n", "warning", ":1", "even if it begins with #"),
    ("badmailform", "x\n", "warning", "", "did you mean badmailfrom?"),
    ("RCPTHOSTS", "x\n", "warning", "", "did you mean rcpthosts?"),
    ("ldap_server", "x\n", "warning", "", "did you mean ldapserver?"),
    ("badmailpatterns", "*@ok.example\n*[a-z@bad\n", "error", ":2", "never closed"),
    ("badmailpatterns", "!\n", "error", ":1", "an empty pattern"),
    ("badmailpatterns", "x\\\n", "error", ":1", "quotes nothing"),
    ("spfrules", "ip4:1.2.3\n", "error", ":1", "no address; every session that asks for SPF gets 421"),
    ("spfexp", "%{z}\n", "error", ":1", "%{z}: an invalid macro"),
    ("dmarcbehavior", "4\n", "warning", ":1", "the highest value is 3"),
    ("dnstimeout", "0\n", "error", ":1", "defer all mail"),
    ("dnstimeout", "301\n", "warning", ":1", "waits 300 seconds for the reply"),
    ("spfbehavior", "3\n", "warning", ":1", "refuses mail, and no client is exempt"),
    ("authservid", "two words\n", "error", ":1", "has to be quoted"),
    ("rbllist", "a.example reject any\n", "error", ":1", "write BASE ACTION MATCHON MESSAGE"),
    ("rbllist", "list reject any No.\n", "error", ":1", "list is no domain of a DNS list"),
    ("rbllist", "192.0.2.1 reject any No.\n", "error", ":1", "192.0.2.1 is no domain"),
    ("rbllist", "http://a.example reject any No.\n", "error", ":1", "is no domain"),
    ("smtpcert", "-----BEGIN CERTIFICATE-----\nMII\n", "error", ":1", "contains the PEM text itself"),
    ("ldapcafile", "-----BEGIN CERTIFICATE-----\nMII\n", "error", ":1", "contains the PEM text itself"),
    ("ldapserver", "ldap.example.org:\n", "error", ":1", "ldap://ldap.example.org:: '' is not a port number"),
    ("ldapserver", "a.example\nhttp://b.example\n", "error", ":2", "http://b.example is not an LDAP server"),
    ("ldapserver", "ldaps//a.example\n", "error", ":1", "'ldaps//a.example' is not a host"),
    ("rbllist", "a.example rejct any Go away.\n", "warning", ":1", "counts as reject"),
    ("rbllist", "a.example reject 1.2.3.4 Go away.\n", "error", ":1", "never matches"),
    ("rbllist", "a.example reject 127.0.0.256 Go away.\n", "error", ":1", "never matches"),
    ("rbllist", "a.example reject 127.0.0.2,127.0.0.3 Go away.\n", "error", ":1", "never matches"),
    ("rbllist", "a.example reject 127.0.0.0/8 Go away.\n", "error", ":1", "never matches"),
    ("badrcptto", "# no\n@local.example.org\n", "error", ":2", "refuses all mail for a domain in control/locals:1"),
    ("relaymailfrom", "@example.org\n", "error", ":1", "in control/rcpthosts:1: an open relay"),
    ("relaymailfrom", "boss@sub.example.org\n", "error", ":1", "in control/rcpthosts:2: an open relay"),
    ("relaymailfrom", "boss@\n", "error", ":1", "no entries of the form user@"),
    ("badmailfrom", " @spam.example\n", "error", ":1", "begins with a blank"),
    ("badmailfrom", "spam.example\n", "warning", ":1", '"@spam.example"?'),
    ("badmailfrom", "*@spam.example\n", "error", ":1", "write it into control/badmailpatterns"),
    ("badmailfrom", "@.spam.example\n", "error", ":1", "no entries for subdomains"),
    ("badmailfrom", "\ufeff@spam.example\n".encode(), "error", ":1", "byte order mark"),
    ("badmailfrom", b"@spam\0.example\n", "warning", ":1", "a NUL"),
    ("rcpthosts", "*.example.org\n", "error", ":1", "write .DOMAIN for all subdomains"),
    ("rcpthosts", "@example.org\n", "error", ":1", "without @"),
    ("rcpthosts", "a.example b.example\n", "error", ":1", "write one domain per line"),
    ("rcpthosts", "a.example,b.example\n", "error", ":1", "write one domain per line"),
    ("rcpthosts", "a.example.\n", "warning", ":1", "only with exactly these dots"),
    ("rcpthosts", "a..example\n", "warning", ":1", "only with exactly these dots"),
    ("locals", "b\u00fccher.example\n".encode(), "warning", ":1", "in mail it is xn--bcher-kva.example"),
    ("locals", "stra\u00dfe.example\n".encode(), "warning", ":1", "in mail it is xn--..., so"),
    ("locals", b"b\374cher.example\n", "warning", ":1", "in mail it is xn--..., so"),
    ("badmailfrom", "<a@b.example>\n", "error", ":1", "without < and >"),
    ("badmailfrom", "@b.example, @c.example\n", "error", ":1", "@b.example, @c.example never matches: write one"),
    ("goodmailfrom", "@b.example # a friend\n", "error", ":1", "write one address per line"),
    ("badmailfrom", "@b.example.\n", "warning", ":1", "only with exactly these dots"),
    ("badmailfrom", "@b\u00fccher.example\n".encode(), "warning", ":1", "in mail it is xn--bcher-kva.example"),
    ("timeoutsmtpd", "0\n", "warning", ":1", '"0" counts as 1'),
    ("sessionsperprocess", "0\n", "warning", ":1", '"0" counts as 1'),
    ("smtpmilters", "rspamd inet:11332@127.0.0.1\n", "error", ":1", "write inet:HOST:PORT, not inet:PORT@HOST"),
    ("rcpthosts", "example.org:25\n", "error", ":1", "the domain alone"),
    ("locals", ".example.org\n", "error", ":1", "no entries for subdomains"),
    ("morercpthosts", "a.example\n", "error", "", "run bin/qmail-newmrh"),
    ("aliasdomains", "alias.example\n", "error", ":1", "write ALIAS:REAL"),
    ("tlsdheparams", "strong\n", "warning", ":1", "known: none, auto, legacy"),
    ("tlsclients", "me@example.org\n", "error", "", "without control/clientca.pem"),
    ("pbsservers", "localhost\n", "error", "", "not an IPv4 address"),
    ("smtpcheckers", "json\n\ndoes_not_exist\n", "error", ":3", "there is no checkers/does_not_exist.py"),
    ("smtpcheckers", "does_not_exist.py 2\n", "error", ":1", "write does_not_exist without .py"),
    ("smtpcheckers", "not.there\n", "error", ":1", "there is no module not.there"),
    ("smtpplugins", "[mail]\n/bin/true\n/nonexistent\n", "error", ":3", "/nonexistent does not exist"),
    ("smtpplugins", "[ehlo]\n", "error", ":1", "no such section"),
    ("smtpplugins", "[mail]\n:if x; then echo N\n", "error", ":2", "cannot be parsed by /bin/sh: "),
]


@pytest.mark.parametrize(("name", "text", "severity", "line", "words"), FILES)
def test_a_control_file(home: Home, name: str, text: str | bytes, severity: str, line: str, words: str) -> None:
    home.control("rcpthosts", "example.org\n.example.org\n")
    home.control(name, text)
    checked = check(home)
    assert checked.has(severity, f"control/{name}{line}", words), checked.findings


def test_an_empty_file_and_what_is_no_file(home: Home) -> None:
    """A link to /dev/null is an empty list; a FIFO is a mistake, and sessions take it for empty too."""
    path = home.path / "control/badmailfrom"
    path.symlink_to("/dev/null")
    assert check(home).findings == []
    path.unlink()
    os.mkfifo(path)
    assert check(home).findings == ["error control/badmailfrom is no regular file, and counts as empty"]


def test_a_short_host_name_is_a_hint(home: Home) -> None:
    home.control("me", "mx\n")
    home.control("locals", "example.org\n")
    done = run(home)
    assert done.returncode == 0
    assert "hint: control/me: mx is no full host name; others see it in the greeting and in Received\n" in done.stdout


def test_a_check_in_a_folder_that_may_not_be_searched(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the same as a file that does not exist."""
    from qmail_smtpd.session import sitecheckers

    def stat(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sitecheckers.posix, "stat", stat)
    assert sitecheckers._not_there("mine") == "checkers/mine.py: Permission denied"


def test_where_a_certificate_is_looked_for(home: Home) -> None:
    home.control("smtpcert", "server.pem\n")
    assert check(home).has("error", "server.pem", "No such file or directory in the qmail home; STARTTLS gets 454")
    home.control("server.pem", "")
    assert check(home).has("error", "server.pem", "did you mean control/server.pem?; STARTTLS gets 454")


def test_what_the_shell_can_read_is_no_finding_and_is_not_run(home: Home) -> None:
    home.control("smtpplugins", "[mail]\n:touch made; if test x; then echo N; fi # an 'apostrophe\n")
    assert check(home).findings == []
    assert not (home.path / "made").exists()


def test_the_plugins_that_a_rule_chooses(home: Home) -> None:
    home.control("others", "[rcpt]\n/nonexistent\n")
    rules = '192.0.2.1:allow,SPPCONFFILE="control/others"\n192.0.2.2:allow,SPPCONFFILE="control/none"\n'
    checked = with_rules(home, rules)
    assert checked.has("error", "control/others:2", "/nonexistent does not exist"), checked.findings
    assert checked.has("error", "RULES:2", "SPPCONFFILE=control/none: No such file"), checked.findings
    assert len(checked.findings) == 2


def test_the_names_of_milters_can_be_shadowed(home: Home) -> None:
    home.control("smtpmilters", "rspamd inet:127.0.0.1:11332\n")
    assert check(home, SHADOW="rspamd", LOGLEVEL="1").findings == []


def test_lists_that_contradict(home: Home) -> None:
    home.control("badmailfrom", "a@b.example\n@c.example\n")
    home.control("goodmailfrom", "x@y.example\n@C.example\n")
    assert check(home).has("warning", "control/goodmailfrom:2", "what control/badmailfrom:2 refuses")


def test_files_of_the_rest_of_the_family_are_left_alone(home: Home) -> None:
    for name in ("concurrencylocal", "virtualdomains", "defaulthost", "locals.lock", "badmailfrom.orig", "README"):
        home.control(name, "x\n")
    assert check(home).findings == []


def test_files_that_nobody_reads(home: Home) -> None:
    for name in ("policy", "lists.txt"):
        home.control(name, "x\n")
    assert check(home).findings == [
        "warning control no known program reads lists.txt, policy: misspelt, or left by another program?"
    ]
    home.control("smtpplugins", "[mail]\n:cat control/policy control/lists.txt\n")
    assert check(home).findings == []


def test_no_me_and_no_control(home: Home) -> None:
    (home.path / "control/me").unlink()
    assert check(home).has("error", "control/me", "does not exist")
    os.rename(home.path / "control", home.path / "old")
    assert check(home).has("error", "control", "No such file or directory")


def test_folders_links_and_permissions(home: Home) -> None:
    (home.path / "control/badmailfrom").mkdir()
    (home.path / "control/rbllist").symlink_to("nowhere")
    home.control("servercerts", "x")
    home.control("ldappassword", "secret\n").chmod(0o644)
    home.control("databytes", "0\n").chmod(0o600)
    checked = check(home)
    assert checked.has("error", "control/badmailfrom", "is a folder")
    assert checked.has("error", "control/rbllist", "is a link to a file that does not exist")
    assert checked.has("error", "control/servercerts", "must be a folder")
    assert checked.has("warning", "control/ldappassword", "everybody can read this secret")
    if os.geteuid() == 0:
        assert checked.has("warning", "control/databytes", "only root can read it")


def test_unreadable_file(public_folder: Path) -> None:
    """Root reads everything, so somebody else has to look."""
    home = Home(public_folder / "unreadable")
    home.control("badmailfrom", "x@y.example\n").chmod(0)
    nobody = 65534 if os.geteuid() == 0 else None
    argv = [str(BIN / "qmail-smtpd-check"), "--home", str(home.path)]
    done = subprocess.run(argv, capture_output=True, text=True, env={}, user=nobody, check=False)
    assert done.returncode == 2
    assert "error: control/badmailfrom: Permission denied; every session that needs it gets 421" in done.stdout


def test_whose_forged_results_stay(home: Home) -> None:
    home.control("dmarcbehavior", "2\n")
    off = '192.0.2.7:allow,SPFBEHAVIOR="0",DMARCBEHAVIOR="0"'
    found = with_rules(home, f"{off}\n:allow\n")
    assert found.has("warning", "RULES:1", "forged ones with this server's name stay")
    assert len(found.findings) == 1
    for harmless in (',DKIMVERIFY=""', ',RELAYCLIENT=""'):
        assert with_rules(home, f"{off}{harmless}\n:allow\n").findings == []
    home.control("dmarcbehavior", "0\n")
    assert with_rules(home, f"{off}\n:allow\n").findings == []


def test_what_may_not_be_read_ends_nothing(public_folder: Path) -> None:
    """Files and folders that the user may not read are reported or left out; the check goes on."""
    home = Home(public_folder / "closed")
    home.control("sessionsperprocess", "5\n").chmod(0)
    closed = [home.path / name for name in ("plugins", "checkers", "control/servercerts")]
    for folder in closed:
        folder.mkdir(mode=0)
    nobody = 65534 if os.geteuid() == 0 else None
    argv = [str(BIN / "qmail-smtpd-check"), "--home", str(home.path)]
    done = subprocess.run(argv, capture_output=True, text=True, env={}, user=nobody, check=False)
    for folder in closed:
        folder.chmod(0o700)
    assert (done.returncode, done.stderr) == (2, "")
    assert "error: control/sessionsperprocess: Permission denied" in done.stdout


def test_who_is_hit_by_a_refusal(home: Home) -> None:
    both = {"SPFBEHAVIOR": "3", "DMARCBEHAVIOR": "3"}
    found = with_rules(home, '10.:allow,RELAYCLIENT=""\n:allow\n', **both)
    assert [one for one in found.findings if "no client is exempt" in one] == []
    assert found.has("warning", "environment", "SPF refuses mail that passes DMARC by its DKIM signature")
    assert with_rules(home, '10.:allow,RELAYCLIENT=""\n:allow\n', SPFBEHAVIOR="2", DMARCBEHAVIOR="3").findings == []
    ruled = with_rules(home, '10.:allow,RELAYCLIENT=""\n:allow,SPFBEHAVIOR="4"\n', DMARCBEHAVIOR="1")
    assert ["SPF refuses mail that passes" in one for one in ruled.findings] == [True]
    home.control("relaymailfrom", "@partner.example\n")
    assert check(home, DMARCBEHAVIOR="3").findings == []
