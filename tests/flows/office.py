"""Three officers, recipients and sellers in a house: what the stories of exports begin with."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pyrage

from suyuan.base import crypto, db
from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Refusal
from suyuan.faces import officers
from suyuan.faces.officers import Officer
from suyuan.flows.change_terms import AnyChange, Changed, encode_change
from suyuan.flows.export_records import ExportRecords
from suyuan.flows.hold_recipients import AddRecipient
from suyuan.flows.register_seller import Registered, register_seller
from suyuan.privacy.recipients import Role
from tests.flows.house import House, insert, seller, written

FIRST, SECOND, THIRD, FOURTH = (
    Officer(f"ofc_{number}", crypto.suite("ed25519").signer(bytes([number]) * 32)) for number in (1, 2, 3, 4)
)
READER = pyrage.x25519.Identity.generate()
AGE_KEY = str(READER.to_public())
_numbers = itertools.count(1)


class Office:
    """The officers of a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        for officer in (FIRST, SECOND):
            assert isinstance(self.submit(officers.register(officer)), Changed)
        for officer in (THIRD, FOURTH):
            self.decide(officer.as_change)

    def submit(self, command: Any) -> Any:
        """The line's answer."""
        return self.submit_all([command])[0]

    def submit_all(self, commands: Iterable[Any]) -> list[Any]:
        """The answers to commands that stand in the line at once."""

        async def ask() -> list[Any]:
            waiting = [self.house.line.submit(command) for command in commands]
            return [await answer for answer in waiting]

        return self.house.run(ask())

    def decide(self, change: AnyChange, by: tuple[Officer, Officer] = (FIRST, SECOND)) -> Any:
        """What two officers' decision comes to: the answer to the second, or the refusal of the first."""
        proposal = f"prp_{next(_numbers)}"
        answer = self.submit(officers.propose(by[0], proposal, change))
        if isinstance(answer, Refusal):
            return answer
        return self.submit(officers.approve(by[1], proposal, encode_change(change)))

    def recipient(self, role: Role = Role.AUDITOR, **changes: Any) -> str:
        """A recipient that is in force for a year."""
        change = self.new_recipient(role, **changes)
        assert isinstance(self.decide(change), Changed)
        return change.id

    def new_recipient(self, role: Role = Role.AUDITOR, **changes: Any) -> AddRecipient:
        """One to be entered."""
        named: dict[str, Any] = {"id": f"rcp_{next(_numbers)}", "name": "某会计师事务所"}
        named |= {"contact": "privacy@auditor.example"}
        named |= {"ends_at": plus(self.house.clock.now(), 365 * DAY_S), "age_key": AGE_KEY}
        return AddRecipient(**(named | {"role": role, "partner": "ptn_1" if role is Role.PARTNER else ""} | changes))

    def export(self, recipient: str, subjects: Iterable[str], *columns: str, **changes: Any) -> ExportRecords:
        """A wish of the first officer's, to be used for a month."""
        named = tuple(sorted(subjects))
        wish: dict[str, Any] = {
            "id": f"exp_{next(_numbers)}", "requester": FIRST.id, "purpose": "audit_compliance", "rows_max": len(named),
            "use_until": plus(self.house.clock.now(), 30 * DAY_S), "columns": columns or ("seller", "name"),
        }  # fmt: skip
        return ExportRecords(recipient=recipient, subjects=named, **(wish | changes))

    def read(self, *subjects: str, fields: Iterable[str], by: Officer = FIRST, reference: str = "call 17") -> Any:
        """What an officer's read is answered."""
        purpose = "answer_authority" if reference.startswith("wrt_") else "help_seller"
        now = self.house.clock.now()
        return self.submit(officers.read(by, purpose, reference, subjects=subjects, fields=fields, now=now))

    def counts(self) -> dict[str, tuple[int, int]]:
        """Items and items by order, by counter."""
        rows = self.house.rows("SELECT id, items, by_order FROM disclosure_count ORDER BY id")
        return {row[0]: (row[1], row[2]) for row in rows}

    def kinds(self) -> list[str]:
        """The kinds of all events, oldest first."""
        return [event["kind"] for event in self.house.events()]


def sellers(house: House, count: int, partner: str = "ptn_1", start: int = 1) -> list[str]:
    """Sellers who are only rows: for decisions that open nothing."""
    names = [f"slr_n{number:05}" for number in range(start, start + count)]
    with db.connect(house.url, autocommit=True) as connection:
        for name in names:
            insert(connection, "seller", seller(name, partner))
    return names


def people(house: House, count: int, **changes: str) -> list[str]:
    """Sellers whose data is sealed."""
    names = []
    for number in range(1, count + 1):
        born = f"1990{number // 500 % 12 + 1:02}{number % 28 + 1:02}"
        person = {
            "name": "王芳", "identity_number": f"110101{born}{number % 1000:03}X", "number": f"138000{number:05}",
            "payee": f"62220200{number:08}", "seller": f"slr_p{number}",
        }  # fmt: skip
        body = written(person | changes)
        answer = house.run(register_seller(house.desk, house.knock("POST", "/v1/sellers", body)))
        assert isinstance(answer, Registered), answer
        names.append(answer.seller)
    return names
