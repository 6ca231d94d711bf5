"""Canaries: people and cards that do not exist, each known to one export only. Who shows one has seen that export.

A canary subject is a row like its neighbours. It borrows the open columns of a real row of the same export (`like`),
a little earlier, and brings a name, a phone number, an identity number and an account of its own, whole or masked.
All of it derives from (key, export, the export's subjects), so nothing about canaries is stored anywhere and no list
of them can be stolen. It must never touch a person:

- phone numbers lie under prefixes that nobody is assigned (`UNASSIGNED`) or, better, that you own. Prefixes that
  belong to nobody can be filtered out by whoever knows them; numbers that you own cannot.
- identity numbers end in a wrong check character (GB 11643-1999), accounts fail their Luhn check (ISO/IEC 7812-1), so
  neither can be anybody's.
- the recipient of a lawful order gets none: evidence holds no invented people. Nor do counts for risk or reports.

How many: 5 % of the rows, at least 20; from 2,000 rows on 100, from 5,000 on 2 %. Below 100 rows a fifth of them,
below five rows none, since an export of three people with a fourth invented would mislead more than it protects.

A canary card is a serial with a PIN that no operator issued, made to lie among the cards that somebody is given. Its
PIN is a keyed digest of its serial, so the door recognises one at the cost of one digest, however many there are.

>>> subjects = [f"slr_{number}" for number in range(100)]
>>> canaries = Canaries(bytes(32), "exp_01KAN83YR00000000000000000").among(subjects)
>>> len(canaries), {canary.number[:3] for canary in canaries} <= set(UNASSIGNED)
(20, True)
>>> serial, pin = canary_card(bytes(32), "cmcc", "exp_1", 0, serial_digits=17, pin_digits=18)
>>> is_canary_card(bytes(32), "cmcc", serial, pin), is_canary_card(bytes(32), "cmcc", serial, "0" * 18)
(True, False)
"""

from __future__ import annotations

import hmac
import re
import struct
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from suyuan.base.ids import CHANCE_BYTES, is_id, made_at, new_id
from suyuan.privacy.mask import masked_name, masked_number

# Sureness C, so look again every year: a press list of the operators' prefixes of July 2022 names them as assigned to
# nobody, no list of assigned ones that we read has them, and block tables know a few dozen stray blocks of 10,000 in
# each; MIIT publishes no list that a program could read. 161, which that press list names too, is left out, because
# the metadata of libphonenumber know 1610 as China Broadnet's.
UNASSIGNED = ("154", "164", "194")

CARDS_MAX = 100
NUMBER_DIGITS = 11
# What an export may call a subject instead of by its id: an index of 128 bits, made for one recipient.
_PSEUDONYM = re.compile("psn_[0-9a-f]{32}")
_PREFIX = re.compile(r"1[3-9][0-9]{1,9}")
_HEAD, _TAIL = 3, 4  # What a masked number shows.
_EARLIER_MS_MAX = 30 * 60 * 1000

# Common ones, each as likely as the next, so that the chance of meeting one by accident is known.
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾"
    "肖田董袁潘蔡蒋余于杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏"
)
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉秀红文建国志"
    "海云龙飞鹏宇浩凯波辉斌健俊帆佳雪梅琳慧莹倩婷晶欣怡瑶璐雨晨思嘉"
)
_ONE_OF = 8  # One given name in eight has one character.
_AREAS = ("110101", "310104", "320106", "330106", "350203", "370202", "420106", "430104", "440305", "510107", "610113")
_BANKS = ("622202", "622848", "621700", "621661", "622588")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_SMALL, _COUNT_MIN, _COUNT_PLENTY = 100, 20, 100


class BadPrefix(ValueError):
    """Raised for prefixes under which no set of canary numbers can be counted out."""


class _Drawn(NamedTuple):
    number: int
    like: int
    earlier: int
    name: int
    identity: int
    payee: int
    id_chance: bytes


_DRAWN = struct.Struct(f">6Q{CHANCE_BYTES}s")


