"""bin/qmail-smtpd-check --online: whether the servers that a home names answer, asked for real."""

from __future__ import annotations

from qmail_smtpd.filters import milter

from ..filters.client import closed_port
from ..support.checked import check
from ..support.fake_milter import HANG, FakeMilter
from ..support.fake_policy import FakePolicy
from ..support.home import Home
from ..support.processes import free_port
from ..support.slapd import READER, READER_PASSWORD, SUFFIX, generated, slapd
from ..support.zone import served

TWICE = "".join(
    f"""
dn: uid={name},ou=people,{SUFFIX}
objectClass: inetOrgPerson
cn: {name}
sn: {name}
mail: nobody@qmail-smtpd-check.invalid
"""
    for name in ("one", "two")
)

REFERRAL = f"""
dn: ou=branch,{SUFFIX}
objectClass: referral
objectClass: extensibleObject
ou: branch
ref: ldap://127.0.0.1:1/ou=branch,{SUFFIX}
"""


def test_directory_server(home: Home) -> None:
    home.control("ldapbasedn", SUFFIX)
    dead = f"127.0.0.1:{free_port()}"
    with slapd(generated(2)) as server, server.running():
        home.control("ldapserver", f"{server.host_port}\n")
        assert check(home, "--online").findings == []
        home.control("ldapserver", f"{server.host_port}\n{dead}\n")
        checked = check(home, "--online")
    assert checked.has("error", "control/ldapserver", f"ldap://{dead} does not answer")
    assert len(checked.findings) == 1
    assert check(home).findings == []  # nobody is asked without --online


def test_dns_lists(home: Home) -> None:
    here = {"A": ["127.0.0.2"]}
    zone = {
        "2.0.0.127.good.test": here,
        "2.0.0.127.all.test": here,
        "1.0.0.127.all.test": here,
        "2.0.0.127.broken.test": {"rcode": "SERVFAIL"},
        "1.0.0.127.broken.test": {"rcode": "SERVFAIL"},
    }
    names = ("good", "all", "broken", "empty")
    home.control("rbllist", "".join(f"{name}.test reject any Listed.\n" for name in names))
    with served(zone) as port:
        checked = check(home, "--online", DNSCACHEIP=f"127.0.0.1:{port}")
    assert checked.has("error", "control/rbllist:2", "all.test lists 127.0.0.1: it lists every client")
    assert checked.has("error", "control/rbllist:3", "broken.test does not answer")
    assert checked.has("warning", "control/rbllist:4", "empty.test does not list 127.0.0.2")
    assert len(checked.findings) == 3


def test_dns_lists_through_the_servers_of_a_rule(home: Home) -> None:
    """A session asks the lists there, and nobody else."""
    home.control("rbllist", "good.test reject any Listed.\n")
    rules = home.path / "rules"
    with served({"2.0.0.127.good.test": {"A": ["127.0.0.2"]}}) as good, served({}) as empty:
        rules.write_text(f':allow,RBL="",DNSCACHEIP="127.0.0.1:{good}"\n')
        assert check(home, "--online", "--rules", str(rules), DNSCACHEIP=f"127.0.0.1:{empty}").findings == []
        rules.write_text(f':allow,RBL="",DNSCACHEIP="127.0.0.1:{empty}"\n')
        checked = check(home, "--online", "--rules", str(rules), DNSCACHEIP=f"127.0.0.1:{good}")
    assert checked.has("warning", "control/rbllist:1", "good.test does not list 127.0.0.2")


def test_name_servers_of_spf_and_the_like(home: Home) -> None:
    """If none answers, DMARC and others defer all mail; nobody is asked if no check needs it."""
    dead = f"127.0.0.1:{free_port()}"
    with served({}) as port:
        alive = f"127.0.0.1:{port}"
        for name, value in (("SPFBEHAVIOR", "2"), ("DMARCBEHAVIOR", "1"), ("DKIMVERIFY", ""), ("RETURNMXCHECK", "")):
            assert check(home, "--online", DNSCACHEIP=alive, **{name: value}).findings == []
            checked = check(home, "--online", DNSCACHEIP=dead, **{name: value})
            text = f"DNSCACHEIP: the name server {dead} does not answer: Connection refused"
            assert checked.findings == [f"error environment {text}"]
        assert check(home, "--online", DNSCACHEIP=dead, SPFBEHAVIOR="0").findings == []
        home.control("spfbehavior", "2\n")
        checked = check(home, "--online", DNSCACHEIP=f"{dead} {alive}")
        assert checked.has("warning", "environment", f"the name server {dead} does not answer"), checked.findings
        rules = home.path / "rules"
        rules.write_text(f':allow,DNSCACHEIP="{dead}"\n')
        checked = check(home, "--online", "--rules", str(rules), DNSCACHEIP=alive)
        assert checked.has("error", f"{rules}:1", f"the name server {dead} does not answer"), checked.findings
        assert check(home, DNSCACHEIP=dead).findings == []  # nobody is asked without --online


def test_a_directory_server_that_refuses_us(home: Home) -> None:
    home.control("ldapbasedn", SUFFIX)
    home.control("ldaplogin", READER)
    with slapd(generated(2)) as server, server.running():
        home.control("ldapserver", f"{server.host_port}\n")
        home.control("ldappassword", READER_PASSWORD).chmod(0o600)
        assert check(home, "--online").findings == []
        home.control("ldappassword", "something else")
        checked = check(home, "--online")
    assert checked.has("error", "control/ldapserver", "does not answer", "Invalid credentials")


def test_a_directory_server_that_refers_to_others(home: Home) -> None:
    """As Active Directory does at the root of a domain: no address is ever unknown there."""
    home.control("ldapbasedn", SUFFIX)
    with slapd(generated(2) + REFERRAL) as server, server.running():
        home.control("ldapserver", f"{server.host_port}\n")
        checked = check(home, "--online")
    assert checked.has("warning", "control/ldapbasedn", "unknown addresses are deferred", "3268")
    assert len(checked.findings) == 1


def test_a_directory_server_that_finds_too_much_answers(home: Home) -> None:
    home.control("ldapbasedn", SUFFIX)
    with slapd(generated(2) + TWICE) as server, server.running():
        home.control("ldapserver", f"{server.host_port}\n")
        assert check(home, "--online").findings == []


def test_settings_with_which_no_directory_can_be_asked(home: Home) -> None:
    home.control("ldapserver", "# none yet\n")
    assert check(home, "--online").has("error", "control/ldapserver", "no server named")


def test_milters_and_policy_servers(home: Home) -> None:
    with FakeMilter() as fake, FakePolicy("DUNNO") as policy, FakeMilter({milter.NEGOTIATE: [HANG]}) as hung:
        home.control("smtpmilters", f"one {fake.address}\n")
        home.control("smtppolicies", f"two {policy.address}\n")
        assert check(home, "--online").findings == []
        assert not policy.asked
        home.control(
            "smtpmilters", f"one unix:/nowhere\ntwo {policy.address} timeout=1\nthree {hung.address} timeout=1\n"
        )
        home.control("smtppolicies", f"# x\ntwo inet:127.0.0.1:{closed_port()}\n")
        checked = check(home, "--online")
        assert checked.has("error", "control/smtpmilters:1", "one does not answer: No such file or directory")
        assert checked.has("error", "control/smtpmilters:3", "three does not answer: no answer in time")
        assert checked.has("error", "control/smtppolicies:2", "two does not answer: Connection refused")
        assert [one for one in check(home).findings if "answer" in one] == []
