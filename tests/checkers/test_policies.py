"""control/smtppolicies in whole sessions: what servers are told, what each action does, and who is asked when."""

from __future__ import annotations

import json
import socket

import pytest

from ..filters.client import closed_port
from ..support.fake_policy import Attributes, FakePolicy
from ..support.home import Home, codes

ONE = (
    "EHLO client.example.net\r\nMAIL FROM:<s@sender.example> SIZE=50\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"
    "Subject: first\r\n\r\nbody\r\n.\r\n"
)
SIZE = len("Subject: first\n\nbody\n")
TWO = ONE.replace("RCPT TO", "RCPT TO:<a@example.org>\r\nRCPT TO")
QUIT = "QUIT\r\n"
PASSED = [220, 250, 250, 250, 354, 250, 221]


def use(home: Home, *servers: FakePolicy | str, options: str = "") -> None:
    """fake1, fake2... are the policy servers of the home."""
    addresses = [server if isinstance(server, str) else server.address for server in servers]
    lines = [f"fake{number} {address} {options}\n" for number, address in enumerate(addresses, 1)]
    home.control("smtppolicies", "".join(lines))


def test_what_a_server_is_told(home: Home) -> None:
    with FakePolicy("DUNNO") as server:
        use(home, server)
        assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
    (asked,) = server.asked
    assert asked.pop("instance")
    filled = {name: value for name, value in asked.items() if value}
    assert filled == {
        "request": "smtpd_access_policy",
        "protocol_state": "RCPT",
        "protocol_name": "ESMTP",
        "client_address": "192.0.2.10",
        "client_name": "client.example.net",
        "reverse_client_name": "client.example.net",
        "client_port": "54321",
        "server_address": "192.0.2.1",
        "server_port": "25",
        "helo_name": "client.example.net",
        "sender": "s@sender.example",
        "recipient": "u@example.org",
        "recipient_count": "0",
        "size": "50",
    }
    empty = {"queue_id", "sasl_method", "sasl_username", "sasl_sender", "stress", "etrn_domain", "policy_context"}
    tls = {"encryption_protocol", "encryption_cipher", "encryption_keysize"}
    certificate = {"ccert_subject", "ccert_issuer", "ccert_fingerprint", "ccert_pubkey_fingerprint"}
    assert set(asked) - set(filled) == empty | tls | certificate


@pytest.mark.parametrize(
    ("at", "state", "said", "recipient", "count", "size"),
    [
        ("data", "DATA", ONE, "u@example.org", 1, 50),
        ("data", "DATA", TWO, "", 2, 50),
        ("end", "END-OF-MESSAGE", ONE, "u@example.org", 1, SIZE),
        ("end", "END-OF-MESSAGE", TWO, "", 2, SIZE),
    ],
)
def test_at_data_and_at_the_end(
    home: Home, at: str, state: str, said: str, recipient: str, count: int, size: int
) -> None:
    with FakePolicy("DUNNO") as server:
        use(home, server, options=f"at={at}")
        assert 250 in codes(home.smtp(said + QUIT).stdout)[-2:]
    (asked,) = server.asked
    told = (asked["protocol_state"], asked["recipient"], asked["recipient_count"], asked["size"])
    assert told == (state, recipient, str(count), str(size))


def test_one_message_is_one_instance(home: Home) -> None:
    with FakePolicy("DUNNO") as server:
        use(home, server)
        home.smtp(TWO + ONE + QUIT)
    first, second, third = (asked["instance"] for asked in server.asked)
    assert first == second != third
    assert server.connections == 1


