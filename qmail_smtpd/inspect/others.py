"""Control files and variables of other qmails, by name: what to use here instead.

    FILES, VARIABLES    name -> Other
    known(name)         the Other of a variable, also of those that are many (CHKUSER_...)

Of netqmail with its usual patches (qregex, TLS, tarpit, validrcptto, mfcheck, SPF), sagredo's qmail and its chkuser,
s/qmail, spamdyke and the run scripts of toasters. An Other that names `here`, files and variables of ours, says nothing
where one of these is in use.
"""

from __future__ import annotations

GONE = "no counterpart here: this policy is gone"
CHECKER = f"{GONE}, unless a checker (control/smtpcheckers), a plugin or a policy server has it"


class Other:
    """`whose` program reads it; `instead` is for people; `here` answers for it."""

    __slots__ = ("whose", "instead", "here")

    def __init__(self, whose: str, instead: str, here: str = "") -> None:
        self.whose = whose
        self.instead = instead
        self.here = tuple(here.split())


NETQMAIL, SAGREDO, SQMAIL, SPAMDYKE = "netqmail with patches", "sagredo's qmail", "s/qmail", "spamdyke"
SSLSERVER, RUN = "sslserver", "the run scripts of toasters"

_CERTIFICATE = "name the PEM file in control/smtpcert"
_LISTS = "write the lists into control/rbllist and set RBL"
_RECIPIENTS = "set RCPTCHECK: bin/qmail-verify knows who there is"
_RELAYERS_TOO = "{}, whose entries count for clients that relay too"
_PARTS = "write the first line of such a part into control/signatures and set REJECTEXEC"
_MX = "set RETURNMXCHECK"
_CURVES = "nothing: keys are exchanged on elliptic curves"

