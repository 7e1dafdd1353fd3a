"""Small worlds for SPF: a zone, a client, a sender and a HELO name, made by a random.Random.

The names are few, so that records find each other; most are in order, and every tenth term is spoilt.
"""

from __future__ import annotations

NAMES = ("a.example", "b.example", "sub.a.example", "mail.b.example", "c-d.example", "gone.example")
V4 = ("192.0.2.1", "192.0.2.2", "192.0.2.130", "198.51.100.7")
V6 = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
REVERSE = {
    "192.0.2.1": "1.2.0.192.in-addr.arpa",
    "192.0.2.2": "2.2.0.192.in-addr.arpa",
    "192.0.2.130": "130.2.0.192.in-addr.arpa",
    "198.51.100.7": "7.100.51.198.in-addr.arpa",
    "2001:db8::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    "2001:db8::2": "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    "2001:db8:0:1::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
}
MACROS = (
    *("%{i}", "%{ir}.%{v}", "%{l}", "%{l1r-}", "%{lr+}", "%{s2}", "%{o}", "%{o1}", "%{d}", "%{d2r}", "%{h}", "%{p}"),
    *("%{D}", "%{L}", "%{S}", "%%", "%_", "%-", "%{dr-}", "%{d2r,-_}", "%{l999}"),
)
BAD_MACROS = ("%{d0}", "%{x}", "%{c}", "%(d)", "%{d", "%")
PREFIXES = ("", "", "", "/0", "/8", "/24", "/25", "/32", "/24//64", "//64", "//0", "//128")
BAD_PREFIXES = ("/33", "/024", "//129", "/")
SPOILT = ("", ":", "/", "=", "..", "\x00", "\xe9", "?", "-", "1")
LOCALS = ("user", "first-last", "a+b", "A.B", "", "o'x/y=z", "user" * 20)


class World:
    def __init__(self, dice):
        self._dice = dice
        self.zone = {name: self._records() for name in NAMES[:-1]}
        self.zone |= {REVERSE[ip]: [{"PTR": name} for name in self._some(NAMES)] for ip in self._some(V4 + V6)}
        self.zone["x.a.example"] = [{"TXT": self._explanation()}]
        self.ip = dice.choice(V4 + V6)
        self.sender = f"{dice.choice(LOCALS)}@{dice.choice(NAMES[:-1] * 3 + NAMES[-1:])}"
        self.helo = dice.choice((*NAMES, "[192.0.2.1]", "helo"))

    def _some(self, of):
        return self._dice.sample(of, self._dice.randrange(len(of)))

    def _records(self):
        dice = self._dice
        records = [{"A": ip} for ip in self._some(V4)[:2]] + [{"AAAA": ip} for ip in self._some(V6)[:2]]
        records += [{"MX": [dice.randrange(3), name]} for name in self._some(NAMES)[:3]]
        if dice.random() < 0.02:
            records += [{"MX": [n, NAMES[0]]} for n in range(10)]
        if dice.random() < 0.9:
            records.append({"TXT": self.record()})
        if dice.random() < 0.05:
            records.append({"TXT": dice.choice(("v=spf1 -all", "v=spf10 -all", "some text"))})
        if dice.random() < 0.05:
            records.append("TIMEOUT")
        return records

    def record(self):
        dice = self._dice
        terms = [self._mechanism() for _ in range(dice.choice((0, 1, 1, 2, 2, 3, 4, 12)))]
        terms += [self._modifier() for _ in range(dice.choice((0, 0, 1, 2)))]
        if dice.random() < 0.2:
            dice.shuffle(terms)
        if dice.random() < 0.6:
            terms.append(dice.choice(("-all", "~all", "?all", "+all", "all", "ALL")))
        terms = [self._spoilt(term) if dice.random() < 0.02 else term for term in terms]
        return dice.choice(("v=spf1 ",) * 9 + ("V=SPF1  ",)) + dice.choice((" ",) * 9 + ("  ",)).join(terms)

    def _mechanism(self):
        dice = self._dice
        kind = dice.choice(("a", "a", "mx", "ptr", "include", "include", "exists", "ip4", "ip4", "ip6", "A", "Mx"))
        if kind in ("ip4", "ip6"):
            argument = ":" + dice.choice(V4 if kind == "ip4" else V6) + dice.choice(("", "", "/24", "/32", "/0"))
        elif kind in ("include", "exists"):
            argument = ":" + self._domain()
        else:
            argument = dice.choice(("", ":" + self._domain()))
            argument += "" if kind == "ptr" else dice.choice(PREFIXES if dice.random() < 0.97 else BAD_PREFIXES)
        return dice.choice(("", "", "", "-", "~", "?", "+")) + kind + argument

    def _modifier(self):
        dice = self._dice
        kind = dice.choice(("redirect", "redirect", "exp", "exp", "unknown", "Exp", "x-_.9"))
        return f"{kind}={'x.a.example' if kind == 'exp' and dice.random() < 0.5 else self._domain()}"

    def _domain(self):
        dice = self._dice
        if dice.random() < 0.8:
            return dice.choice(NAMES)
        macros = MACROS if dice.random() < 0.9 else BAD_MACROS
        ends = (".a.example", ".example", ".example.", "", ".e-x") if dice.random() < 0.9 else (".1", ".-x", ".x-")
        return "".join(dice.choice(macros) for _ in range(dice.choice((1, 1, 2)))) + dice.choice(ends)

    def _explanation(self):
        dice = self._dice
        words = ("see", "http://x/?%{S}", "%{c}", "%{r}", "%{p}", *MACROS)
        text = " ".join(dice.choice(words) for _ in range(dice.randrange(6)))
        return self._spoilt(text) if dice.random() < 0.05 else text

    def _spoilt(self, text):
        place = self._dice.randrange(len(text) + 1)
        return text[:place] + self._dice.choice(SPOILT) + text[place + self._dice.randrange(2) :]
