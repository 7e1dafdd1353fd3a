"""A template for your own checker: copy this file to HOME/checkers/NAME.py and put `NAME [arguments]` into
control/smtpcheckers. Keep the hooks that you need, delete the others.

Replace this text by what your checker refuses, in a line: it is the checker's documentation.

Every hook gets the session and the event. It returns None for "no opinion", or one of

    accept()                     RCPT only: accept the recipient; one that no checker accepts is refused
    defer(text)                  451 text (#4.3.0): the client tries again later
    reject(text)                 553 text (#5.7.1); code= and esc= set other codes
    hangup(text)                 554 text (#5.7.1), and the connection ends
    passes(reason)               no opinion, with a reason that qmail-smtpd-explain shows

Each takes reason=b"control/mine:3", what decided, for the log and for qmail-smtpd-explain.

The first refusal is sent and no later check is asked. An exception becomes a 451 and is logged.

What you can read and change:

    session.client.ip, .host, .info, .local     the client and our own address, as bytes
    session.helo, session.user                  HELO name, authenticated user; None if there is none
    session.encryption                          None in clear
    session.transaction.sender, .recipients     what was accepted so far
    session.transaction.bounce                  whether the sender is empty
    session.transaction.headers                 lines (with LF) to be put before the message
    session.transaction.discarded = self.name   accept the message when it is complete, but do not queue it
    session.transaction.notes["mine"]           for whatever you want to remember of this transaction
    session.env, session.config                 environment (bytes) and configuration, see control/config.py
    session.verdict.accepted                    RCPT: whether an earlier check has accepted the recipient
    session.change_address(event, b"new@host")  MAIL, RCPT: replace the client's address
    session.pause(seconds)                      make the client wait
    session.flush()                             send the buffered replies; call it before you wait for a server
    session.log.write(level, b"text")           see logs/log.py for the levels

With `holds = True` the message is held until the `message` hook of every such check has seen it. In that hook there are

    held = session.transaction.held             the message, with the edits of earlier checks
    held.fields                                 [(name, value), ...]: a value is everything behind the colon but the LF
    held.size, held.body()                      bytes as stored; an iterator over blocks of the body, with LF line ends
    edits = session.transaction.edits           your edits, which are applied only if your hook lets the message pass
    edits.add_top(name, value)                  a field at the very top; a value should begin with a blank
    edits.insert(index, name, value)            0: the very top, 1: just below our Received field
    edits.add(name, value)                      a field at the end of the header
    edits.change(name, n, value)                replace the n-th field of that name, from 1; add it if there is none
    edits.delete(name, n)                       delete the n-th field of that name
    edits.replace_body(blocks)                  blocks of bytes with LF line ends, from any iterator
    edits.sender(address)                       also .add_recipient(address), .remove_recipient(address)
    edits.discard()                             accept the message but do not queue it

Import large modules inside the hook that needs them, since your module is loaded for every connection.

In resident mode with control/sessionsperprocess above 1 (its default) a process serves many connections in turn, and
your module stays loaded, with its global variables, until one of your files changes. So keep everything that belongs to
a client in your Checker object, which is made anew for each session, never in the module or the class. Working
directory, umask, signals, limits, environment and sys.path are restored after each session. A process in which you
leave a descriptor open or a thread running serves no further connection. All other changes remain: in other modules, of
the locale and the time zone of C, of the default timeout of sockets, of the seed of `random`.

What you print goes to the log. A child that you fork must end with posix._exit; one that comes back from your hook or
from setup() is ended.
"""

from __future__ import annotations

from qmail_smtpd.checker import Checker, accept, defer, hangup, reject  # noqa: F401 - delete what you do not use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail_smtpd.control.config import Config
    from qmail_smtpd.session.facts import Session
    from qmail_smtpd.smtp.events import Auth, Data, EndOfMessage, Event, Helo, Mail, MessageBlock, Rcpt, Unknown
    from qmail_smtpd.smtp.replies import Reply


def setup(config: Config, *arguments: str) -> Checker | None:
    """Called once for each connection, before the greeting, with the words behind the name in control/smtpcheckers.

    Return None if there is nothing to check: then no hook is called.
    """
    return Template()


class Template(Checker):
    """The hooks in the order of the protocol."""

    exemptible = False  # True: `mail` is not called for senders that control/goodmailfrom lists
    holds = False  # True: `message` gets the whole message; may be set as late as in `data`
    advisory = False  # True: an exception lets mail pass instead of deferring it

    def connect(self, session: Session, event: None) -> Reply | None:
        """Before the greeting. A refusal is sent as the greeting, and after it only QUIT is accepted."""
        return None

    def helo(self, session: Session, event: Helo) -> Reply | None:
        """HELO and EHLO: event.name, event.extended."""
        return None

    def auth(self, session: Session, event: Auth) -> Reply | None:
        """AUTH, before the first prompt: event.mechanism. Checkers never get passwords."""
        return None

    def authenticated(self, session: Session, event: Auth) -> Reply | None:
        """AUTH has succeeded, and the reply is not sent yet: event.mechanism, session.user. A refusal undoes it."""
        return None

    def mail(self, session: Session, event: Mail) -> Reply | None:
        """MAIL: event.address, event.parameters. session.transaction is the new one; if any check refuses, the
        previous one stays in force."""
        return None

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        """RCPT: event.address, event.parameters. A site's checkers are asked before rcpthosts: a recipient that you
        accept() need not be in it."""
        return None

    def rcpt_refused(self, session: Session, event: Rcpt) -> None:
        """A recipient was refused, by you or by another check. No reply is possible here."""

    def unknown(self, session: Session, event: Unknown) -> Reply | None:
        """An unknown command: event.line, which may be a password. A refusal is sent instead of 502."""
        return None

    def data(self, session: Session, event: Data) -> Reply | None:
        """DATA, before the queue program is started and before 354."""
        return None

    def block(self, session: Session, event: MessageBlock) -> None:
        """A piece of the message as it is stored: event.block, event.header. In the header blocks end at line ends, in
        the body anywhere. No reply is possible here: remember what you found and answer in `message`."""

    def message(self, session: Session, event: EndOfMessage) -> Reply | None:
        """After the final dot, before the envelope goes to the queue: event.hops, event.size. Not called for messages
        with too many hops, that are too large, or that match control/signatures."""
        return None

    def refused(self, session: Session, event: Event | None, reply: Reply) -> None:
        """Your refusal is about to be sent: pause, count or log here. Not called if SHADOW names this checker."""

    def release(self) -> None:
        """DATA was sent, or the session ends: end helpers and close connections."""

    def ended(self) -> None:
        """The session is over: close what you kept open until now."""
