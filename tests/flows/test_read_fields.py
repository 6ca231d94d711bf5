"""Nothing personal is read without an authority whose read stands in history; each check is tried without itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from suyuan.app.appliers import APPLIERS
from suyuan.base import crypto
from suyuan.base.clock import plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.officers import Officer
from suyuan.flows import officer_signature, read_fields
from suyuan.flows.hold_warrants import AddWarrant, EndWarrant
from suyuan.flows.keep_retention import MoveSeller
from suyuan.flows.read_fields import (
    SUBJECTS_MAX,
    ReadAsOfficer,
    ReadRecorded,
    RecordRead,
    read_as_officer,
    read_subject,
    read_to_perform,
)
from suyuan.history.line import Applier
from suyuan.privacy.authority import Authority, Contract, NoAuthority, Warrant
from suyuan.privacy.classes import Sealed
from suyuan.privacy.keyring import NONCE_BYTES, Ring
from suyuan.privacy.purposes import (
    ANSWER_AUTHORITY,
    FIELDS,
    HELP_SELLER,
    PAY_SELLER,
    PURPOSES,
    SELLER_IDENTITY,
    SELLER_NAME,
    SELLER_NUMBER,
    SELLER_PAYEE,
    Field,
)
from suyuan.privacy.retention import RESTRICTED
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import KEY_CHANCE_BYTES, Vault
from tests.changed_code import change
from tests.flows.house import House, open_house
from tests.flows.test_forget_subject import OFFICERS, PERSON, intend, register, submit
from tests.flows.test_keep_retention import decide, order_about_seller
from tests.privacy.authorities import authority

KEY = "SELECT id, epoch, wrapped, fingerprint FROM subject_key WHERE id = %s"
STRANGER = Officer("ofc_1", crypto.suite("ed25519").signer(b"\x66" * 32))


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with open_house(database) as opened:
        register(opened)
        for officer in OFFICERS:
            submit(opened, officers.register(officer))
        yield opened


def look(house: House, purpose: str = "help_seller", reference: str = "call 17", **changes: Any) -> ReadAsOfficer:
    """A well-signed read of the new seller's name, with some of it changed before it is signed."""
    words: dict[str, Any] = {"subjects": ["slr_new"], "fields": [SELLER_NAME.name], "now": house.clock.now()}
    by: Officer = changes.pop("by", OFFICERS[0])
    return officers.read(by, purpose, reference, **words | changes)


def reads(house: House) -> list[dict[str, Any]]:
    return [event for event in house.events() if event["kind"] == "fields_read/2"]


# --- what is allowed -----------------------------------------------------------------------------


def shown(house: House, given: Authority, field: Field, column: str) -> str:
    """What the vault then shows of the new seller's row."""
    ((sealed,),) = house.rows(f"SELECT {column} FROM seller WHERE id = 'slr_new'")
    ((*row,),) = house.rows(KEY, f"slr_new/{field.key_class.value}")
    key = house.vault.unlock(SubjectKey(*row))
    return house.vault.open(Sealed(sealed), key, field, given, now=house.clock.now())


def test_an_officer_sees_masks_and_history_says_so_first(house: House) -> None:
    """Who, whose, which and why, and that it was masked; the value stands nowhere."""
    given = house.run(read_as_officer(house.line, look(house)))
    assert isinstance(given, Contract)
    (event,) = reads(house)
    assert (event["reader"], event["purpose"], event["reference"]) == ("ofc_1", "help_seller", "call 17")
    assert (event["subjects"], event["fields"], event["shows_whole"]) == (["slr_new"], [SELLER_NAME.name], False)
    assert shown(house, given, SELLER_NAME, "sealed_name") == "王**"
    assert PERSON["name"] not in str(house.events())


def test_a_warrant_of_two_officers_shows_what_it_names(house: House) -> None:
    assert not isinstance(decide(house, order_about_seller(house)), Refusal)
    given = house.run(read_as_officer(house.line, look(house, "answer_authority", "wrt_1")))
    assert isinstance(given, Warrant)
    assert shown(house, given, SELLER_NAME, "sealed_name") == PERSON["name"]
    with pytest.raises(NoAuthority):
        shown(house, given, SELLER_NUMBER, "sealed_number")


