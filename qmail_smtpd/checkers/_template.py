"""A checker of your own: copy this file to HOME/checkers/NAME.py and put `NAME [arguments]` into
control/smtpcheckers. Keep the hooks you need, delete the others.

Say here, in a line, what it refuses: this text is the check's documentation.

Every hook gets the session and the event and returns None for "no opinion", or one of

    accept()                     RCPT only: somebody has to accept a recipient, or it is refused
    defer(text)                  451 text (#4.3.0): come back later
    reject(text)                 553 text (#5.7.1); code= and esc= for others
    hangup(text)                 554 text, and the connection ends
    passes(reason)               no opinion either, but explain shows why

Each takes reason=b"control/mine:3", the place that decided, for the log and for explain.

The first refusal is told and no later check is asked. An exception defers with 451 and is logged.

What can be read and changed:

    session.client.ip, .host, .info, .local     who is at the other end, bytes
    session.helo, session.user                  HELO name, authenticated user; None if there is none
    session.encryption                          None in clear
    session.transaction.sender, .recipients     what was accepted so far
    session.transaction.bounce                  the sender is empty
    session.transaction.headers                 lines (with LF) to go before the message
    session.transaction.discarded = self.name   accept the message, once it has come, and queue nothing
    session.transaction.notes["mine"]           what you want to remember of this transaction
    session.env, session.config                 environment (bytes) and configuration, see control/config.py
    session.verdict.accepted                    RCPT: a check before this one has accepted
    session.change_address(event, b"new@host")  MAIL, RCPT: another address in the place of the client's
    session.pause(seconds)                      make the client wait
    session.flush()                             let it have its replies before you wait for somebody else
    session.log.write(level, b"text")           see logs/log.py for the levels

With `holds = True` the message waits until `message` of every such check has seen it, and that hook has also

    held = session.transaction.held             the message, as the checks before this one have left it
    held.fields                                 [(name, value), ...]: the value is all behind the colon, without the LF
    held.size, held.body()                      bytes as stored; the body in blocks with LF, as often as wanted
    edits = session.transaction.edits           what should become of it; counts only if the check lets it pass
    edits.add_top(name, value)                  a field at the very top; a value begins with a blank of yours
    edits.insert(index, name, value)            0: the very top, 1: just below our Received
    edits.add(name, value)                      at the end of the header
    edits.change(name, n, value)                the n-th field of that name, from 1; at the end if there is none
    edits.delete(name, n)
    edits.replace_body(blocks)                  blocks of bytes with LF, from any iterator
    edits.sender(address)                       and .add_recipient(address), .remove_recipient(address)
    edits.discard()                             accept it and queue nothing

Import what is heavy inside the hook that needs it: a module is loaded for every connection. Not so in the resident
mode with control/sessionsperprocess above 1 (its default): there a process serves many connections in turn, and your
module stays loaded, with its global variables, until one of your files changes. So keep what belongs to a client in
your Checker object, which is made anew for each session, and never in the module or in the class. The current folder,
umask, signals, limits, environment and sys.path are put back after each session; a process in which you leave open a
descriptor or a thread serves nobody else. All other changes live on: of other modules, of the locale and C's time zone,
of the default timeout of sockets, of random's seed.

What you print goes to the log. A child that you fork ends with posix._exit; one that comes back is ended.
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
    """Called once a connection, before the greeting, with the words behind the name in control/smtpcheckers.

    Return None when there is nothing to do: then the checker costs nothing more.
    """
    return Template()


class Template(Checker):
    """The hooks in the order of the protocol."""

    exemptible = False  # True: goodmailfrom senders skip `mail`
    holds = False  # True: see the message in `message`; may be decided as late as in `data`
    advisory = False  # True: an exception here lets mail pass instead of deferring it

    def connect(self, session: Session, event: None) -> Reply | None:
        """Before the greeting. A refusal becomes the greeting; then only QUIT is left to the client."""
        return None

    def helo(self, session: Session, event: Helo) -> Reply | None:
        """HELO and EHLO: event.name, event.extended."""
        return None

    def auth(self, session: Session, event: Auth) -> Reply | None:
        """AUTH, before the first prompt: event.mechanism. Passwords do not come this way."""
        return None

    def authenticated(self, session: Session, event: Auth) -> Reply | None:
        """AUTH has succeeded and is not told yet: event.mechanism, session.user. A refusal undoes it."""
        return None

    def mail(self, session: Session, event: Mail) -> Reply | None:
        """MAIL: event.address, event.parameters. session.transaction is the new one; if any check refuses, the
        one before stays in force."""
        return None

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        """RCPT: event.address, event.parameters. Checkers of a site are asked before rcpthosts: accept() here
        overrules it."""
        return None

    def rcpt_refused(self, session: Session, event: Rcpt) -> None:
        """A recipient was refused, by you or by another check. No reply is possible here."""

    def unknown(self, session: Session, event: Unknown) -> Reply | None:
        """A command that nobody knows: event.line, which may be a password. A refusal goes in the place of 502."""
        return None

    def data(self, session: Session, event: Data) -> Reply | None:
        """DATA, before the queue program is started and before 354."""
        return None

    def block(self, session: Session, event: MessageBlock) -> None:
        """Some of the message as it is stored: event.block, event.header. Cut anywhere in the body, at line ends in
        the header. No reply is possible here, remember what you saw for `message`."""

    def message(self, session: Session, event: EndOfMessage) -> Reply | None:
        """After the final dot, before the envelope goes to the queue: event.hops, event.size. Messages that loop, are
        too large, or match control/signatures do not come here."""
        return None

    def refused(self, session: Session, event: Event | None, reply: Reply) -> None:
        """The client gets your refusal: pause here, count and write to the log. Not called in the SHADOW."""

    def release(self) -> None:
        """DATA was given, or the session ends: let go of helpers and connections."""

    def ended(self) -> None:
        """The session is over: close what you kept for all of it."""
