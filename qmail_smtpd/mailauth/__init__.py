"""Who sent it: SPF, DKIM, DMARC and iprev (SPEC section 17). No I/O; the DNS comes in as a function, see dns.py."""