class Canary(NamedTuple):
    """A person who does not exist, as a row of one export."""

    subject: str
    name: str
    number: str
    like: str
    """The real subject of the same export whose open columns this row repeats."""
    earlier_ms: int
    """How much earlier than that one it says to have been registered."""
    drawn: _Drawn

    @property
    def identity_number(self) -> str:
        """An identity number with a wrong check character."""
        return _identity_number(self.drawn.identity)

    @property
    def payee(self) -> str:
        """A bank account that fails its check."""
        return _payee(self.drawn.payee)

    def at(self, at: int) -> int:
        """An instant of this row, made of the same column of the row that it is like."""
        return at - self.earlier_ms * 1000


class Shown(NamedTuple):
    """What a leaked row still shows of who it is about; empty where a column is gone. Numbers are whole or masked."""

    subject: str = ""
    number: str = ""
    name: str = ""


class Numbers:
    """The numbers that canaries may have: everything under some prefixes."""

    def __init__(self, prefixes: Sequence[str]) -> None:
        if not prefixes or any(_PREFIX.fullmatch(prefix) is None for prefix in prefixes):
            raise BadPrefix("canary numbers need prefixes of 3 to 11 digits that begin with 13 to 19")
        ordered = sorted(prefixes)
        for shorter, longer in pairwise(ordered):
            if longer.startswith(shorter):
                raise BadPrefix(f"the prefix {longer} lies within {shorter}; name one of them")
        self._prefixes = tuple(ordered)
        self._sizes = tuple(10 ** (NUMBER_DIGITS - len(prefix)) for prefix in ordered)
        self.count: int = sum(self._sizes)

    def number(self, place: int) -> str:
        """The number at a place, counted from 0."""
        for prefix, size in zip(self._prefixes, self._sizes, strict=True):
            if place < size:
                rest = NUMBER_DIGITS - len(prefix)
                return prefix + (f"{place:0{rest}}" if rest else "")
            place -= size
        raise IndexError("there are not so many canary numbers")

    def chance(self, number: str) -> float:
        """How likely a canary's number shows like this, whole or masked; 0.0 where no canary's does."""
        if "*" not in number:
            return 1 / self.count if number.startswith(self._prefixes) and len(number) == NUMBER_DIGITS else 0.0
        alike = sum(self._masked(prefix, number) for prefix in self._prefixes)
        return alike / self.count

    def _masked(self, prefix: str, number: str) -> int:
        """How many numbers under a prefix are masked like this."""
        tail_known = prefix[NUMBER_DIGITS - _TAIL :]
        if prefix[:_HEAD] != number[:_HEAD] or not number[-_TAIL:].startswith(tail_known):
            return 0
        hidden: int = 10 ** max(0, NUMBER_DIGITS - _TAIL - len(prefix))
        return hidden