def test_recipients_that_we_refuse_are_not_asked_about(home: Home) -> None:
    home.control("badrcptto", "bad@example.org\n")
    with FakePolicy("OK") as server:
        use(home, server)
        said = "MAIL FROM:<>\r\nRCPT TO:<bad@example.org>\r\nRCPT TO:<x@elsewhere.example>\r\n"
        assert codes(home.smtp(said + QUIT).stdout) == [220, 250, 553, 553, 221]
    assert not server.asked


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("DUNNO", 250),
        ("OK", 250),
        ("REJECT no", 550),
        ("DEFER", 451),
        ("DEFER_IF_PERMIT", 451),
        ("DEFER_IF_REJECT", 250),
        ("554 5.7.1 no", 554),
        ("450", 450),
        ("WARN look", 250),
        ("INFO look", 250),
        ("FILTER smtp:[127.0.0.1]", 250),
        ("BCC x@example.org", 250),
        ("RESTRICTION_CLASS", 451),
        ("", 451),
    ],
)
@pytest.mark.parametrize("at", ["rcpt", "data", "end"])
def test_each_action(home: Home, at: str, action: str, code: int) -> None:
    with FakePolicy(action) as server:
        use(home, server, options=f"at={at}")
        done = home.smtp(ONE + QUIT, LOGLEVEL="2")
    place = {"rcpt": 3, "data": 4, "end": 5}[at]
    heard = codes(done.stdout)
    assert heard[place] == (354 if at == "data" and code == 250 else code)
    assert bool(home.queued()) is (code == 250)
    if action.split(" ")[0] in ("WARN", "INFO", "FILTER", "BCC"):
        assert f"filter fake1: {action}".encode() in done.stderr


def test_an_unknown_action_is_the_default(home: Home) -> None:
    with FakePolicy("PERMIT_AUTH_DESTINATION") as server:
        use(home, server, options="default=accept")
        done = home.smtp(ONE + QUIT, LOGLEVEL="1")
    assert codes(done.stdout) == PASSED
    assert b"filter fake1 failed: unknown action PERMIT_AUTH_DESTINATION" in done.stderr


def test_ok_asks_no_later_server_about_this_command(home: Home) -> None:
    def only_a(asked: Attributes) -> str:
        return "OK" if asked["recipient"] == "a@example.org" else "DUNNO"

    with FakePolicy(only_a) as first, FakePolicy("REJECT") as second:
        use(home, first, second)
        assert codes(home.smtp(TWO + QUIT).stdout) == [220, 250, 250, 250, 550, 354, 250, 221]
    assert [asked["recipient"] for asked in second.asked] == ["u@example.org"]


@pytest.mark.parametrize(
    ("actions", "line"),
    [
        (("DEFER_IF_REJECT later", "REJECT no"), b"451 later (#4.7.1)"),
        (("DEFER_IF_REJECT later", "454 no"), b"454 no"),
        (("REJECT no", "DEFER_IF_REJECT later"), b"550 no (#5.7.1)"),
        (("DEFER_IF_PERMIT later", "REJECT no"), b"550 no (#5.7.1)"),
        (("DEFER_IF_PERMIT later", "DUNNO"), b"451 later (#4.7.1)"),
        (("DEFER_IF_PERMIT later", "OK"), b"451 later (#4.7.1)"),
        (("DEFER_IF_REJECT later", "DUNNO"), b"250 recipient ok"),
    ],
)
def test_deferrals_that_depend_on_later_servers(home: Home, actions: tuple[str, str], line: bytes) -> None:
    with FakePolicy(actions[0]) as first, FakePolicy(actions[1]) as second:
        use(home, first, second)
        done = home.smtp(ONE.partition("DATA")[0] + QUIT)
    assert done.stdout.split(b"\r\n")[-3] == line


def test_prepend_and_hold(home: Home) -> None:
    with FakePolicy("PREPEND X-Grey: yes") as first, FakePolicy("HOLD odd") as second:
        use(home, first, second)
        assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
        home.control("smtppolicies", f"fake1 {first.address} at=data\n")
        assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
    both, one = home.queued()
    assert both.message.startswith(b"X-Quarantine: odd\nX-Grey: yes\nReceived: ")
    assert one.message.startswith(b"X-Grey: yes\nReceived: ")


@pytest.mark.parametrize("action", ["PREPEND X-Late: yes", "HOLD"])
def test_the_header_has_gone_at_the_end(home: Home, action: str) -> None:
    with FakePolicy(action) as server:
        use(home, server, options="at=end")
        done = home.smtp(ONE + QUIT, LOGLEVEL="1")
    assert codes(done.stdout) == [*PASSED[:5], 451, 221]
    assert b"at the end of the message, when the header is written already" in done.stderr