FILES = {
    "servercert.pem": Other(NETQMAIL, _CERTIFICATE, "smtpcert SSLCERT"),
    "tlsserverciphers": Other(NETQMAIL, "control/tlsciphers", "tlsciphers"),
    "clientcrl.pem": Other(NETQMAIL, f"{GONE}: client certificates that were revoked are still taken"),
    "tlshosts": Other(NETQMAIL, "nothing: it is about outgoing mail", "me"),
    "dh512.pem": Other(NETQMAIL, _CURVES),
    "dh1024.pem": Other(NETQMAIL, _CURVES),
    "dh2048.pem": Other(NETQMAIL, _CURVES),
    "dh4096.pem": Other(SAGREDO, _CURVES),
    "rsa512.pem": Other(NETQMAIL, _CURVES),
    "rsa2048.pem": Other(NETQMAIL, _CURVES),
    "rsa4096.pem": Other(SAGREDO, _CURVES),
    "badmailto": Other(NETQMAIL, "control/badrcptto, which has no wildcards", "badrcptto"),
    "badhelo": Other(NETQMAIL, CHECKER),
    "badhelonorelay": Other(SAGREDO, CHECKER),
    "badmailfromnorelay": Other(SAGREDO, _RELAYERS_TOO.format("control/badmailfrom")),
    "badrcpttonorelay": Other(SAGREDO, _RELAYERS_TOO.format("control/badrcptto")),
    "badmailtonorelay": Other(NETQMAIL, _RELAYERS_TOO.format("control/badrcptto")),
    "brtlimit": Other(SAGREDO, f"SMTP550DISCONNECT or MAXRCPTCOUNT; else {GONE}"),
    "dnsbllist": Other(SAGREDO, _LISTS, "rbllist"),
    "blacklists": Other(RUN, _LISTS, "rbllist"),
    "spfguess": Other(NETQMAIL, f"{GONE}: without a record SPF says none"),
    "spflocalrules": Other(SQMAIL, "control/spfrules", "spfrules"),
    "spfexplain": Other(SQMAIL, "control/spfexp", "spfexp"),
    "mfcheck": Other(NETQMAIL, _MX, "RETURNMXCHECK"),
    "tarpitcount": Other(NETQMAIL, "the variable TARPITCOUNT", "TARPITCOUNT"),
    "tarpitdelay": Other(NETQMAIL, "the variable TARPITDELAY", "TARPITDELAY"),
    "maxrcpt": Other(NETQMAIL, "the variable MAXRCPTCOUNT", "MAXRCPTCOUNT"),
    "maxrecipients": Other(NETQMAIL, "the variable MAXRCPTCOUNT", "MAXRCPTCOUNT"),
    "validrcptto": Other(NETQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "validrcptto.cdb": Other(NETQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "recipients": Other(SQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "recipients.cdb": Other(SQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "relayclients": Other(NETQMAIL, "RELAYCLIENT in tcpserver's rules", "RELAYCLIENT"),
    "relaydomains": Other(NETQMAIL, "RELAYCLIENT in tcpserver's rules", "RELAYCLIENT"),
    "badmimetypes": Other(SQMAIL, _PARTS, "signatures"),
    "badmimetypes.cdb": Other(SQMAIL, _PARTS, "signatures"),
    "badloadertypes": Other(SQMAIL, _PARTS, "signatures"),
    "badloadertypes.cdb": Other(SQMAIL, _PARTS, "signatures"),
    "mailfromrules": Other(SQMAIL, CHECKER),
    "mailfromrules.cdb": Other(SQMAIL, CHECKER),
    "spamdyke.conf": Other(
        SPAMDYKE, "a check for each policy: qmail-smtpd-checkers(7); spamdyke goes on in front of us"
    ),
}

VARIABLES = {
    "DENYMAIL": Other(
        NETQMAIL, "NOBOUNCE=1 for its value NOBOUNCE, RETURNMXCHECK=1 for its value DNSCHECK", "NOBOUNCE RETURNMXCHECK"
    ),
    "MFCHECK": Other(NETQMAIL, _MX, "RETURNMXCHECK"),
    "MFDNSCHECK": Other(SQMAIL, _MX, "RETURNMXCHECK"),
    "LOCALMFCHECK": Other(SQMAIL, "SENDERCHECK=STRICT for submission", "SENDERCHECK"),
    "HELOCHECK": Other(SQMAIL, CHECKER),
    "HELO_DNS_CHECK": Other(SAGREDO, CHECKER),
    "NOBADHELO": Other(NETQMAIL, GONE),
    "BADMIMETYPE": Other(SQMAIL, _PARTS, "signatures"),
    "BADLOADERTYPE": Other(SQMAIL, _PARTS, "signatures"),
    "MAXRECIPIENTS": Other(SQMAIL, "MAXRCPTCOUNT", "MAXRCPTCOUNT"),
    "MAXRCPT": Other(NETQMAIL, "MAXRCPTCOUNT", "MAXRCPTCOUNT"),
    "RECIPIENTS450": Other(SQMAIL, GONE),
    "DELIVERTO": Other(SQMAIL, GONE),
    "QHPSI": Other(SQMAIL, "a milter for the virus scanner: control/smtpmilters", "smtpmilters"),
    "SURBL": Other(SAGREDO, "a milter, rspamd say: control/smtpmilters", "smtpmilters"),
    "SPF": Other(SQMAIL, "SPFBEHAVIOR", "SPFBEHAVIOR spfbehavior"),
    "UCSPITLS": Other(SQMAIL, _CERTIFICATE, "smtpcert SSLCERT"),
    "CERTFILE": Other(SSLSERVER, _CERTIFICATE, "smtpcert SSLCERT"),
    "KEYFILE": Other(SSLSERVER, "the key belongs into the certificate's file or beside it", "smtpcert SSLCERT"),
    "DHFILE": Other(SSLSERVER, _CURVES),
    "TLSCIPHERS": Other(SAGREDO, "control/tlsciphers", "tlsciphers"),
    "FORCETLS": Other(SAGREDO, "SMTPAUTH=TLSREQUIRED, which is about AUTH only"),
    "DISABLETLS": Other(SAGREDO, 'SSLCERT=""', "SSLCERT"),
    "ALLOW_INSECURE_AUTH": Other(SAGREDO, "nothing: SMTPAUTH without TLSREQUIRED allows it", "SMTPAUTH"),
    "DROP_PRE_GREET": Other(SAGREDO, "DROPRUSHGREET", "DROPRUSHGREET"),
    "REQUIRE_AUTH": Other(NETQMAIL, "AUTHREQUIRED", "AUTHREQUIRED"),
    "SENDER_NOCHECK": Other(SAGREDO, "leave out SENDERCHECK"),
    "NODNSCHECK": Other(SAGREDO, "leave out RETURNMXCHECK"),
    "VALIDRCPTTO_CDB": Other(NETQMAIL, _RECIPIENTS, "RCPTCHECK"),
    "RELAYREJ": Other(NETQMAIL, "BLOCKRELAYPROBE", "BLOCKRELAYPROBE"),
    "DKIMSIGN": Other(SAGREDO, "nothing: signing is the queue program's affair", "QMAILQUEUE"),
    "DKIMQUEUE": Other(SAGREDO, "nothing: the queue program is in QMAILQUEUE", "QMAILQUEUE"),
}
CHKUSER = Other(SAGREDO, "RCPTCHECK, MAXRCPTCOUNT and SENDERCHECK for what chkuser did", "RCPTCHECK")


def known(name: str) -> Other | None:
    return CHKUSER if name.startswith("CHKUSER_") else VARIABLES.get(name)