def canary_count(rows: int) -> int:
    """How many canaries an export of so many real rows carries."""
    if rows < _SMALL:
        return rows // 5
    return max(_COUNT_MIN, min(-(-rows // 20), _COUNT_PLENTY), -(-rows // 50))


class Canaries:
    """The canary subjects of one export."""

    def __init__(self, key: bytes, export: str, prefixes: Sequence[str] = UNASSIGNED) -> None:
        self._key = hmac.digest(key, f"suyuan canary 1 subject|{export}".encode(), "sha256")
        self._export = export
        self.numbers = Numbers(prefixes)

    def among(self, subjects: Iterable[str]) -> tuple[Canary, ...]:
        """The canaries of an export of these subjects, in whatever order they are named."""
        real = sorted(set(subjects))
        count = min(canary_count(len(real)), self.numbers.count // 2)
        taken: dict[str, _Drawn] = {}
        place = 0
        while len(taken) < count:
            drawn = self._draw(place)
            taken.setdefault(self.numbers.number(drawn.number % self.numbers.count), drawn)
            place += 1
        return tuple(self._canary(number, drawn, real) for number, drawn in taken.items())

    def _canary(self, number: str, drawn: _Drawn, real: list[str]) -> Canary:
        like = real[drawn.like % len(real)]
        earlier_ms = 1 + drawn.earlier % _EARLIER_MS_MAX
        made = made_at(like) or made_at(self._export) or 0
        return Canary(
            subject=new_id("slr", at=max(0, made - earlier_ms * 1000), chance=drawn.id_chance),
            name=_name(drawn.name),
            number=number,
            like=like,
            earlier_ms=earlier_ms,
            drawn=drawn,
        )

    def _draw(self, place: int) -> _Drawn:
        """All that a canary is made of, in one digest, because attribution makes the canaries of every export."""
        drawn = hmac.digest(self._key, str(place).encode(), "sha512")
        return _Drawn(*_DRAWN.unpack_from(drawn))


def _name(drawn: int) -> str:
    drawn, surname = divmod(drawn, len(_SURNAMES))
    drawn, is_short = divmod(drawn, _ONE_OF)
    drawn, first = divmod(drawn, len(_GIVEN))
    second = "" if is_short == 0 else _GIVEN[drawn % len(_GIVEN)]
    return _SURNAMES[surname] + _GIVEN[first] + second


def _identity_number(drawn: int) -> str:
    drawn, area = divmod(drawn, len(_AREAS))
    drawn, year = divmod(drawn, 45)
    drawn, month = divmod(drawn, 12)
    drawn, day = divmod(drawn, 28)
    drawn, order = divmod(drawn, 999)
    body = f"{_AREAS[area]}{1960 + year}{month + 1:02}{day + 1:02}{order + 1:03}"
    right = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, body, strict=True)) % 11
    # Any of the other ten characters makes it a number that was issued to nobody.
    return body + _CHECKS[(right + 1 + drawn % 10) % 11]


def _payee(drawn: int) -> str:
    drawn, bank = divmod(drawn, len(_BANKS))
    drawn, number = divmod(drawn, 10**12)
    body = f"{_BANKS[bank]}{number:012}"
    return body + str((_luhn_digit(body) + 1 + drawn % 9) % 10)


def name_chance(name: str) -> float:
    """How likely a canary has this name, whole or masked, at most."""
    if name == masked_name(name):
        return 1 / len(_SURNAMES)
    return 1 / (len(_SURNAMES) * len(_GIVEN) * _ONE_OF)


def shows(canary: Canary, shown: Shown, *, called: str = "") -> bool:
    """Whether a leaked row, as far as its columns survived, shows this canary: all of them, or it is none.

    `called` is its pseudonym where the export has its own.
    """
    return (
        shown.subject in ("", called or canary.subject)
        and shown.number in ("", canary.number, masked_number(canary.number))
        and shown.name in ("", canary.name, masked_name(canary.name))
    )


def chance_of(shown: Shown, numbers: Numbers) -> float:
    """How likely one canary looks like this row by chance; 0.0 where none can, so that the row is no trial."""
    if shown.subject and not (is_id("slr", shown.subject) or _PSEUDONYM.fullmatch(shown.subject)):
        return 0.0
    if not (shown.subject or shown.number):
        return 0.0
    by_id = 2.0 ** (-8 * CHANCE_BYTES) if shown.subject else 1.0
    by_number = numbers.chance(shown.number) if shown.number else 1.0
    return by_id * by_number * (name_chance(shown.name) if shown.name else 1.0)


def _luhn_digit(body: str) -> int:
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body)))
    return -sum(value - 9 if value > 9 else value for value in doubled) % 10


# --- cards ---------------------------------------------------------------------------------------


def canary_card(
    key: bytes, operator: str, export: str, number: int, *, serial_digits: int, pin_digits: int
) -> tuple[str, str]:
    """Serial and PIN of an export's canary card of this number, in the operator's form."""
    serial = _card_digits(key, f"serial|{operator}|{export}|{number}", serial_digits)
    return serial, _card_digits(key, f"pin|{operator}|{serial}", pin_digits)


def is_canary_card(key: bytes, operator: str, serial: str, pin: str) -> bool:
    """Whether a card is one of ours; it costs one digest, whatever is asked."""
    return hmac.compare_digest(_card_digits(key, f"pin|{operator}|{serial}", len(pin)).encode(), pin.encode())


def _card_digits(key: bytes, what: str, count: int) -> str:
    drawn = hmac.digest(key, f"suyuan canary 1 card {what}".encode(), "sha256")
    return f"{int.from_bytes(drawn) % 10**count:0{count}}"