def test_the_platform_reads_for_what_it_performs(house: House) -> None:
    given = house.run(read_to_perform(house.line, PAY_SELLER, ["slr_new"], [SELLER_PAYEE], reader="completer"))
    assert isinstance(given, Contract)
    assert shown(house, given, SELLER_PAYEE, "sealed_payee") == PERSON["payee"]


def test_a_warrant_that_ended_opens_nothing(house: House) -> None:
    decide(house, order_about_seller(house))
    decide(house, EndWarrant("wrt_1"))
    assert submit(house, look(house, "answer_authority", "wrt_1")) == Refusal(
        Reason.warrant_is_not_in_force, "reference"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "w"}, {"authority": ""}, {"document_no": "x" * 201}, {"document_sha256": "0" * 63}, {"subjects": ()},
        {"subjects": ("slr_1 slr_2",)}, {"subjects": ("ofc_1",)}, {"fields": ()}, {"fields": ("seller.rumours/1",)},
        {"fields": ("card.pin/1",)}, {"subjects": ("slr_1",) * 1_001}, {"ends_at": 0},
    ],
    ids=str,
)  # fmt: skip
def test_an_order_that_is_none_cannot_be_proposed(house: House, changes: dict[str, Any]) -> None:
    """Nameless, endless, about nobody or everybody; and a card's PIN is never part of one, because it is money."""
    order: AddWarrant = order_about_seller(house, **changes)
    answer = submit(house, officers.propose(OFFICERS[0], "prp_bad", order))
    assert answer == Refusal(Reason.proposal_is_impossible, "change")


# --- what is not allowed, and what stands in its way ---------------------------------------------

Attack = Callable[[House], Any]


def _forged(house: House) -> Any:
    return submit(house, look(house, by=STRANGER))


def _altered(house: House) -> Any:
    return submit(house, msgspec.structs.replace(look(house), subjects=("slr_1",)))


def _stale(house: House) -> Any:
    return submit(house, look(house, now=plus(house.clock.now(), -301)))


def _from_the_future(house: House) -> Any:
    return submit(house, look(house, now=plus(house.clock.now(), 301)))


def _again(house: House) -> Any:
    command = look(house)
    assert isinstance(submit(house, command), ReadRecorded)
    return submit(house, command)


def _for_the_platforms_purpose(house: House) -> Any:
    return submit(house, look(house, "register_seller"))


def _of_a_field_that_the_purpose_does_not_open(house: House) -> Any:
    return submit(house, look(house, fields=[SELLER_IDENTITY.name]))


def _of_more_than_one_may_see_alone(house: House) -> Any:
    names = [f"slr_{number}" for number in range(26)]
    return submit(house, look(house, subjects=names, fields=[SELLER_PAYEE.name]))


def _without_a_reason(house: House) -> Any:
    return submit(house, look(house, reference=""))


def _with_a_reason_that_names_somebody(house: House) -> Any:
    return submit(house, look(house, reference="call of １３８ 0000 0001"))


def _of_too_many(house: House) -> Any:
    return submit(house, look(house, subjects=[f"slr_{number}" for number in range(SUBJECTS_MAX + 1)]))


def _without_a_warrant(house: House) -> Any:
    return submit(house, look(house, "answer_authority", "wrt_none"))


def _before_the_warrant(house: House) -> Any:
    now = house.clock.now()
    decide(house, order_about_seller(house, begins_at=plus(now, 60), ends_at=plus(now, 120)))
    return submit(house, look(house, "answer_authority", "wrt_1"))


def _beside_the_warrants_people(house: House) -> Any:
    decide(house, order_about_seller(house))
    return submit(house, look(house, "answer_authority", "wrt_1", subjects=["slr_new", "slr_1"]))


def _beside_the_warrants_fields(house: House) -> Any:
    decide(house, order_about_seller(house))
    return submit(house, look(house, "answer_authority", "wrt_1", fields=[SELLER_NUMBER.name]))


