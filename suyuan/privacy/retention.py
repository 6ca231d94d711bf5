"""How long what is kept of persons is kept, and the agenda of what has to change its state, and when.

The rules are data (`retention.toml`): channel of the trade × category × basis → how long in ordinary use, how long a
law makes us keep it, and after how long it goes. A platform sets other numbers within what a rule allows. What is kept
passes through three states:

    active ──(no longer needed)──▶ restricted ──(at the end of its term)──▶ shredded

Restricted means stored and secured and nothing else (个人信息保护法 2021, art. 47): only an authority's order, the
person's own request and what was promised before still open it.

Owns the table `retention`: one entry for each seller, one for each redemption with a sealed source, and one
for each paper. Entries are
made from history (`flows.follow_history`), so no flow has to remember to make them; an entry without a rule is an error
(`NoRule`), never a silent "for ever".

>>> rules = load_rules()
>>> rule = rules.rule("online", "card_secret")
>>> [plan(rule, began_at=0, now=days * DAY_S * SECOND).state for days in (0, 29, 30)]
['active', 'active', 'shredded']
>>> seller = rules.rule("online", "seller")
>>> [plan(seller, began_at=0, now=days * DAY_S * SECOND).state for days in (364, 365, 1094, 1095)]
['active', 'restricted', 'restricted', 'shredded']
>>> rules.rule("online", "rumours")
Traceback (most recent call last):
    ...
suyuan.privacy.retention.NoRule: no retention rule for rumours of the channel online; add one before keeping it
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import msgspec
import psycopg
from psycopg.rows import TupleRow

from suyuan.base.clock import DAY_S, SECOND
from suyuan.base.db import Fetch
from suyuan.privacy.purposes import Citation, Words

TABLE = "retention"
ORDINARY, AML_OBLIGED = "ordinary", "aml_obliged"
ONLINE, SHOP = "online", "shop"
ACTIVE, RESTRICTED, SHREDDED = "active", "restricted", "shredded"
APPLICANT, SELLER, CARD_SECRET, BALANCE_NUMBER = "applicant", "seller", "card_secret", "balance_number"
OF_REDEMPTIONS = (CARD_SECRET, BALANCE_NUMBER)
OF_PAPERS = ("identity_photo", "card_photo", "shop_paper")


class NoRule(Exception):
    """Raised where something personal is kept for which nobody has said how long."""


class BadRetention(Exception):
    """Raised where a platform's own numbers leave what the law allows; its text names the rule and the bounds."""


class Rule(msgspec.Struct, frozen=True, rename={"begins": "from"}, forbid_unknown_fields=True):
    """How long one category of one channel is kept on one basis; terms in days from `begins`."""

    category: str
    channel: str
    basis: str
    begins: Words
    what: Words
    active_d: int
    min_d: int
    max_d: int
    ceiling_d: int
    law: str
    version: str
    article: str

    @property
    def citation(self) -> Citation:
        """The rule of law that sets the term."""
        return Citation(self.law, self.version, self.article)

    def __post_init__(self) -> None:
        """A rule that contradicts itself is a mistake in the file."""
        if not 0 <= self.active_d <= self.max_d or not self.min_d <= self.max_d <= self.ceiling_d:
            raise BadRetention(
                f"retention of {self.channel}.{self.category}: {self.max_d} days is not between"
                f" {max(self.min_d, self.active_d)} and {self.ceiling_d}, as {self.law} {self.article} asks"
            )


class _File(msgspec.Struct, frozen=True):
    rule: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """The rules in force on one platform."""

    rules: Mapping[tuple[str, str], Rule]

    def rule(self, channel: str, category: str) -> Rule:
        """The rule for a category of a channel. Raises `NoRule`."""
        found = self.rules.get((channel, category))
        if found is None:
            raise NoRule(f"no retention rule for {category} of the channel {channel}; add one before keeping it")
        return found


def load_rules(*, aml_obliged: bool = False, days: Mapping[str, int] | None = None) -> RetentionRules:
    """The rules of a platform; `days` sets the end of a term by `<channel>.<category>`. Raises `BadRetention`."""
    content = files("suyuan.privacy").joinpath("retention.toml").read_bytes()
    read = msgspec.convert(tomllib.loads(content.decode()), _File).rule
    rules = {(rule.channel, rule.category): rule for rule in read if rule.basis == ORDINARY}
    if aml_obliged:
        rules |= {(rule.channel, rule.category): rule for rule in read if rule.basis == AML_OBLIGED}
    for name, max_d in (days or {}).items():
        channel, _, category = name.partition(".")
        rule = rules.get((channel, category))
        if rule is None:
            raise BadRetention(f"retention of {name}: there is no such rule; write <channel>.<category>")
        rules[channel, category] = msgspec.structs.replace(rule, max_d=max_d, active_d=min(rule.active_d, max_d))
    return RetentionRules(rules)


