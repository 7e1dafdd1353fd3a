"""qmail-smtpd in Python: the SMTP receiver of the qmail-ldap family."""

VERSION = "1.0"