def _as_the_platform_without_a_warrant(house: House) -> Any:
    return submit(house, RecordRead("answer_authority", "completer", "", ("slr_new",), (SELLER_NAME.name,)))


def _in_the_name_of_an_officer(house: House) -> Any:
    return submit(house, RecordRead("register_seller", "ofc_1", "", ("slr_new",), (SELLER_NAME.name,)))


def _in_the_name_of_an_export(house: House) -> Any:
    return submit(house, RecordRead("register_seller", "completer", "exp_1", ("slr_new",), (SELLER_NAME.name,)))


def _of_who_is_to_be_forgotten(house: House) -> Any:
    assert not isinstance(intend(house), Refusal)
    return submit(house, look(house))


def _of_who_is_restricted(house: House) -> Any:
    submit(house, MoveSeller("slr_new", RESTRICTED))
    return submit(house, look(house))


SIGNED = (officer_signature, "check_signed_now")
OFFICER = (read_fields, "apply_as_officer")
WARRANT = (read_fields, "_check_warrant")
IS_OPEN = (read_fields, "_is_open")
# Each attack, and the one line that stops it: (owner, function), what it says, what a careless change would make of it.
CASES: list[tuple[Attack, tuple[Any, str], str, str]] = [
    (
        _forged,
        (officer_signature, "check_officer"),
        "if not has_signed(officer, verb, subject, signature):",
        "if False:",
    ),
    (_altered, (read_fields, "read_subject"), '"subjects": list(command.subjects),', '"subjects": [],'),
    (_stale, SIGNED, "if abs(turn.at - at) > SIGNED_WITHIN_S * SECOND:", "if False:"),
    (_from_the_future, SIGNED, "abs(turn.at - at)", "turn.at - at"),
    (_again, SIGNED, "if shelves.once.is_replay(_mark(signature), at=turn.at):", "if False:"),
    (_for_the_platforms_purpose, OFFICER, "purpose not in BY_OFFICERS", "purpose is None"),
    (_of_a_field_that_the_purpose_does_not_open, OFFICER, "purpose not in field.purposes", "False"),
    (_of_more_than_one_may_see_alone, (read_fields, "_count"), "is not None:", "is None:"),
    (_without_a_reason, OFFICER, "or not is_line(command.reference)", ""),
    (_with_a_reason_that_names_somebody, OFFICER, "if holds_personal_value(command.reference):", "if False:"),
    (_of_too_many, OFFICER, "len(command.subjects) > SUBJECTS_MAX", "False"),
    (_without_a_warrant, OFFICER, "if purpose.ground is Ground.WARRANT:", "if False:"),
    (_before_the_warrant, WARRANT, "not warrant.begins_at <= at < warrant.ends_at", "False"),
    (_beside_the_warrants_people, WARRANT, "warrant.names_subjects(command.subjects)", "True"),
    (_beside_the_warrants_fields, WARRANT, "warrant.names_fields(command.fields)", "True"),
    (_as_the_platform_without_a_warrant, (read_fields, "apply"), "purpose in BY_OFFICERS", "False"),
    (_in_the_name_of_an_officer, (read_fields, "apply"), "command.reader.startswith(OFFICER)", "False"),
    (_in_the_name_of_an_export, (read_fields, "apply"), "command.reference.startswith(OWN_REFERENCES)", "False"),
    (_of_who_is_to_be_forgotten, IS_OPEN, "return forgetting is None or", "return True or"),
    (_of_who_is_restricted, IS_OPEN, "and not purpose.while_restricted", "and False"),
]


def names_somebody(answer: Any) -> bool:
    return isinstance(answer, ReadRecorded) and bool(answer.subjects)


@pytest.mark.parametrize("removed", [False, True], ids=["with the check", "without it"])
@pytest.mark.parametrize(("attack", "where", "old", "new"), CASES, ids=[case[0].__name__[1:] for case in CASES])
def test_a_read_without_a_right_is_stopped_by_its_check(
    house: House, monkeypatch: pytest.MonkeyPatch, removed: bool, attack: Attack, where: Any, old: str, new: str
) -> None:
    """Refused or empty, and nothing new in history that names a read; without the check it gets through."""
    if removed:
        _take_away(monkeypatch, where, old, new)
    before = len(reads(house))
    answer = attack(house)
    if removed:
        assert names_somebody(answer), "an attack that fails undefended proves nothing"
        return
    assert not names_somebody(answer) or attack is _again
    assert len(reads(house)) - before == (attack is _again)