def category_of(source: str) -> str:
    """Under which category the sealed source of a redemption is kept, a card or a balance."""
    return CARD_SECRET if source == "card" else BALANCE_NUMBER


class Plan(NamedTuple):
    """The state that something should be in now, and the instant at which that changes; None for never."""

    state: str
    changes_at: int | None


def plan(rule: Rule, *, began_at: int, now: int) -> Plan:
    """What a rule says of something whose term began then; instants in micros."""
    restricted_at, shredded_at = began_at + _micros(rule.active_d), began_at + _micros(rule.max_d)
    if now < restricted_at:
        return Plan(ACTIVE, restricted_at)
    if now < shredded_at:
        return Plan(RESTRICTED, shredded_at)
    return Plan(SHREDDED, None)


def kept_until(rule: Rule, *, began_at: int) -> int:
    """Until when a law makes us keep it, whoever asks to forget it; micros."""
    return began_at + _micros(rule.min_d)


def _micros(days: int) -> int:
    return days * DAY_S * SECOND


# --- the agenda ----------------------------------------------------------------------------------


class Entry(NamedTuple):
    """One thing on the agenda: a seller's data, a paper of theirs, or the sealed source of their redemption."""

    id: str
    owner: str
    category: str
    channel: str
    began_at: int
    state: str
    due_at: int


class Counted(NamedTuple):
    """How many entries of a category are in a state, and the earliest instant at which one of them changes."""

    channel: str
    category: str
    state: str
    entries: int
    next_at: int | None


Connection = psycopg.AsyncConnection[TupleRow]


async def note(connection: Connection, entries: Sequence[Entry]) -> None:
    """Puts entries on the agenda, or begins their term anew. One that was restricted is looked at again at once."""
    if entries:
        await connection.execute(_NOTE, [list(column) for column in zip(*entries, strict=True)])


async def due(connection: Connection, *, now: int, rows_max: int) -> list[Entry]:
    """What has to change its state now, the longest waiting first."""
    return [Entry(*row) for row in await (await connection.execute(_DUE, (now, rows_max))).fetchall()]


async def move(connection: Connection, ids: Iterable[str], state: str, due_at: int) -> None:
    """Records the state of entries, and when they are due next."""
    await connection.execute(_MOVE, (state, due_at, list(ids)))


async def entries_of(connection: Connection, owner: str) -> list[Entry]:
    """All that stands on the agenda about one seller, shredded or not."""
    return [Entry(*row) for row in await (await connection.execute(_OF_OWNER, (owner,))).fetchall()]


async def sources_of(fetch: Fetch, owner: str, *, after_id: str, rows_max: int) -> list[str]:
    """The redemptions of a seller whose sources stand on the agenda, in the order in which they were made."""
    return [str(row[0]) for row in await fetch(_SOURCES, [owner, owner, after_id, rows_max])]


def counted(connection: psycopg.Connection[TupleRow]) -> list[Counted]:
    """The agenda in numbers."""
    return [Counted(*row) for row in connection.execute(_COUNTED).fetchall()]


def due_until(connection: psycopg.Connection[TupleRow], *, until: int, rows_max: int) -> list[Entry]:
    """What will have come due by then; for a dry run."""
    return [Entry(*row) for row in connection.execute(_DUE, (until, rows_max)).fetchall()]


def own_entries(connection: psycopg.Connection[TupleRow], sellers: Iterable[str]) -> dict[str, Entry]:
    """What the agenda says of sellers themselves, by seller."""
    return {row[0]: Entry(*row) for row in connection.execute(_OF_IDS, (list(sellers),)).fetchall()}


_COLUMNS = ", ".join(Entry._fields)
_NOTE = f"""
INSERT INTO retention ({_COLUMNS})
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])
ON CONFLICT (id) DO UPDATE SET
    category = excluded.category,
    began_at = greatest(retention.began_at, excluded.began_at),
    due_at = CASE retention.state WHEN 'restricted' THEN 0 ELSE excluded.due_at END
WHERE retention.state <> 'shredded'
"""
_DUE = f"SELECT {_COLUMNS} FROM retention WHERE state <> 'shredded' AND due_at <= %s ORDER BY due_at LIMIT %s"
_MOVE = "UPDATE retention SET state = %s, due_at = %s WHERE id = ANY(%s)"
_OF_OWNER = f"SELECT {_COLUMNS} FROM retention WHERE owner = %s ORDER BY id"
_OF_IDS = f"SELECT {_COLUMNS} FROM retention WHERE id = ANY(%s)"
_SOURCES = "SELECT id FROM retention WHERE owner = %s AND id <> %s AND id > %s ORDER BY id LIMIT %s"
_COUNTED = """
SELECT channel, category, state, count(*), min(due_at) FILTER (WHERE state <> 'shredded')
FROM retention GROUP BY channel, category, state ORDER BY channel, category, state
"""