@pytest.mark.parametrize("at", ["rcpt", "data", "end"])
def test_discard_and_redirect(home: Home, at: str) -> None:
    with FakePolicy("DISCARD") as server:
        use(home, server, options=f"at={at}")
        done = home.smtp(ONE + QUIT)
        assert codes(done.stdout) == PASSED
        assert b"message discarded by fake1" in done.stderr
        assert not home.queued()
    with FakePolicy("REDIRECT <new@elsewhere.example>") as server:
        use(home, server, options=f"at={at}")
        assert codes(home.smtp(TWO + QUIT).stdout)[-2:] == [250, 221]
    assert home.queued()[0].recipients == ["new@elsewhere.example"]


def test_trouble_is_the_default(home: Home) -> None:
    for default, code in (("tempfail", 451), ("accept", 250)):
        use(home, f"inet:127.0.0.1:{closed_port()}", options=f"default={default}")
        done = home.smtp(ONE.partition("DATA")[0] + QUIT, LOGLEVEL="1")
        assert codes(done.stdout) == [220, 250, 250, code, 221]
        assert b"filter fake1 failed: Connection refused" in done.stderr


def test_shadow(home: Home) -> None:
    actions = [
        "OK",
        "DISCARD",
        "REDIRECT x@y.example",
        "PREPEND X-Grey: yes",
        "DEFER_IF_PERMIT",
        "DEFER_IF_REJECT",
        "REJECT",
    ]
    for action in actions:
        with FakePolicy(action) as first, FakePolicy("DUNNO") as second:
            use(home, first, second)
            done = home.smtp(ONE + QUIT, SHADOW="fake1", LOGLEVEL="1")
            assert codes(done.stdout) == PASSED
            assert second.asked
        said = b"would refuse: 550" if action == "REJECT" else f"would say: {action}".encode()
        assert b"shadow fake1 " + said in done.stderr
    queued = home.queued()
    assert len(queued) == len(actions)
    assert all(q.recipients == ["u@example.org"] and q.message.startswith(b"Received") for q in queued)


def test_the_json_log_has_actions_and_times(home: Home) -> None:
    with FakePolicy("DUNNO") as first, FakePolicy("OK sure") as second:
        use(home, first, second)
        done = home.smtp(ONE + QUIT, LOGFORMAT="json")
    lines = [json.loads(line) for line in done.stderr.split(b"\n") if line]
    (message,) = [line for line in lines if line["event"] == "message"]
    assert [(one["filter"], one["verdict"]) for one in message["results"]] == [("fake1", "DUNNO"), ("fake2", "OK sure")]
    assert all(one["ms"] > 0 for one in message["results"])


def test_for_and_authentication(home: Home) -> None:
    home.program("auth_smtp", "#!/bin/sh\nprintf 'Kjoe\\0'\n")
    said = ONE + "AUTH PLAIN AGpvZQBwYXNz\r\n" + ONE.partition("\r\n")[2].replace(" SIZE=50", " AUTH=joe@x") + QUIT
    with FakePolicy("DUNNO") as server:
        use(home, server, options="for=authenticated")
        home.smtp(said, SMTPAUTH="")
    (asked,) = server.asked
    assert (asked["sasl_method"], asked["sasl_username"], asked["sasl_sender"]) == ("PLAIN", "joe", "joe@x")


def test_a_malformed_line_is_fatal(home: Home) -> None:
    home.control("smtppolicies", "fake inet:127.0.0.1:1 at=mail\n")
    done = home.smtp(QUIT)
    assert codes(done.stdout) == [421]
    assert b"control/smtppolicies:1: at= must be one of rcpt, data, end" in done.stderr


def test_a_hung_server_delays_a_message_once(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for default, code in (("tempfail", 451), ("accept", 250)):
            use(home, f"inet:127.0.0.1:{silent.getsockname()[1]}", options=f"timeout=1 default={default}")
            done = home.smtp(TWO.partition("DATA")[0] + QUIT, LOGLEVEL="1")
            assert codes(done.stdout) == [220, 250, 250, code, code, 221]
            assert done.stderr.count(b"filter fake1 failed: no answer in time") == 1


def test_a_message_whose_mail_a_plugin_took_has_an_instance_of_its_own(home: Home) -> None:
    home.control("smtpplugins", "[mail]\n:echo O\n")
    with FakePolicy("DUNNO") as server:
        use(home, server)
        home.smtp(ONE + ONE + QUIT)
    first, second = (asked["instance"] for asked in server.asked)
    assert first and second and first != second
