"""The LDAP side of the receiver: the programs qmail-verify and auth_smtp (SPEC section 8).

verify and auth are the two programs; lookup, passwords, localusers and cache answer the questions; client and
watchdog talk to the servers, filters writes what is asked; settings and program are what both programs share.
"""
