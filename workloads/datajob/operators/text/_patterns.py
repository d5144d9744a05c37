"""Patterns of email addresses, URLs, IP addresses, and phone, card and identity numbers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

AT, LINK, NUMBER, DOTTED, COLONS = 1, 2, 4, 8, 16
"""Hints of the compiled scan: a region without them cannot contain a match."""


@dataclass(frozen=True)
class Pattern:
    """A kind of match: the hints of its regions, its regular expression, and a check of each match."""

    name: str
    hints: int
    regex: re.Pattern[str]
    valid: Callable[[str], bool] = lambda _: True


def luhn(number: str) -> bool:
    """Check the check digit of a payment card (ISO/IEC 7812)."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def chinese_id(number: str) -> bool:
    """Check the check character of a Chinese identity number (GB 11643)."""
    total = sum(pow(2, 17 - i, 11) * int(digit) for i, digit in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()


def public_address(text: str) -> bool:
    """Whether the text is a valid public IP address: IPv4, IPv6 in 2000::/3, or IPv6 with an embedded public IPv4 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global
    if address in _TRANSLATED or address.ipv4_mapped is not None:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF).is_global
    return address in _GLOBAL and address.is_global


_GLOBAL, _TRANSLATED = ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("64:ff9b::/96")


def iban(text: str) -> bool:
    """The check digits of bank accounts (ISO 13616)."""
    plain = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _spanish_id(number: str) -> bool:
    digits = str("XYZ".find(number[0])) + number[1:8] if number[0] in "XYZ" else number[:8]
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[8].upper()


def national_id(number: str) -> bool:
    """Chinese (with its check character), Spanish (DNI or NIE, with its letter) or of the United States."""
    plain = number.replace("-", "")
    if len(plain) == 18:
        return chinese_id(plain)
    return _spanish_id(plain) if plain[-1].isalpha() else True


_SPACED = (
    "\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02c1\u0300-\u037d\u0386-\u052f\u0531-\u0556\u0561-\u0587\u05d0-\u05ea"
    "\u0620-\u06d3\u0900-\u0dff\u10a0-\u10ff\u1200-\u135a\u1e00-\u1fff"
)
"""Letters other than ASCII of scripts that put spaces between words; of others, a word may touch an address."""
_DENSE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
_WORD = rf"A-Za-z0-9{_SPACED}"
_LOCAL = rf"[{_WORD}!#$%&'*+/=?^_`{{|}}~-]"
_LABEL = rf"[{_WORD}](?:[{_WORD}-]{{0,61}}[{_WORD}])?"
_TOP = rf"(?:xn--[A-Za-z0-9-]{{2,59}}|[A-Za-z{_SPACED}]{{2,63}}(?![{_WORD}])|[{_DENSE}]{{2,63}})"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
_DOTTED = rf"(?:{_OCTET}\.){{3}}{_OCTET}(?!\w|\.\d)"
_BEFORE, _AFTER = r"(?<![\w.+-])(?<!\d[/,])", r"(?![\w@])(?![.,/-]\d)"

EMAIL = Pattern(
    "email",
    AT,
    re.compile(
        rf"(?<![{_WORD}]){_LOCAL}+(?:\.+{_LOCAL}+)*@(?:(?:{_LABEL}|[{_DENSE}]+)\.)+{_TOP}(?![{_WORD}])"
        rf"|[{_DENSE}]+@(?:[{_DENSE}]+\.)+[{_DENSE}]{{2,63}}"
    ),
)
URL = Pattern(
    "url",
    LINK,
    re.compile(
        r"(?<![A-Za-z0-9])(?:(?:https?|ftps?)://|www\.(?=\w))"
        rf"(?:[{_DENSE}]+(?:\.[{_DENSE}]+)+(?=[/:?#\s]|\Z))?"
        r"""[^\s<>"'`{}|\\^\u2e80-\ua4cf\uff00-\uffef]+(?<![.,;:!?()\[\]*…])""",
        re.IGNORECASE,
    ),
)
IP = Pattern(
    "ip",
    DOTTED | COLONS,
    re.compile(
        rf"(?<![\w.:]){_DOTTED}"
        rf"|(?<![\w:.])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:{_DOTTED}|[0-9A-Fa-f]{{0,4}}(?![\w:(]|\.\d))"
    ),
    public_address,
)
_LENGTHS = {
    15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
    26: "IS TR", 27: "BI FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU",
    31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
IBAN = Pattern(
    "iban",
    NUMBER,
    re.compile(
        "(?<![A-Za-z0-9])(?:"
        + "|".join(
            rf"(?:{countries.replace(' ', '|')})\d{{2}}(?: ?[A-Z0-9]){{{length - 4}}}" for length, countries in _LENGTHS.items()
        )
        + ")(?![A-Za-z0-9])"
    ),
    iban,
)
CARD = Pattern(
    "card",
    NUMBER,
    re.compile(
        rf"{_BEFORE}(?:[2-6]\d{{3}}([ -]?)\d{{4}}\1\d{{4}}\1\d{{1,7}}|3[47]\d{{2}}([ -]?)\d{{6}}\2\d{{5}}){_AFTER}", re.ASCII
    ),
    luhn,
)
NATIONAL_ID = Pattern(
    "nationalId",
    NUMBER,
    re.compile(
        rf"(?<![\dA-Za-z])[1-9]\d{{5}}(?:18|19|20)\d{{2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{{3}}[\dXx](?![\dA-Za-z])"
        rf"|{_BEFORE}(?!000|666|9)\d{{3}}-(?!00)\d{{2}}-(?!0000)\d{{4}}{_AFTER}"
        rf"|{_BEFORE}(?:\d{{8}}|[XYZ]-?\d{{7}})-?[A-Za-z](?![\dA-Za-z])",
        re.ASCII,
    ),
    national_id,
)
PHONE = Pattern(
    "phone",
    NUMBER,
    re.compile(
        rf"(?<![\w.+-])\+(?:[ .()-]{{0,2}}\d){{8,15}}{_AFTER}"  # international
        rf"|(?<![\dA-Za-z.+-])1[3-9]\d([ -]?)\d{{4}}\1\d{{4}}(?![\dA-Za-z@])(?![.,/-]\d)"  # Chinese mobile
        rf"|{_BEFORE}(?:1[ .-])?(?:\(\d{{3}}\) ?|\d{{3}}[ .-])\d{{3}}[ .-]\d{{4}}{_AFTER}"  # North American
        rf"|{_BEFORE}8[ -]?(?:\(\d{{3,5}}\)|(?<=[ -])\d{{3}}(?=[ -]))[ -]?\d{{1,3}}[ -]?\d{{2}}[ -]?\d{{2}}{_AFTER}"  # Russian
        rf"|{_BEFORE}00[1-9]\d{{0,2}}[ -](?:[ .()-]{{0,2}}\d){{6,12}}{_AFTER}|{_BEFORE}00861[3-9]\d{{9}}{_AFTER}"  # from abroad
        rf"|{_BEFORE}\(?0\d{{1,4}}\)?[ /-]{{1,2}}(?:\d[ -]?){{5,8}}\d{_AFTER}",  # with a trunk prefix
        re.ASCII,
    ),
)

PATTERNS = {pattern.name: pattern for pattern in (EMAIL, URL, IP, IBAN, CARD, NATIONAL_ID, PHONE)}
"""All patterns by name. If matches overlap, the earlier pattern takes precedence."""
