"""Tools for administrators: qmail-smtpd-check finds mistakes in a configuration, qmail-smtpd-explain tells why mail is
accepted or refused.

No session imports anything of this package. It writes no files. It contacts other programs and servers only as far as
the checks themselves do so (explain) or --online allows it (check).
"""
