"""The table of every environment variable and every control file that the programs read or set.

qmail-smtpd-check reports what does not agree with it; contrib/tables writes docs/settings.md from it; tests compare it
with the sources and the manual pages. Kinds:

    of variables   switch    on if it exists, even empty           number   its leading digits
                   words     one of `words` (any case), or empty   path     a file
                   text      any text
                   given     set by tcpserver or another super-server, not by administrators
                   ours      set by these programs, for the programs they start
    of files       line, list, int    SPEC section 2               text     a format of its own
                   cdb       constant database, lower-case keys    pem, folder

`needs`: it has no effect unless one of these variables (upper case) is set or files exists. `program` reads it,
`section` is the section of docs/protocol.md.
"""

from __future__ import annotations

SMTPD = "qmail-smtpd"
LDAP = "qmail-verify, auth_smtp"
PBS = "pbscheck, pbsadd"


class Known:
    """One variable or file. `default` and `meaning` are texts for the documentation."""

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
    Known(
        "LOGLEVEL", "number", "0", "what to log: 0 (nothing) to 4 (every command); LDAP programs: a sum of bits", "12"
    ),
    Known("DEBUGLEVEL", "number", "0", "used if LOGLEVEL is empty", "12", LDAP),
    Known("LOGFORMAT", "words", "classic", "json: write each log line as a JSON object", "12", words="json classic"),
    Known("TCPRULES", "path", "none", "file with rules of tcpserver, for sessions without tcpserver", "1"),
    # Greeting
    Known("421GREETING", "text", "unset", "greet with 421 and this text, and refuse everything but QUIT", "3"),
    Known("550GREETING", "text", "unset", "greet with 554 and this text, and refuse everything but QUIT", "3"),
    Known("GREETDELAY", "number", "0", "delay the greeting by this many seconds", "3"),
    Known("DROPRUSHGREET", "switch", "unset", "refuse clients that send before the greeting", "3", needs="GREETDELAY"),
    Known("SMTP550DISCONNECT", "switch", "unset", "close the connection after the first refusal", "3"),
    # TLS and authentication
    Known("SMTPS", "words", "unset", "1: speak TLS from the first byte (port 465)", "10", words="1"),
    Known("SSLCERT", "path", "control/smtpcert", "path of the PEM file with certificate and key", "2"),
    Known("SMTPAUTH", "words", "unset", "offer AUTH; TLSREQUIRED: only inside TLS", "8", words="TLSREQUIRED"),
    Known("AUTHREQUIRED", "switch", "unset", "refuse MAIL from clients that have not authenticated", "5"),
    Known("AUTHORIZED", "switch", "unset", "this client need not authenticate", "5", needs="AUTHREQUIRED"),
    Known("AUTHPREPEND", "text", "empty", "text before the name of the user in Received", "8", needs="SMTPAUTH"),
    # Checks
    Known("RELAYCLIENT", "text", "unset", "this client may relay; the value is appended to recipients", "5"),
    Known("SHADOW", "text", "none", "names of checks that only log what they would refuse, separated by commas", "5"),
    Known("NOBOUNCE", "switch", "unset", "refuse mail with an empty sender", "5"),
    Known("SANITYCHECK", "switch", "unset", "refuse senders without a user, or without a dot in the domain", "5"),
    Known("RBL", "switch", "unset", "ask the DNS lists of control/rbllist about the client", "9", needs="rbllist"),
    Known("RBLONLYHEADER", "switch", "unset", "do not refuse listed clients, but add an X-RBL field", "9", needs="RBL"),
    Known("RETURNMXCHECK", "switch", "unset", "refuse senders whose domain has no host for mail", "9"),
    Known(
        "SPFBEHAVIOR",
        "number",
        "control/spfbehavior",
        "SPF: 0 off, 1 record the result, 2 also defer, 3 to 6 also refuse",
        "17",
    ),
    Known("DKIMVERIFY", "switch", "unset", "verify DKIM signatures and record the results", "17"),
    Known(
        "DMARCBEHAVIOR",
        "number",
        "control/dmarcbehavior",
        "DMARC: 0 off, 1 record the result, 2 also defer, 3 also refuse",
        "17",
    ),
    Known("DNSCACHEIP", "text", "the system's", "DNS servers: IP, IP:PORT or [IPv6]:PORT, separated by blanks", "9"),
    Known(
        "SENDERCHECK",
        "words",
        "unset",
        "senders in locals must exist; LOOSE: all must be in locals or rcpthosts; STRICT: in locals",
        "8",
        words="LOOSE STRICT",
    ),
    Known("RCPTCHECK", "switch", "unset", "recipients in locals must exist", "8"),
    Known(
        "LDAPSOFTOK", "switch", "unset", "accept addresses if LDAP is not available", "8", needs="RCPTCHECK SENDERCHECK"
    ),
    Known("BADRCPTDELAY", "number", "0", "seconds before an unknown recipient is refused", "5", needs="RCPTCHECK"),
    Known("STRICTREPLIES", "switch", "unset", "follow RFC 5321 where qmail differs (docs/strictreplies.md)", "20"),
    Known("BLOCKRELAYPROBE", "switch", "unset", "refuse recipients with @, % or ! before the last @", "5"),
    Known("NOLOCAL", "switch", "unset", "accept only the domains of rcpthosts, not those of locals", "5"),
    Known("MAXRCPTCOUNT", "number", "none", "the maximum number of recipients of a message", "5"),
    Known("TARPITCOUNT", "number", "none", "delay replies to RCPT from this number of recipients on", "5"),
    Known("TARPITDELAY", "number", "5", "the delay for each recipient, in seconds", "5", needs="TARPITCOUNT"),
    Known("DATABYTES", "number", "control/databytes", "the maximum size of a message, in bytes; 0: no limit", "6"),
    Known(
        "REJECTEXEC", "switch", "unset", "refuse parts that begin like a line of signatures", "7", needs="signatures"
    ),
    Known("NOSPP", "switch", "unset", "run no qmail-spp plugins", "5"),
    Known("SPPCONFFILE", "path", "control/smtpplugins", "the file that lists the qmail-spp plugins", "5"),
    Known("NOMILTERS", "text", "unset", "ask no milters, or not these, separated by commas", "15", needs="smtpmilters"),
    # Queue programs and POP before SMTP
    Known("QMAILQUEUE", "path", "bin/qmail-queue", "the queue program", "6"),
    Known("MAILDIR", "path", "Maildir", "the Maildir for messages", "6", "maildir-queue"),
    Known("SENDMAIL", "path", "/usr/sbin/sendmail", "the sendmail program", "6", "queue-sendmail"),
    Known("TMPDIR", "path", "/var/tmp", "the folder for temporary files of held messages", "14"),
    Known("NOPBS", "switch", "unset", "do not ask the POP-before-SMTP servers about this client", "11", "pbscheck"),
    Known("PATH", "path", "/bin:/usr/bin", "where to search for the program to execute", "11", PBS),
    # What the super-server says
    Known("PROTO", "given", "none", "TCP or TCP6; if unset, these variables are taken from the socket", "1"),
    Known("TCPREMOTEIP", "given", "unknown", "the client's address", "1"),
    Known("TCPREMOTEHOST", "given", "unknown", "the client's name", "1"),
    Known("TCPREMOTEINFO", "given", "none", "the user reported by ident", "1"),
    Known("TCPREMOTEPORT", "given", "none", "the client's port", "1"),
    Known("TCPLOCALIP", "given", "unknown", "the local address", "1"),
    Known("TCPLOCALHOST", "given", "$TCPLOCALIP", "the local name, for the Received field", "1"),
    Known("TCPLOCALPORT", "given", "none", "the local port", "1"),
    Known("LISTEN_FDS", "given", "none", "resident mode: the number of listening sockets (systemd)", "1"),
    Known("LISTEN_PID", "given", "none", "resident mode: the process that the sockets are for (systemd)", "1"),
    Known("LISTEN_FDNAMES", "given", "none", "names of the sockets; ignored", "1"),
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
    Known("me", "line", "required", "the name of this host", "2"),
    Known("smtpgreeting", "line", "empty", "text in the greeting, after the name and ESMTP", "2"),
    Known("smtpclustercookie", "line", "empty", "text at the end of the greeting, up to 32 bytes", "2"),
    Known("timeoutsmtpd", "int", "120", "timeout for each read and write, in seconds, at least 1", "2"),
    Known("sessiontimeout", "int", "3600", "the maximum time of a session, in seconds; 0: no limit", "2"),
    Known("mindatarate", "int", "none", "the minimum average speed of a message, in bytes per second", "2"),
    Known(
        "junkcommands",
        "line",
        "no limit",
        "two numbers: 421 after so many useless commands in a row, or so many unknown ones; 0: no limit",
        "3",
    ),
    Known("databytes", "int", "0", "the maximum size of a message, in bytes; 0: no limit", "6"),
    Known(
        "maxenvelope",
        "int",
        "8388608",
        "the maximum size of all recipients of a message together, in bytes; 0: no limit",
        "6",
        "qmail-smtpd, maildir-queue, queue-sendmail",
    ),
    Known("localiphost", "line", "me", "replaces the address in user@[address], if it is ours", "4"),
    Known("concurrencyincoming", "int", "40", "resident mode: the maximum number of sessions at the same time", "1"),
    Known("concurrencyperip", "int", "a quarter", "resident mode: the same for one IP (IPv6: /64); 0: no limit", "1"),
    Known("sessionsperprocess", "int", "100", "resident mode: the number of sessions before a worker ends", "22"),
    # Domains
    Known("locals", "list", "me", "domains delivered here", "5"),
    Known("locals.cdb", "cdb", "none", "used instead of locals if it exists", "5"),
    Known("rcpthosts", "list", "only locals", "domains to accept mail for; .domain: all domains below it", "5"),
    Known("rcpthosts.cdb", "cdb", "none", "used instead of rcpthosts and morercpthosts.cdb if it exists", "5"),
    Known(
        "morercpthosts", "list", "none", "more domains for rcpthosts; source of morercpthosts.cdb", "5", "qmail-newmrh"
    ),
    Known("morercpthosts.cdb", "cdb", "none", "more domains like those in rcpthosts", "5"),
    Known("morercpthosts.tmp", "cdb", "none", "temporary file, renamed to morercpthosts.cdb", "2", "qmail-newmrh"),
    # Senders and recipients
    Known("badmailfrom", "list", "none", "senders to refuse: user@host, @host, user@", "5"),
    Known("badmailfrom-unknown", "list", "none", "senders to refuse if the client has no name in the DNS", "5"),
    Known(
        "badmailpatterns",
        "list",
        "none",
        "patterns of senders to refuse (!: not to refuse); the last match decides",
        "5",
    ),
    Known("goodmailfrom", "list", "none", "senders exempt from most checks", "5"),
    Known("relaymailfrom", "list", "none", "senders that may relay: user@host, @host (senders can be forged)", "5"),
    Known("badrcptto", "list", "none", "recipients to refuse: user@host, @host, user@", "5"),
    Known("plainqueues", "list", "none", "values of QMAILQUEUE that never send user%host@domain to host", "6"),
    Known("goodmailaddr", "list", "none", "addresses accepted without a look-up", "8", needs="RCPTCHECK SENDERCHECK"),
    Known("rbllist", "list", "none", "DNS lists: BASE ACTION MATCHON MESSAGE", "9", needs="RBL"),
    Known("rbltimeout", "int", "5", "timeout for all DNS lists together, in seconds", "9", needs="RBL"),
    Known("spfbehavior", "int", "0", "SPF: 0 off, 1 record the result, 2 also defer, 3 to 6 also refuse", "17"),
    Known(
        "spfrules",
        "line",
        "none",
        "your own SPF mechanisms, evaluated before the final all",
        "17",
        needs="spfbehavior",
    ),
    Known("spfexp", "line", "none", "text for clients refused by SPF; can contain SPF macros", "17"),
    Known("dnstimeout", "int", "20", "timeout for all SPF, DKIM and DMARC queries for a message, in seconds", "17"),
    Known("dmarcbehavior", "int", "0", "DMARC: 0 off, 1 record the result, 2 also defer, 3 also refuse", "17"),
    Known("authservid", "line", "me", "the name of this server in Authentication-Results", "17"),
    Known("signatures", "list", "none", "how parts begin that are refused; * is any byte", "7", needs="REJECTEXEC"),
    Known("smtpcheckers", "list", "none", "your own checks: name of the file in checkers/, and arguments", "5"),
    Known("smtpplugins", "text", "none", "qmail-spp plugins, in sections", "5"),
    Known("smtpmilters", "list", "none", "milters: NAME ADDRESS OPTION=VALUE...", "15"),
    Known("smtppolicies", "list", "none", "policy servers: NAME ADDRESS OPTION=VALUE...", "16"),
    Known("spptimeout", "int", "30", "timeout for a plugin, in seconds", "5", needs="SPPCONFFILE smtpplugins"),
    # TLS
    Known("smtpcert", "line", "none", "path of the PEM file with certificate and key; none: no STARTTLS", "10"),
    Known("servercerts", "folder", "none", "certificates for other server names (SNI): NAME.pem", "10"),
    Known("clientca.pem", "pem", "none", "the authorities that sign client certificates", "10"),
    Known("tlsclients", "list", "none", "client certificates whose holders may relay", "10", needs="clientca.pem"),
    Known("tlsciphers", "line", "compat", "secure (or default), compat, legacy, insecure, or an OpenSSL string", "10"),
    Known(
        "tlsdheparams", "line", "none", "DHE, with tlsciphers legacy or insecure: auto (2048 bits), legacy (1024)", "10"
    ),
    # The directory
    Known("ldapserver", "list", "required", "LDAP servers, tried in order", "8", LDAP),
    Known("ldapbasedn", "line", "empty", "the search base", "8", LDAP),
    Known("ldaplogin", "line", "anonymous", "the DN to bind as", "8", LDAP),
    Known("ldappassword", "line", "anonymous", "the password of ldaplogin", "8", LDAP),
    Known("ldapobjectclass", "line", "none", "object class or filter that entries must match", "8", LDAP),
    Known("ldaptimeout", "int", "30", "timeout for connecting, for binding and for each search, in seconds", "8", LDAP),
    Known("ldapstarttls", "int", "off", "if it exists and is not 0, StartTLS is required", "8", LDAP),
    Known("ldapreferrals", "int", "0", "1: follow referrals, with an anonymous bind", "8", LDAP),
    Known("ldapcafile", "line", "the system's", "path of the PEM file with the trusted authorities", "8", LDAP),
    Known("ldapcache", "int", "0", "seconds for which answers are cached; 0: no cache", "8", "qmail-verify"),
    Known("ldaprebind", "int", "0", "1: check passwords by binding as the user", "8", "auth_smtp"),
    Known("ldaplocaldelivery", "int", "1", "0: do not search users/cdb and the system users", "8", "qmail-verify"),
    Known("aliasdomains", "list", "none", "ALIAS:REAL: addresses in ALIAS are searched for in REAL", "8", LDAP),
    # POP before SMTP
    Known("pbsservers", "list", "required", "IPv4 addresses of the servers", "11", PBS),
    Known("pbsport", "int", "2821", "UDP port of the servers", "11", f"{PBS}, pbsdbd"),
    Known("pbsenv", "list", "none", "variables to send and to set: NAME, NAME=NEW, NAME=NEW=PREFIX", "11", PBS),
    Known(
        "pbssecret",
        "line",
        "required",
        "the shared secret; optional for pbscheck",
        "11",
        f"{PBS}, pbsdbd",
    ),
    Known("pbsip", "line", "127.0.0.1", "the IPv4 address to listen on", "11", "pbsdbd"),
    Known("pbstimeout", "int", "600", "the time for which an address is kept, in seconds", "11", "pbsdbd"),
    Known("pbscachesize", "int", "1048576", "bytes for addresses and variables", "11", "pbsdbd"),
)

VARIABLES = {one.name: one for one in _VARIABLES}
FILES = {one.name: one for one in _FILES}
SECRETS = ("ldappassword", "pbssecret")  # files that only the programs which read them may be able to read
