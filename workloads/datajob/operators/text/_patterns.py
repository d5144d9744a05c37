"""What an e-mail address, a URL, an IP address, a phone, card or identity number looks like."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

AT, LINK, NUMBER, DOTTED, COLONS = 1, 2, 4, 8, 16
"""Hints of the compiled scan: a region without them cannot hold a match."""


@dataclass(frozen=True)
class Pattern:
    """One kind of thing: where it may be, what it looks like, and a check that the look is not deceiving."""

    name: str
    hints: int
    regex: re.Pattern[str]
    valid: Callable[[str], bool] = lambda _: True


def luhn(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812)."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def chinese_id(number: str) -> bool:
    """The check character of Chinese identity numbers (GB 11643)."""
    total = sum(pow(2, 17 - i, 11) * int(digit) for i, digit in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()


def public_address(text: str) -> bool:
    """A valid IP address that the whole internet can reach."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _spanish_id(number: str) -> bool:
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number[:8]) % 23] == number[8].upper()


def national_id(number: str) -> bool:
    """Chinese (with its check character), Spanish (with its letter) or of the United States."""
    if len(number) == 18:
        return chinese_id(number)
    return _spanish_id(number) if len(number) == 9 else True


_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
_BEFORE, _AFTER = r"(?<![\w.+-])(?<!\d[/,])", r"(?![\w@])(?![.,/-]\d)"

EMAIL = Pattern(
    "email", AT, re.compile(rf"(?<![A-Za-z0-9]){_LOCAL}+(?:\.{_LOCAL}+)*@(?:{_LABEL}\.)+[A-Za-z]{{2,63}}(?![A-Za-z0-9])")
)
URL = Pattern(
    "url",
    LINK,
    re.compile(
        r"(?<![A-Za-z0-9])(?:(?:https?|ftps?)://|www\.(?=\w))"
        r"""[^\s<>"'`{}|\\^\u2e80-\ua4cf\uff00-\uffef]+(?<![.,;:!?()\[\]*…])""",
        re.IGNORECASE,
    ),
)
IP = Pattern(
    "ip",
    DOTTED | COLONS,
    re.compile(
        rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.\d)|(?<![\w:.])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}[0-9A-Fa-f]{{0,4}}(?![\w:])"
    ),
    public_address,
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
        rf"|{_BEFORE}(?!000|666|9)\d{{3}}-(?!00)\d{{2}}-(?!0000)\d{{4}}{_AFTER}|{_BEFORE}\d{{8}}[A-Za-z](?![\dA-Za-z])",
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
        rf"|{_BEFORE}\(?0\d{{1,4}}\)?[ /-]{{1,2}}(?:\d[ -]?){{5,8}}\d{_AFTER}",  # with a trunk prefix
        re.ASCII,
    ),
)

PATTERNS = {pattern.name: pattern for pattern in (EMAIL, URL, IP, CARD, NATIONAL_ID, PHONE)}
"""In the order in which they are looked for: what one took the next does not get."""
