"""The one table of every environment variable and every control file that the programs read or set.

qmail-smtpd-check judges by it; the tests compare it with the sources, the README and the manual pages. Kinds:

    of variables   switch    set if it exists, even empty          number   its leading digits
                   words     one of `words` (any case), or empty   path     a file
                   text      as it is
                   given     by tcpserver or another super-server, not by people
                   ours      set by us, for the programs we start
    of files       line, list, int    SPEC section 2               text     a format of its own
                   cdb       constant database, lower-case keys    pem, folder

`needs`: without any of these variables (upper case) or files it has no effect. `program` is who reads it.
"""

from __future__ import annotations

SMTPD = "qmail-smtpd"
LDAP = "qmail-verify, auth_smtp"
PBS = "pbscheck, pbsadd"


class Known:
    """One variable or file. `default` is for people."""

    __slots__ = ("name", "kind", "default", "meaning", "program", "section", "needs", "words")

    def __init__(
        self,
        name: str,
        kind: str,
        default: str,
        meaning: str,
        section: str,
        program: str = SMTPD,
        needs: str = "",
        words: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.meaning = meaning
        self.section = section
        self.program = program
        self.needs = tuple(needs.split())
        self.words = tuple(words.split())


_VARIABLES = (
    Known("QMAILHOME", "path", "/var/qmail", "the qmail home: control/, bin/ and more", "1", "all"),
    Known("LOGLEVEL", "number", "0", "what is logged, 0 nothing, 4 all; a bit mask for LDAP programs", "12"),
    Known("DEBUGLEVEL", "number", "0", "what LOGLEVEL is to the LDAP programs, if that is empty", "12", LDAP),
    Known("LOGFORMAT", "words", "classic", "json: one JSON object a line", "12", words="json classic"),
    Known("TCPRULES", "path", "none", "tcpserver's rules for sessions that tcpserver did not start", "1"),
    # Greeting
    Known("421GREETING", "text", "unset", "greet with 421 and this text, then nothing works but QUIT", "3"),
    Known("550GREETING", "text", "unset", "greet with 554 and this text, then nothing works but QUIT", "3"),
    Known("GREETDELAY", "number", "0", "seconds the greeting takes", "3"),
    Known("DROPRUSHGREET", "switch", "unset", "drop a client that speaks before the greeting", "3", needs="GREETDELAY"),
    Known("SMTP550DISCONNECT", "switch", "unset", "disconnect after the first refusal", "3"),
    # TLS and authentication
    Known("SMTPS", "words", "unset", "1: TLS from the first byte (port 465)", "10", words="1"),
    Known("SSLCERT", "path", "control/smtpcert", "path of the PEM file with the certificate", "2"),
    Known("SMTPAUTH", "words", "unset", "offer AUTH; TLSREQUIRED: only inside TLS", "8", words="TLSREQUIRED"),
    Known("AUTHREQUIRED", "switch", "unset", "no MAIL without authentication", "5"),
    Known("AUTHORIZED", "switch", "unset", "AUTHREQUIRED does not apply", "5", needs="AUTHREQUIRED"),
    Known("AUTHPREPEND", "text", "empty", "goes before the name of an authenticated user", "8", needs="SMTPAUTH"),
    # Checks
    Known("RELAYCLIENT", "text", "unset", "the client may relay; the value goes to the end of recipients", "5"),
    Known("SHADOW", "text", "none", "checks (blanks or commas between) that only log what they would refuse", "5"),
    Known("NOBOUNCE", "switch", "unset", "no mail with an empty sender", "5"),
    Known("SANITYCHECK", "switch", "unset", "a sender needs a user and a domain with a dot", "5"),
    Known("RBL", "switch", "unset", "ask the DNS lists of control/rbllist about the client", "9", needs="rbllist"),
    Known("RBLONLYHEADER", "switch", "unset", "what a DNS list says only becomes a header", "9", needs="RBL"),
    Known("RETURNMXCHECK", "switch", "unset", "the sender's domain must be able to get mail", "9"),
    Known("SPFBEHAVIOR", "number", "control/spfbehavior", "SPF: 1 asks, 2 defers, 3 to 6 refuse more and more", "17"),
    Known("DKIMVERIFY", "switch", "unset", "DKIM signatures are verified, the results recorded", "17"),
    Known("DMARCBEHAVIOR", "number", "control/dmarcbehavior", "DMARC: 1 asks, 2 defers, 3 refuses too", "17"),
    Known("DNSCACHEIP", "text", "the system's", "DNS servers: ip, ip:port or [v6]:port, with blanks between", "9"),
    Known("SENDERCHECK", "words", "unset", "senders must exist; LOOSE, STRICT: be ours", "8", words="LOOSE STRICT"),
    Known("RCPTCHECK", "switch", "unset", "recipients in locals must exist", "8"),
    Known("LDAPSOFTOK", "switch", "unset", "trouble with a look-up accepts", "8", needs="RCPTCHECK SENDERCHECK"),
    Known("BADRCPTDELAY", "number", "0", "seconds before an unknown recipient is refused", "5", needs="RCPTCHECK"),
    Known("STRICTREPLIES", "switch", "unset", "RFC 5321 where it differs from the family: docs/strictreplies.md", "20"),
    Known("BLOCKRELAYPROBE", "switch", "unset", "no @, % or ! before the last @ of a recipient", "5"),
    Known("NOLOCAL", "switch", "unset", "locals does not say which recipients are welcome", "5"),
    Known("MAXRCPTCOUNT", "number", "none", "recipients a message may have", "5"),
    Known("TARPITCOUNT", "number", "none", "number of recipients from which on each is delayed", "5"),
    Known("TARPITDELAY", "number", "5", "the delay, in seconds", "5", needs="TARPITCOUNT"),
    Known("DATABYTES", "number", "control/databytes", "the largest message, in bytes; 0: no limit", "6"),
    Known("REJECTEXEC", "switch", "unset", "no message part like one of control/signatures", "7", needs="signatures"),
    Known("NOSPP", "switch", "unset", "no plugins (qmail-spp) for this client", "5"),
    Known("NOMILTERS", "text", "unset", "no milters, or (commas between) not these", "15", needs="smtpmilters"),
    # Queue programs and POP before SMTP
    Known("QMAILQUEUE", "path", "bin/qmail-queue", "the queue program", "6"),
    Known("MAILDIR", "path", "Maildir", "where messages are kept", "6", "maildir-queue"),
    Known("SENDMAIL", "path", "/usr/sbin/sendmail", "the program that gets the message", "6", "queue-sendmail"),
    Known("TMPDIR", "path", "/var/tmp", "where large messages wait for checks, or for sendmail", "14"),
    Known("NOPBS", "switch", "unset", "do not ask whether the client has read mail", "11", "pbscheck"),
    Known("PATH", "path", "/bin:/usr/bin", "where the next program is looked for", "11", PBS),
    # What the super-server says
    Known("PROTO", "given", "none", "TCP or TCP6; without it the socket on fd 0 tells who is there", "1"),
    Known("TCPREMOTEIP", "given", "unknown", "the client's address", "1"),
    Known("TCPREMOTEHOST", "given", "unknown", "the client's name", "1"),
    Known("TCPREMOTEINFO", "given", "none", "what ident says", "1"),
    Known("TCPREMOTEPORT", "given", "none", "the client's port", "1"),
    Known("TCPLOCALIP", "given", "unknown", "the address that was connected to", "1"),
    Known("TCPLOCALHOST", "given", "$TCPLOCALIP", "its name, for Received lines", "1"),
    Known("TCPLOCALPORT", "given", "none", "its port", "1"),
    Known("LISTEN_FDS", "given", "none", "sockets to listen on: resident mode (systemd)", "1"),
    Known("LISTEN_PID", "given", "none", "the process they are meant for", "1"),
    Known("LISTEN_FDNAMES", "given", "none", "their names; not handed on", "1"),
    # What the programs we start are told
    Known("SMTPAUTHUSER", "ours", "unset", "AUTHPREPEND and the authenticated user", "8"),
    Known("SMTPAUTHMETHOD", "ours", "unset", "for plugins: login or plain", "5"),
    Known("SMTPHELOHOST", "ours", "unset", "for plugins: the name of HELO", "5"),
    Known("SMTPMAILFROM", "ours", "unset", "for plugins: the sender", "5"),
    Known("SMTPRCPTTO", "ours", "unset", "for plugins: the recipient", "5"),
    Known("SMTPRCPTCOUNT", "ours", "unset", "for plugins: recipients accepted so far", "5"),
    Known("SMTPRCPTCOUNTALL", "ours", "unset", "for plugins: recipients named so far", "5"),
    Known("SMTPRCPTHOSTSOK", "ours", "unset", "for plugins: 1 if the recipient's domain is ours", "5"),
    Known("QMAIL_SMTPD_CHILD_", "ours", "unset", "resident mode: with a PID behind it, a session that goes on", "1"),
    Known("QMAIL_SMTPD_TRIAL", "ours", "unset", "resident mode: only try whether a start would work", "1"),
)

_FILES = (
    Known("me", "line", "required", "own name", "2"),
    Known("smtpgreeting", "line", "empty", "text of the greeting after the name and ESMTP", "2"),
    Known("smtpclustercookie", "line", "empty", "appended to the greeting, first 32 bytes", "2"),
    Known("timeoutsmtpd", "int", "120", "seconds to wait for each read or write, at least 1", "2"),
    Known("sessiontimeout", "int", "3600", "seconds a session may last; 0: no limit", "2"),
    Known("mindatarate", "int", "none", "the least average rate of a message, in bytes a second", "2"),
    Known(
        "junkcommands",
        "line",
        "100 20",
        "commands in a row that lead nowhere, and unknown ones, until a client is told 421; 0: no limit",
        "3",
    ),
    Known("databytes", "int", "0", "the largest message, in bytes; 0: no limit", "6"),
    Known(
        "maxenvelope",
        "int",
        "8388608",
        "bytes that all recipients of a message may have; 0: no limit",
        "6",
        "qmail-smtpd, maildir-queue, queue-sendmail",
    ),
    Known("localiphost", "line", "me", "the domain of addresses like user@[our address]", "4"),
    Known("concurrencyincoming", "int", "40", "resident mode: sessions at a time", "1"),
    Known("concurrencyperip", "int", "a quarter", "resident mode: those of one address (IPv6: /64), 0 no limit", "1"),
    Known("sessionsperprocess", "int", "100", "resident mode: sessions one after the other in a process", "22"),
    # Domains
    Known("locals", "list", "me", "domains delivered here", "5"),
    Known("locals.cdb", "cdb", "none", "replaces locals", "5"),
    Known("rcpthosts", "list", "only locals", "domains mail is taken for; a leading dot: all below it", "5"),
    Known("rcpthosts.cdb", "cdb", "none", "replaces rcpthosts and morercpthosts.cdb", "5"),
    Known("morercpthosts", "list", "none", "more of rcpthosts: the source of morercpthosts.cdb", "5", "qmail-newmrh"),
    Known("morercpthosts.cdb", "cdb", "none", "more of rcpthosts", "5"),
    Known("morercpthosts.tmp", "cdb", "none", "written: morercpthosts.cdb while it is made", "2", "qmail-newmrh"),
    # Senders and recipients
    Known("badmailfrom", "list", "none", "senders refused: user@host, @host, user@", "5"),
    Known("badmailfrom-unknown", "list", "none", "senders refused from hosts without a name", "5"),
    Known("badmailpatterns", "list", "none", "senders refused by wildcards; ! exempts, the last match decides", "5"),
    Known("goodmailfrom", "list", "none", "senders exempt from most checks", "5"),
    Known("relaymailfrom", "list", "none", "senders that may relay: user@host, @host", "5"),
    Known("badrcptto", "list", "none", "recipients refused", "5"),
    Known("plainqueues", "list", "none", "queue programs, as in QMAILQUEUE, that follow no % or ! in addresses", "6"),
    Known("goodmailaddr", "list", "none", "addresses that need no look-up", "8", needs="RCPTCHECK SENDERCHECK"),
    Known("rbllist", "list", "none", "DNS lists: BASE ACTION MATCHON MESSAGE", "9", needs="RBL"),
    Known("rbltimeout", "int", "5", "seconds for all DNS lists together", "9", needs="RBL"),
    Known("spfbehavior", "int", "0", "SPF: 1 asks, 2 defers, 3 to 6 refuse more and more", "17"),
    Known(
        "spfrules",
        "line",
        "none",
        "SPF mechanisms of our own, asked before the all of a domain",
        "17",
        needs="spfbehavior",
    ),
    Known("spfexp", "line", "none", "our explanation of an SPF fail, with SPF's macros", "17"),
    Known("dnstimeout", "int", "20", "seconds for all DNS questions of SPF, DKIM and DMARC about a message", "17"),
    Known("dmarcbehavior", "int", "0", "DMARC: 1 asks, 2 defers, 3 refuses too", "17"),
    Known("authservid", "line", "me", "our name in Authentication-Results", "17"),
    Known("signatures", "list", "none", "first lines of unwelcome message parts", "7", needs="REJECTEXEC"),
    Known("smtpcheckers", "list", "none", "checkers of the site: a module and its arguments", "5"),
    Known("smtpplugins", "text", "none", "plugins of qmail-spp, in sections", "5"),
    Known("smtpmilters", "list", "none", "milters: NAME ADDRESS OPTION=VALUE...", "15"),
    Known("smtppolicies", "list", "none", "policy servers: NAME ADDRESS OPTION=VALUE...", "16"),
    Known("spptimeout", "int", "30", "seconds each plugin has", "5", needs="smtpplugins"),
    # TLS
    Known("smtpcert", "line", "none", "path of the PEM file with the certificate; none: no STARTTLS", "10"),
    Known("servercerts", "folder", "none", "NAME.pem: certificates by server name", "10"),
    Known("clientca.pem", "pem", "none", "who vouches for client certificates", "10"),
    Known("tlsclients", "list", "none", "client certificates that may relay", "10", needs="clientca.pem"),
    Known("tlsciphers", "line", "compat", "secure (or default), compat, legacy, insecure, or an OpenSSL string", "10"),
    Known("tlsdheparams", "line", "none", "DHE, with tlsciphers legacy: auto, 2048 bits; legacy, 1024 bits", "10"),
    # The directory
    Known("ldapserver", "list", "required", "LDAP servers, tried in order", "8", LDAP),
    Known("ldapbasedn", "line", "empty", "where searches begin", "8", LDAP),
    Known("ldaplogin", "line", "anonymous", "the DN to bind as", "8", LDAP),
    Known("ldappassword", "line", "anonymous", "its password", "8", LDAP),
    Known("ldapobjectclass", "line", "none", "object class or filter that entries need", "8", LDAP),
    Known("ldaptimeout", "int", "30", "seconds for connecting, binding, searching", "8", LDAP),
    Known("ldapstarttls", "int", "off", "there and not 0: StartTLS is required", "8", LDAP),
    Known("ldapreferrals", "int", "0", "there and not 0: referrals are followed, anonymously", "8", LDAP),
    Known("ldapcafile", "line", "the system's", "PEM file of trusted authorities", "8", LDAP),
    Known("ldapcache", "int", "0", "seconds an answer is kept", "8", "qmail-verify"),
    Known("ldaprebind", "int", "0", "1: passwords are checked by binding", "8", "auth_smtp"),
    Known("ldaplocaldelivery", "int", "1", "0: users/cdb and system users do not count", "8", "qmail-verify"),
    Known("aliasdomains", "list", "none", "ALIAS:REAL, domains searched as others", "8", LDAP),
    # POP before SMTP
    Known("pbsservers", "list", "required", "IPv4 addresses of the servers", "11", PBS),
    Known("pbsport", "int", "2821", "UDP port of the servers", "11", f"{PBS}, pbsdbd"),
    Known("pbsenv", "list", "none", "variables: NAME, NAME=NEW, NAME=NEW=PREFIX", "11", PBS),
    Known(
        "pbssecret", "line", "required", "what pbsadd, pbsdbd and, if it has it, pbscheck share", "11", f"{PBS}, pbsdbd"
    ),
    Known("pbsip", "line", "127.0.0.1", "the address the server listens on", "11", "pbsdbd"),
    Known("pbstimeout", "int", "600", "seconds a client is remembered", "11", "pbsdbd"),
    Known("pbscachesize", "int", "1048576", "bytes the server remembers", "11", "pbsdbd"),
)

VARIABLES = {one.name: one for one in _VARIABLES}
FILES = {one.name: one for one in _FILES}
SECRETS = ("ldappassword", "pbssecret")  # files that are nobody else's business
