"""Control files and variables of other versions of qmail: what to use here instead.

    FILES, VARIABLES    name -> Other
    known(name)         the Other of a variable, None for an unknown one; also for a whole family (CHKUSER_...)

They are those of netqmail with its usual patches (qregex, TLS, tarpit, validrcptto, mfcheck, SPF), sagredo's qmail with
chkuser, s/qmail, spamdyke, and the run scripts of toasters.
"""

from __future__ import annotations

GONE = "there is nothing like it here"
CHECKER = f"{GONE}, unless you add a checker (control/smtpcheckers), a plugin or a policy server for it"


class Other:
    """A file or variable. `whose` program reads it; `instead` is what to do here, as text; `here` are files and
    variables of ours: where one of them is in use, nothing is reported."""

    __slots__ = ("whose", "instead", "here")

    def __init__(self, whose: str, instead: str, here: str = "") -> None:
        self.whose = whose
        self.instead = instead
        self.here = tuple(here.split())


NETQMAIL, SAGREDO, SQMAIL, SPAMDYKE = "netqmail with patches", "sagredo's qmail", "s/qmail", "spamdyke"
SSLSERVER, RUN = "sslserver", "the run scripts of toasters"

_CERTIFICATE = "write the path of the PEM file into control/smtpcert"
_LISTS = "write the lists into control/rbllist and set RBL"
_RECIPIENTS = "set RCPTCHECK: bin/qmail-verify looks recipients up"
_RELAYERS_TOO = "move the entries to {}, where they also count for clients that may relay"
_PARTS = "write the first line of such a part into control/signatures and set REJECTEXEC"
_MX = "set RETURNMXCHECK"
_CURVES = "remove it: only elliptic curves are used for the key exchange"

