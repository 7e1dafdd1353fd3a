"""Sender authentication: SPF, DKIM, DMARC and iprev (SPEC section 17). No I/O; the caller passes in the DNS as a
function, see dns.py."""