def _take_away(patch: pytest.MonkeyPatch, where: tuple[Any, str], old: str, new: str) -> None:
    owner, name = where
    before, after = change(patch, owner, name, old, new)
    for module in (read_fields, officers):
        if getattr(module, name, None) is before:
            patch.setattr(module, name, after)
    for command, applier in list(APPLIERS.items()):
        if applier.apply is before:
            patch.setitem(APPLIERS, command, Applier(applier.want, after))


# --- at the vault --------------------------------------------------------------------------------


def open_payee(given: Authority, *, subject: str = "slr_1", field: Field = SELLER_PAYEE, now: int = 1) -> str:
    vault = Vault(bytes(32), Ring({1: bytes(32)}))
    key = vault.new_key(subject, field.key_class, now=0, chance=bytes(KEY_CHANCE_BYTES))
    return vault.open(vault.seal("6222000000000001", key, field, chance=bytes(NONCE_BYTES)), key, field, given, now=now)


@pytest.mark.parametrize("removed", [False, True], ids=["with the check", "without it"])
@pytest.mark.parametrize(
    ("words", "old", "new"),
    [
        ({"subject": "slr_2"}, "key.subject in authority.subjects", "True"),
        ({"field": SELLER_NUMBER}, "field.name in authority.fields", "True"),
        ({"field": SELLER_NAME}, "purpose in field.purposes", "True"),
        ({"now": 60_000_000}, "now < authority.expires_at", "True"),
    ],
    ids=["another person", "a field that was not named", "a purpose that does not need it", "too late"],
)
def test_the_vault_opens_nothing_beside_the_authority(
    monkeypatch: pytest.MonkeyPatch, removed: bool, words: dict[str, Any], old: str, new: str
) -> None:
    given = authority(ANSWER_AUTHORITY, ["slr_1"], SELLER_PAYEE)
    if words.get("field") is SELLER_NAME:
        given = authority(PAY_SELLER, ["slr_1"], SELLER_NAME)
    if removed:
        change(monkeypatch, Vault, "open", old, new)
        assert open_payee(given, **words) == "6222000000000001"
        return
    with pytest.raises(NoAuthority):
        open_payee(given, **words)


def test_a_purpose_that_needs_no_whole_value_never_shows_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masked at the vault, the only way in, and not by whoever prints it."""
    given = authority(HELP_SELLER, ["slr_1"], SELLER_PAYEE)
    assert open_payee(given) == "**0001"
    change(monkeypatch, Vault, "open", "if purpose.shows_whole else field.mask(plain)", "")
    assert open_payee(given) == "6222000000000001"


def test_an_authority_of_another_kind_cannot_be_made_for_a_purpose() -> None:
    for purpose in PURPOSES:
        for kind in (Contract, Warrant):
            if purpose.ground is not kind.ground:
                with pytest.raises(NoAuthority):
                    kind(purpose, frozenset(), frozenset(), 1, 0)


def test_every_field_has_a_mask_that_hides_most_of_it() -> None:
    """Whatever the value: at least half of its characters are gone."""
    for field in FIELDS:
        for plain in ("王芳", "13800000001", "110101199001011237", "6222020000000001", "1", ""):
            visible = sum(character != "*" for character in field.mask(plain))
            assert visible <= max(len(plain) // 2, 1) or field.mask(plain) == "138****0001", (field.name, plain)


def test_what_an_officer_signs_names_everything_that_is_read() -> None:
    command = ReadAsOfficer("help_seller", "ofc_1", "call 17", ("slr_1",), ("seller.name/1",), 5, b"")
    assert read_subject(command) == {
        "purpose": "help_seller", "reference": "call 17", "subjects": ["slr_1"], "fields": ["seller.name/1"], "at": 5,
    }  # fmt: skip
