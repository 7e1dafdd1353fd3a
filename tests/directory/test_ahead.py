"""Recipients that come in one piece are looked up ahead: the verdicts are those of one after the other."""

from __future__ import annotations

import random
from pathlib import Path

from ..support.home import Home, codes
from ..support.slapd import SUFFIX, Slapd

DOMAIN = "local.example.org"


def test_verdicts_in_one_piece_are_those_of_one_by_one(server: Slapd, tmp_path: Path) -> None:
    home = Home(tmp_path / "home", {"ldapserver": server.host_port, "ldapbasedn": SUFFIX, "ldaplocaldelivery": "0"})
    home.link("qmail-verify")
    known = [f"person{number}@{DOMAIN}" for number in range(40)]
    unknown = [f"nobody{number}@{DOMAIN}" for number in range(20)]
    elsewhere = [f"someone{number}@example.org" for number in range(10)] + ["relay@far.example"]
    recipients = known + unknown + elsewhere + known[:5] + unknown[:5]
    random.Random(1).shuffle(recipients)
    expected = [554 if "nobody" in one else 553 if "far" in one else 250 for one in recipients]

    text = "MAIL FROM:<s@sender.example>\r\n" + "".join(f"RCPT TO:<{one}>\r\n" for one in recipients) + "QUIT\r\n"
    run = home.smtp(text, RCPTCHECK="")
    assert codes(run.stdout) == [220, 250, *expected, 221]


def test_what_is_asked_ahead_is_forgotten_with_the_transaction(server: Slapd, tmp_path: Path) -> None:
    """RSET between the recipients: what was asked before it does not answer for what comes after."""
    home = Home(tmp_path / "home", {"ldapserver": server.host_port, "ldapbasedn": SUFFIX, "ldaplocaldelivery": "0"})
    home.link("qmail-verify")
    text = (
        f"MAIL FROM:<s@sender.example>\r\nRCPT TO:<person1@{DOMAIN}>\r\nRCPT TO:<nobody@{DOMAIN}>\r\nRSET\r\n"
        f"MAIL FROM:<s@sender.example>\r\nRCPT TO:<nobody@{DOMAIN}>\r\nRCPT TO:<person1@{DOMAIN}>\r\nQUIT\r\n"
    )
    run = home.smtp(text, RCPTCHECK="")
    assert codes(run.stdout) == [220, 250, 250, 554, 250, 250, 554, 250, 221]
