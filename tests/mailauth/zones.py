"""Zones for tests of mailauth, as the DNS function of mailauth/dns.py.

A zone is {name: [record, ...]}, the form of the SPF suite: a record is {"A": "1.2.3.4"}, {"MX": [10, "host"]},
{"TXT": "text" or ["strings", "of it"]}, {"CNAME": "name"}, or "TIMEOUT" for every type that is not there. As the
suite wants it, SPF records stand for TXT records where a name has no TXT; {"TXT": "NONE"} says that it has none.
"""

from __future__ import annotations

from ipaddress import ip_address

from qmail_smtpd.mailauth.dns import NoSuchName, Temporary

LONGEST_CHAIN = 10  # CNAMEs


def lookup_in(zone):
    names = {name.lower().rstrip("."): records for name, records in zone.items()}

    def lookup(name, rtype):
        return _answer(names, name.decode("latin1").lower().rstrip("."), rtype)

    return lookup


def _answer(names, name, rtype, chain=0):
    if name not in names:
        raise NoSuchName
    if chain > LONGEST_CHAIN:
        raise Temporary("a chain of CNAMEs")
    records = [record for record in names[name] if isinstance(record, dict)]
    for record in records:
        if "CNAME" in record and rtype != "CNAME":
            return _answer(names, record["CNAME"].lower().rstrip("."), rtype, chain + 1)
    values = values_of(records, rtype)
    if not values and "TIMEOUT" in names[name]:
        raise Temporary("no answer")
    return [packed(value, rtype) for value in values]


def values_of(records, rtype):
    """The values as the zone has them. An SPF record is a TXT record where there is none of these."""
    values = [record[rtype] for record in records if rtype in record]
    if rtype == "TXT" and not values:
        values = [record["SPF"] for record in records if "SPF" in record]
    return [value for value in values if value != "NONE"]


def packed(value, rtype):
    """A value as `lookup` returns it."""
    if rtype in ("A", "AAAA"):
        return ip_address(value).packed
    if rtype == "MX":
        return value[0], value[1].encode("latin1").rstrip(b".")
    text = "".join(value) if isinstance(value, list) else value
    return text.encode("utf-8") if rtype == "TXT" else text.encode("latin1").rstrip(b".")
