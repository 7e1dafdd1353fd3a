#!/usr/bin/python3 -IS
"""`forgetful.py WHAT`: our program, but after each session its workers forget one of the things that they keep, a name
of FORGET. For the rows of features.py that say what keeping it is worth."""

import sys

sys.path.insert(0, __file__.rpartition("/")[0] + "/..")

from qmail_smtpd import main
from qmail_smtpd.control import hosts, tcprules
from qmail_smtpd.control.kept import Kept
from qmail_smtpd.programs import spare
from qmail_smtpd.resident.worker import Worker


def tls_contexts() -> None:
    from qmail_smtpd.net import certificates

    certificates._kept = Kept()


def ldap_connection() -> None:
    """qmail-verify is still a fork of the worker, which has imported what it needs."""
    spare.allowed = False


def compiled_rules() -> None:
    tcprules._kept = Kept()


FORGET = {
    "TLS contexts": tls_contexts,
    "LDAP connection": ldap_connection,
    "compiled rules": compiled_rules,
    "cdb files": hosts.keep,
}
forget = FORGET[sys.argv[1]]
serve = Worker._serve


def serve_and_forget(self: Worker, client: int) -> None:
    serve(self, client)
    forget()


Worker._serve = serve_and_forget
main.main()