FILES = {
    "servercert.pem": Other(NETQMAIL, _CERTIFICATE, "smtpcert SSLCERT"),
    "tlsserverciphers": Other(NETQMAIL, "use control/tlsciphers", "tlsciphers"),
    "clientcrl.pem": Other(NETQMAIL, f"{GONE}: revoked client certificates are still accepted"),
    "tlshosts": Other(NETQMAIL, "nothing to do: it is about outgoing mail", "me"),
    "dh512.pem": Other(NETQMAIL, _CURVES),
    "dh1024.pem": Other(NETQMAIL, _CURVES),
    "dh2048.pem": Other(NETQMAIL, _CURVES),
    "dh4096.pem": Other(SAGREDO, _CURVES),
    "rsa512.pem": Other(NETQMAIL, _CURVES),
    "rsa2048.pem": Other(NETQMAIL, _CURVES),
    "rsa4096.pem": Other(SAGREDO, _CURVES),
    "badmailto": Other(NETQMAIL, "use control/badrcptto, which has no wildcards", "badrcptto"),
    "badhelo": Other(NETQMAIL, CHECKER),
    "badhelonorelay": Other(SAGREDO, CHECKER),
    "badmailfromnorelay": Other(SAGREDO, _RELAYERS_TOO.format("control/badmailfrom")),
    "badrcpttonorelay": Other(SAGREDO, _RELAYERS_TOO.format("control/badrcptto")),
    "badmailtonorelay": Other(NETQMAIL, _RELAYERS_TOO.format("control/badrcptto")),
    "brtlimit": Other(SAGREDO, f"set SMTP550DISCONNECT or MAXRCPTCOUNT; else {GONE}"),
    "dnsbllist": Other(SAGREDO, _LISTS, "rbllist"),
    "blacklists": Other(RUN, _LISTS, "rbllist"),
    "spfguess": Other(NETQMAIL, f"{GONE}: without a record the result of SPF is none"),
    "spflocalrules": Other(SQMAIL, "use control/spfrules", "spfrules"),
    "spfexplain": Other(SQMAIL, "use control/spfexp", "spfexp"),
    "mfcheck": Other(NETQMAIL, _MX, "RETURNMXCHECK"),
    "tarpitcount": Other(NETQMAIL, "set the variable TARPITCOUNT", "TARPITCOUNT"),
    "tarpitdelay": Other(NETQMAIL, "set the variable TARPITDELAY", "TARPITDELAY"),
    "maxrcpt": Other(NETQMAIL, "set the variable MAXRCPTCOUNT", "MAXRCPTCOUNT"),
    "maxrecipients": Other(NETQMAIL, "set the variable MAXRCPTCOUNT", "MAXRCPTCOUNT"),
    "validrcptto": Other(NETQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "validrcptto.cdb": Other(NETQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "recipients": Other(SQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "recipients.cdb": Other(SQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "relayclients": Other(NETQMAIL, "set RELAYCLIENT in tcpserver's rules", "RELAYCLIENT"),
    "relaydomains": Other(NETQMAIL, "set RELAYCLIENT in tcpserver's rules", "RELAYCLIENT"),
    "badmimetypes": Other(SQMAIL, _PARTS, "signatures"),
    "badmimetypes.cdb": Other(SQMAIL, _PARTS, "signatures"),
    "badloadertypes": Other(SQMAIL, _PARTS, "signatures"),
    "badloadertypes.cdb": Other(SQMAIL, _PARTS, "signatures"),
    "mailfromrules": Other(SQMAIL, CHECKER),
    "mailfromrules.cdb": Other(SQMAIL, CHECKER),
    "spamdyke.conf": Other(
        SPAMDYKE, "keep spamdyke in front of us, or use our checks for its policies: qmail-smtpd-checkers(7)"
    ),
}

VARIABLES = {
    "DENYMAIL": Other(
        NETQMAIL,
        "set NOBOUNCE=1 for its value NOBOUNCE, RETURNMXCHECK=1 for its value DNSCHECK",
        "NOBOUNCE RETURNMXCHECK",
    ),
    "MFCHECK": Other(NETQMAIL, _MX, "RETURNMXCHECK"),
    "MFDNSCHECK": Other(SQMAIL, _MX, "RETURNMXCHECK"),
    "LOCALMFCHECK": Other(SQMAIL, "set SENDERCHECK=STRICT for submission", "SENDERCHECK"),
    "HELOCHECK": Other(SQMAIL, CHECKER),
    "HELO_DNS_CHECK": Other(SAGREDO, CHECKER),
    "NOBADHELO": Other(NETQMAIL, GONE),
    "BADMIMETYPE": Other(SQMAIL, _PARTS, "signatures"),
    "BADLOADERTYPE": Other(SQMAIL, _PARTS, "signatures"),
    "MAXRECIPIENTS": Other(SQMAIL, "set MAXRCPTCOUNT", "MAXRCPTCOUNT"),
    "MAXRCPT": Other(NETQMAIL, "set MAXRCPTCOUNT", "MAXRCPTCOUNT"),
    "RECIPIENTS450": Other(SQMAIL, GONE),
    "DELIVERTO": Other(SQMAIL, GONE),
    "QHPSI": Other(SQMAIL, "add the virus scanner's milter to control/smtpmilters", "smtpmilters"),
    "SURBL": Other(SAGREDO, "add a milter such as rspamd to control/smtpmilters", "smtpmilters"),
    "SPF": Other(SQMAIL, "set SPFBEHAVIOR", "SPFBEHAVIOR spfbehavior"),
    "UCSPITLS": Other(SQMAIL, _CERTIFICATE, "smtpcert SSLCERT"),
    "CERTFILE": Other(SSLSERVER, _CERTIFICATE, "smtpcert SSLCERT"),
    "KEYFILE": Other(SSLSERVER, "put the key into the certificate's file, or into FILE.key", "smtpcert SSLCERT"),
    "DHFILE": Other(SSLSERVER, _CURVES),
    "TLSCIPHERS": Other(SAGREDO, "use control/tlsciphers", "tlsciphers"),
    "FORCETLS": Other(SAGREDO, "set SMTPAUTH=TLSREQUIRED, which is about AUTH only"),
    "DISABLETLS": Other(SAGREDO, 'set SSLCERT=""', "SSLCERT"),
    "ALLOW_INSECURE_AUTH": Other(SAGREDO, "nothing to do: SMTPAUTH without TLSREQUIRED allows it", "SMTPAUTH"),
    "DROP_PRE_GREET": Other(SAGREDO, "set DROPRUSHGREET", "DROPRUSHGREET"),
    "REQUIRE_AUTH": Other(NETQMAIL, "set AUTHREQUIRED", "AUTHREQUIRED"),
    "ENABLE_SPP": Other(
        SAGREDO, "plugins are run for all clients; set NOSPP for those that had no ENABLE_SPP", "NOSPP"
    ),
    "SENDER_NOCHECK": Other(SAGREDO, "do not set SENDERCHECK"),
    "NODNSCHECK": Other(SAGREDO, "do not set RETURNMXCHECK"),
    "VALIDRCPTTO_CDB": Other(NETQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "RELAYREJ": Other(NETQMAIL, "set BLOCKRELAYPROBE", "BLOCKRELAYPROBE"),
    "DKIMSIGN": Other(SAGREDO, "let the queue program sign", "QMAILQUEUE"),
    "DKIMQUEUE": Other(SAGREDO, "set QMAILQUEUE to the queue program", "QMAILQUEUE"),
}
CHKUSER = Other(SAGREDO, "set RCPTCHECK, MAXRCPTCOUNT and SENDERCHECK for what chkuser does", "RCPTCHECK")


def known(name: str) -> Other | None:
    return CHKUSER if name.startswith("CHKUSER_") else VARIABLES.get(name)
