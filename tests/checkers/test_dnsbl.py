"""RBL over real name servers, end to end: SPEC section 9."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.checkers import dnsbl
from qmail_smtpd.control.files import ControlError, ListFile

from ..support.dns import Relay
from ..support.home import Home, codes
from ..support.processes import BIN, program

MAIL = "MAIL FROM:<s@sender.example>\r\n"
MESSAGE = MAIL + "RCPT TO:<u@example.org>\r\nDATA\r\nSubject: t\r\n\r\nbody\r\n.\r\nQUIT\r\n"

Answered = subprocess.CompletedProcess
Ask = Callable[..., "Answered[bytes]"]


@pytest.fixture
def ask(home: Home, list_server: int) -> Ask:
    """Run a session with this rbllist; its name server is rbldnsd unless `port` says otherwise."""

    def run(rbllist: str, text: str = MAIL + "QUIT\r\n", port: int = list_server, **env: str) -> Answered[bytes]:
        home.control("rbllist", rbllist)
        done = home.smtp(text, **{"RBL": "", "DNSCACHEIP": f"127.0.0.1:{port}", **env})
        assert b"Traceback" not in done.stderr and b"failed at" not in done.stderr, done.stderr
        return done

    return run


def refused(done: Answered[bytes]) -> bool:
    """Whether the one MAIL of the session got 553; else it was accepted."""
    code = codes(done.stdout)[1]
    assert code in (250, 553), done.stdout
    return code == 553


@pytest.mark.parametrize(
    ("rbllist", "refuses"),
    [
        ("listed.test reject any you are listed", True),
        ("LISTED.test REJECT ANY you are listed", True),
        ("listed.test. reject any absolute name", True),
        ("listed.test whatever any every other action rejects", True),
        ("listed.test reject 127.0.0.2 that address", True),
        ("listed.test reject 127.0.0.3 another address", False),
        ("listed.test reject nonsense not an address", False),
        ("listed.test addheader any only a tag", False),
        ("unlisted.test reject any not you", False),
        ("several.test reject 127.0.0.4 second of several", True),
        ("several.test reject 127.0.0.5 none of several", False),
        ("unlisted.test reject any no\nelsewhere.test reject any refused\nlisted.test reject any yes", True),
        ("foreign.test reject any sold to an advertiser", False),
        ("foreign.test reject 203.0.113.5 sold to an advertiser", False),
        ("forbidden.test reject any not for you", False),
        ("forbidden.test reject 127.255.255.254 so be it", True),
        ("nobody.test reject any a resolver that invents answers", False),
        ("nobody.test reject 127.0.0.1 never", False),
        ("nobody.test reject 0.0.0.0 never", False),
        ("half.test reject any one of them counts", True),
        ("half.test reject 127.255.255.254 named", True),
        ("half.test reject 203.0.113.5 foreign", False),
    ],
)
def test_verdict(ask: Ask, rbllist: str, refuses: bool) -> None:
    assert refused(ask(rbllist + "\n")) == refuses


def test_message_and_log_of_a_refusal(ask: Ask) -> None:
    done = ask("unlisted.test reject any no\n# remark\n\nlisted.test\treject \t any\t see  http://listed.test/ \n")
    assert b"\r\n553 see  http://listed.test/ (#5.7.1)\r\n" in done.stdout
    assert b": rbl refused s@sender.example: listed.test: see  http://listed.test/\n" in done.stderr
    assert b"(control/rbllist:4)" in done.stderr


def test_first_match_in_file_order(ask: Ask) -> None:
    done = ask("several.test reject 127.0.0.9 a\nseveral.test reject 127.0.0.7 b\nlisted.test reject any c\n")
    assert b"\r\n553 b (#5.7.1)\r\n" in done.stdout


@pytest.mark.parametrize("env", [{}, {"RBLONLYHEADER": ""}], ids=["addheader", "RBLONLYHEADER"])
def test_headers(ask: Ask, home: Home, env: dict[str, str]) -> None:
    action = "reject" if env else "addheader"
    rbllist = (
        f"listed.test {action} any one\nunlisted.test {action} any two\nseveral.test {action} 127.0.0.7 three\x01\n"
    )
    assert codes(ask(rbllist, MESSAGE, **env).stdout) == [220, 250, 250, 354, 250, 221]
    (message,) = home.queued()
    expected = b"X-RBL: (listed.test) tells us one\nX-RBL: (several.test) matches with 127.0.0.7 and tells us three\n"
    assert message.message.startswith(expected + b"Received: ")


def test_headers_belong_to_their_transaction(ask: Ask, home: Home) -> None:
    home.control("goodmailfrom", "good@sender.example\n")
    text = MAIL + MAIL + "MAIL FROM:<good@sender.example>\r\n" + MESSAGE.partition("\r\n")[2]
    ask("listed.test addheader any tagged\n", text)
    ask("listed.test addheader any tagged\n", MAIL + MESSAGE)
    without, tagged_once = home.queued()
    assert without.message.startswith(b"Received: ")
    assert tagged_once.message.count(b"X-RBL:") == 1


@pytest.mark.parametrize(
    ("ip", "refuses"),
    [
        ("192.0.2.10", True),
        ("192.0.2.11", False),
        ("::ffff:192.0.2.10", True),
        ("::ffff:c000:20a", True),
        ("2001:db8::1", True),
        ("2001:DB8:0:0:1::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", False),
        ("unknown", False),
        ("", False),
        ("192.0.2.10.", False),
        ("192.0.2", False),
        ("\xe9", False),
    ],
)
def test_clients(ask: Ask, ip: str, refuses: bool) -> None:
    assert refused(ask("listed.test reject any listed\n", TCPREMOTEIP=ip)) == refuses


def test_who_is_not_asked_about(ask: Ask, home: Home, list_server: int) -> None:
    home.control("goodmailfrom", "@sender.example\n")
    home.control("relaymailfrom", "@relay.example\n")
    with Relay(list_server) as relay:
        listed = "listed.test reject any listed\n"
        assert not refused(ask(listed, port=relay.port))
        assert not refused(ask(listed, "MAIL FROM:<a@relay.example>\r\n", port=relay.port))
        assert not refused(ask(listed, "MAIL FROM:<a@other.example>\r\n", port=relay.port, RELAYCLIENT=""))
        assert not relay.names
        assert refused(ask(listed, "MAIL FROM:<>\r\n", port=relay.port))


@pytest.mark.parametrize(
    "trouble", ["broken.test", "elsewhere.test", "a..b", "l" * 64 + ".test", "caf\xe9.test", "\\000.test"]
)
def test_a_list_in_trouble_is_logged_and_passed_over(ask: Ask, zone_server: int, trouble: str) -> None:
    done = ask(f"{trouble} reject any trouble\nlist.cnames.test reject any found\n", port=zone_server)
    assert b"\r\n553 found (#5.7.1)\r\n" in done.stdout
    line = next(line for line in done.stderr.split(b"\n") if b"unavailable" in line)
    assert b": rbl " + trouble[:3].encode("latin1") in line or trouble.startswith("\\")


def test_answers_that_do_not_count_are_logged(ask: Ask) -> None:
    log = ask("foreign.test reject any a\nforbidden.test reject any b\nforbidden.test reject 127.255.255.1 c\n").stderr
    assert b"rbl foreign.test answer 203.0.113.5 ignored: not in 127.0.0.0/8" in log
    assert b"rbl forbidden.test answer 127.255.255.254 ignored: the list does not answer" in log
    log = ask("nobody.test reject any a\n").stderr
    assert b"rbl nobody.test answer 127.0.0.1 ignored: it never means a listed client" in log
    assert b"ignored" not in ask("forbidden.test reject 127.255.255.254 named\n").stderr


def test_cname_and_truncated_answer(ask: Ask, zone_server: int) -> None:
    assert refused(ask("list.cnames.test reject 127.0.0.5 by cname\n", port=zone_server))
    assert refused(ask("long.cnames.test reject 127.0.119.2 over TCP\n", port=zone_server))


def test_all_lists_are_asked_at_once(ask: Ask, list_server: int) -> None:
    """The relay passes nothing on before it has all the questions."""
    names = [f"l{number}.test" for number in range(20)]
    with Relay(list_server, together=21) as relay:
        rbllist = "".join(f"{name} reject any no\n" for name in names) + "listed.test reject any listed\n"
        assert refused(ask(rbllist, port=relay.port))


def test_silent_lists_are_bounded_and_cost_no_other_its_answer(ask: Ask, home: Home, list_server: int) -> None:
    home.control("rbltimeout", "2\n")
    with Relay(list_server) as relay:
        silent = "".join(f"l{number}.silent.test reject any no\n" for number in range(8))
        done = ask(silent + "listed.test reject any listed\n", port=relay.port)
    assert refused(done)
    assert done.stderr.count(b"unavailable") == 8


def test_a_server_that_never_answers(ask: Ask, home: Home) -> None:
    home.control("rbltimeout", "0 is taken for 1\n")
    with Relay(0) as relay:
        done = ask("l.silent.test reject any no\n", MAIL * 4 + "QUIT\r\n", port=relay.port)
    assert codes(done.stdout) == [220, 250, 250, 250, 250, 221]
    assert done.stderr.count(b"rbl l.silent.test unavailable") == dnsbl.MOST_FAILURES


def test_answers_hold_for_the_session(ask: Ask, list_server: int) -> None:
    with Relay(list_server) as relay:
        rbllist = "unlisted.test reject any a\nlisted.test reject any b\nListed.Test addheader any c\n"
        done = ask(rbllist, MAIL * 3 + "RSET\r\n" + MAIL + "QUIT\r\n", port=relay.port)
        assert codes(done.stdout) == [220, 553, 553, 553, 250, 553, 221]
        assert sorted(relay.names) == ["10.2.0.192.listed.test", "10.2.0.192.unlisted.test"]


def test_replies_are_out_before_the_lists_are_asked(home: Home) -> None:
    """A client that pipelines has its earlier replies while the lists are silent."""
    home.control("rbllist", "l.silent.test reject any no\n")
    home.control("rbltimeout", "600\n")
    with Relay(0) as relay:
        client, server = socket.socketpair()
        env = home.env(RBL="", DNSCACHEIP=f"127.0.0.1:{relay.port}")
        with (
            client,
            server,
            subprocess.Popen([str(BIN / "qmail-smtpd")], env=env, stdin=server, stdout=server) as process,
        ):
            client.settimeout(30)
            client.sendall(f"NOOP\r\n{MAIL}QUIT\r\n".encode())
            replies = b""
            while replies.count(b"\r\n") < 2:
                replies += client.recv(1024)
            assert codes(replies) == [220, 250]
            process.kill()


@pytest.mark.parametrize("line", ["listed.test", "listed.test reject", "listed.test reject any", "a\tb  c\t \r"])
def test_malformed_list(home: Home, line: str) -> None:
    home.control("rbllist", f"listed.test reject any fine\n{line}\n")
    done = home.smtp("QUIT\r\n", RBL="")
    assert (codes(done.stdout), done.returncode) == ([421], 1)
    assert b"(#4.3.0)" in done.stdout and b"control/rbllist:2" in done.stderr
    assert codes(home.smtp("QUIT\r\n").stdout) == [220, 221]


@pytest.mark.parametrize("seconds", ["2147484", "99999999999999999999999"])
def test_a_timeout_that_is_too_long_for_poll(home: Home, ask: Ask, seconds: str) -> None:
    home.control("rbltimeout", f"{seconds}\n")
    assert refused(ask("listed.test reject any no\n"))


def test_unreadable_timeout(home: Home) -> None:
    (home.path / "control" / "rbltimeout").mkdir()
    assert codes(home.smtp("QUIT\r\n").stdout) == [220, 221]
    home.control("rbllist", "listed.test reject any fine\n")
    assert codes(home.smtp("QUIT\r\n", RBL="").stdout) == [421]


@pytest.mark.parametrize("rbllist", [None, "", "# nothing\n"])
def test_without_lists(home: Home, rbllist: str | None) -> None:
    if rbllist is not None:
        home.control("rbllist", rbllist)
    assert codes(home.smtp(MAIL + "QUIT\r\n", RBL="").stdout) == [220, 250, 221]


def test_trouble_of_our_own_defers(home: Home, list_server: int) -> None:
    """A listed client is not let in because there is no descriptor for a second question."""
    home.control("rbllist", "unlisted.test reject any no\nlisted.test reject any listed\n")
    done = subprocess.run(
        [program("prlimit"), "--nofile=4", str(BIN / "qmail-smtpd")],
        input=(MAIL + "QUIT\r\n").encode(),
        env=home.env(RBL="", DNSCACHEIP=f"127.0.0.1:{list_server}"),
        capture_output=True,
        timeout=60,
    )
    assert codes(done.stdout) == [220, 451, 221]
    assert b"checker dnsbl failed at mail: OSError: [Errno 24]" in done.stderr
    assert b"rbl refused" not in done.stderr


def test_softlimit_does_not_stop_the_lists(home: Home, list_server: int) -> None:
    """`softlimit -m N` of daemontools limits the stack too, from which threads would take theirs."""
    home.control("rbllist", "listed.test reject any listed\n")
    limits = [f"--{name}=40000000" for name in ("data", "stack", "as")]
    done = subprocess.run(
        [program("prlimit"), *limits, str(BIN / "qmail-smtpd")],
        input=(MAIL + "QUIT\r\n").encode(),
        env=home.env(RBL="", DNSCACHEIP=f"127.0.0.1:{list_server}"),
        capture_output=True,
        timeout=60,
    )
    assert codes(done.stdout) == [220, 553, 221]


@pytest.mark.parametrize("trouble", ["a list", "ours"])
def test_the_json_log_tells_trouble_whatever_the_level(home: Home, list_server: int, trouble: str) -> None:
    home.control("rbllist", "elsewhere.test reject any no\nunlisted.test reject any no\n")
    limit = "--nofile=4" if trouble == "ours" else "--nofile=64"
    done = subprocess.run(
        [program("prlimit"), limit, str(BIN / "qmail-smtpd")],
        input=(MAIL + "QUIT\r\n").encode(),
        env=home.env(RBL="", DNSCACHEIP=f"127.0.0.1:{list_server}", LOGFORMAT="json", LOGLEVEL="0"),
        capture_output=True,
        timeout=60,
    )
    assert codes(done.stdout) == [220, 451 if trouble == "ours" else 250, 221]
    told = [json.loads(line) for line in done.stderr.split(b"\n") if line]
    (text,) = [line["text"] for line in told if line["event"] == "log"]
    assert ("checker dnsbl failed" if trouble == "ours" else "rbl elsewhere.test unavailable: REFUSED") in text


@pytest.mark.parametrize("address", [b"127.0.0.1", b"0.0.0.0", b"192.0.2.1", b"1270.0.0.2"])
def test_what_no_list_says(address: bytes) -> None:
    """Neither as one of all answers nor by name."""
    for matchon in (b"any", address):
        assert not dnsbl.DnsList(b"list.test", b"reject", matchon, b"text", b"").matches([address])
        assert dnsbl.DnsList(b"list.test", b"reject", b"any", b"text", b"").matches([address, b"127.0.0.2"])


@given(st.lists(st.binary()))
def test_lines_are_entries_or_a_control_error(lines: list[bytes]) -> None:
    try:
        entries = dnsbl.read(ListFile("rbllist", b"\n".join(lines)))
    except ControlError as error:
        assert error.path.startswith(b"control/rbllist:")
        return
    for entry in entries:
        assert entry.base and isinstance(entry.matches([b"127.0.0.2", b"127.255.255.254"]), bool)
        assert entry.header().endswith(b"\n") and entry.header().count(b"\n") == 1
