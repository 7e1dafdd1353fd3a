"""For the people who run it: qmail-smtpd-check (what is wrong here?) and qmail-smtpd-explain (why was this refused?).

Nothing in this package is imported by a session. It writes nothing, and speaks to nobody but the programs and
name servers that the checks themselves ask (explain) or that --online allows (check).
"""
