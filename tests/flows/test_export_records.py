"""Who may be given what: two officers, three above half a cap, nobody above it, and the border."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from suyuan.base import db
from suyuan.base.clock import DAY_S, plus
from suyuan.base.refusals import Reason, Refusal
from suyuan.faces import officers
from suyuan.faces.officers import Officer
from suyuan.flows import export_records
from suyuan.flows.change_terms import Changed, encode_change
from suyuan.flows.export_records import Agreed, ExportRecords
from suyuan.flows.forget_subject import ForgetSeller
from suyuan.flows.hold_recipients import EndRecipient
from suyuan.privacy.consent import Consent, consent_id
from suyuan.privacy.exports import SUBJECTS_MAX
from suyuan.privacy.notice import terms_of
from suyuan.privacy.purposes import PROVIDE_ABROAD
from suyuan.privacy.recipients import Role, TransferBasis
from tests.flows.house import House, insert
from tests.flows.office import FIRST, FOURTH, SECOND, THIRD, Office, sellers


@pytest.fixture
def office(house: House) -> Office:
    return Office(house)


def agree(office: Office, export: ExportRecords, by: Officer = THIRD) -> Any:
    return office.submit(officers.agree(by, export.id, encode_change(export)))


def state(office: Office, export: ExportRecords) -> str:
    ((found,),) = office.house.rows("SELECT state FROM export WHERE id = %s", export.id)
    return str(found)


def reason(answer: Any) -> Reason:
    assert isinstance(answer, Refusal), answer
    return answer.reason


# --- how many officers it takes ------------------------------------------------------------------


def test_two_officers_let_an_ordinary_export_go_and_history_says_to_whom_what_and_why(office: Office) -> None:
    recipient = office.recipient()
    export = office.export(recipient, sellers(office.house, 25), "seller", "name", "payee")
    assert isinstance(office.decide(export), Changed)
    approved, read = office.house.events()[-2:]
    assert (approved["kind"], read["kind"]) == ("export_approved/1", "fields_read/2")
    assert (approved["recipient"], approved["law"], approved["article"]) == (recipient, "个人信息保护法", "54")
    assert (approved["risk"], approved["subjects"], approved["agreed_by"]) == ("ordinary", 25, None)
    assert (read["reader"], read["reference"], read["subjects"]) == (FIRST.id, export.id, list(export.subjects))
    assert read["fields"] == ["seller.name/1", "seller.payee/1"]
    assert read["shows_whole"] is False
    expected = {
        f"{counter}/{kind}": (25, 0)
        for counter in ("officer/ofc_1", f"recipient/{recipient}")
        for kind in ("other", "property")
    }
    assert office.counts() == expected


def test_above_half_a_cap_a_third_person_must_agree(office: Office) -> None:
    """Until then nothing is counted or read; the first two are no third person, nor is one who signs another text."""
    export = office.export(office.recipient(), sellers(office.house, 26), "payee")
    assert isinstance(office.decide(export), Changed)
    assert office.kinds()[-1] == "export_escalated/1"
    assert (state(office, export), office.counts()) == ("waiting", {})
    for officer in (FIRST, SECOND):
        assert reason(agree(office, export, officer)) is Reason.export_needs_a_third_person
    wrong = officers.agree(THIRD, export.id, encode_change(export).replace("payee", "name"))
    assert reason(office.submit(wrong)) is Reason.officer_signature_is_wrong
    assert isinstance(agree(office, export), Agreed)
    assert office.kinds()[-2:] == ["export_approved/1", "fields_read/2"]
    assert state(office, export) == "approved"
    assert reason(agree(office, export, FOURTH)) is Reason.proposal_is_closed
    assert reason(office.submit(officers.agree(THIRD, "exp_none", ""))) is Reason.export_is_unknown


def test_above_the_cap_nobody_can_agree(office: Office) -> None:
    """The sentence names the counter and what is left on it."""
    names = sellers(office.house, 51)
    answer = office.decide(office.export(office.recipient(), names, "payee"))
    assert reason(answer) is Reason.disclosure_cap_is_reached
    assert "(officer/ofc_1/property=50)" in answer.sentence("en")
    assert "（officer/ofc_1/property=50）" in answer.sentence("zh")
    assert office.counts() == {}
    export = office.export(office.recipient(), names[:50], "payee")
    office.decide(export)
    assert isinstance(agree(office, export), Agreed)
    answer = office.decide(office.export(office.recipient(), names[50:], "payee"))
    assert answer == Refusal(Reason.disclosure_cap_is_reached, "officer/ofc_1/property=0")


def test_what_happened_while_an_export_waited_counts(office: Office) -> None:
    """Two exports that each would fit both wait; the third officer can let only one of them go."""
    names = sellers(office.house, 80)
    first, second = (office.export(office.recipient(), part, "payee") for part in (names[:40], names[40:]))
    for export in (first, second):
        assert isinstance(office.decide(export), Changed)
    assert isinstance(agree(office, first), Agreed)
    assert reason(agree(office, second)) is Reason.disclosure_cap_is_reached
    assert state(office, second) == "waiting"


@pytest.mark.parametrize("parts", [[5] * 9, [1] * 30, [20, 6, 5, 1], [25, 1]], ids=str)
def test_splitting_into_small_jobs_meets_the_same_counters(office: Office, parts: list[int]) -> None:
    """However somebody cuts it, and all of it approved at once: what two may decide ends at 25 payees."""
    recipient, start, approvals = office.recipient(), 1, []
    for number, size in enumerate(parts):
        export = office.export(recipient, sellers(office.house, size, start=start), "payee")
        office.submit(officers.propose(FIRST, f"prp_s{number}", export))
        approvals.append(officers.approve(SECOND, f"prp_s{number}", encode_change(export)))
        start += size
    office.submit_all(approvals)
    went, counted = 0, 0
    for size in parts:
        if counted + size <= 25:
            counted, went = counted + size, went + 1
    assert office.counts()["officer/ofc_1/property"] == (counted, 0)
    assert office.kinds().count("export_approved/1") == went
    assert office.kinds().count("export_escalated/1") == len(parts) - went


def test_two_officers_cannot_share_one_recipients_counter(office: Office) -> None:
    """Each stays below their own half; the recipient's counter adds them up."""
    recipient, names = office.recipient(), sellers(office.house, 40)
    assert isinstance(office.decide(office.export(recipient, names[:20], "payee")), Changed)
    export = office.export(recipient, names[20:], "payee", requester=SECOND.id)
    assert isinstance(office.decide(export, by=(SECOND, THIRD)), Changed)
    assert office.house.events()[-1]["counter"] == f"recipient/{recipient}/property"


def test_each_line_of_redemptions_is_an_item_of_trade(office: Office) -> None:
    """What counts is how many lines may stand there, since nobody knows yet how many will."""
    recipient = office.recipient(Role.PARTNER)
    wish = {"purpose": "reconcile_partner", "rows_max": 250}
    assert isinstance(office.decide(office.export(recipient, ["slr_1"], "redemption", "paid", **wish)), Changed)
    assert office.counts()["officer/ofc_1/trade"] == (250, 0)
    answer = office.decide(office.export(recipient, ["slr_1"], "redemption", **(wish | {"rows_max": 251})))
    assert answer == Refusal(Reason.disclosure_cap_is_reached, "officer/ofc_1/trade=250")


def test_a_new_year_begins_at_nothing(office: Office) -> None:
    recipient, names = office.recipient(), sellers(office.house, 50)
    assert isinstance(office.decide(office.export(recipient, names[:25], "payee")), Changed)
    office.house.clock.advance(40 * DAY_S)
    assert isinstance(office.decide(office.export(recipient, names[25:], "payee")), Changed)
    assert office.kinds()[-2:] == ["export_approved/1", "fields_read/2"]
    assert office.counts()["officer/ofc_1/property"] == (25, 0)


def test_the_database_keeps_the_caps_by_itself(office: Office) -> None:
    """A line that forgot to look would halt, and give nothing away."""
    with db.connect(office.house.url) as connection, pytest.raises(psycopg.errors.CheckViolation, match="its_cap"):
        connection.execute("INSERT INTO disclosure_count VALUES ('officer/ofc_1/trade', 2026, 501, 0)")


def test_a_line_that_no_longer_looks_is_stopped_by_the_database(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_records, "too_much", lambda *_, **__: None)
    export = office.export(office.recipient(), sellers(office.house, 51), "payee")
    office.decide(export)
    assert reason(agree(office, export)) is Reason.platform_has_a_fault
    assert office.counts() == {}


# --- what fits what ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "changes", "where"),
    [
        (Role.AUDITOR, {"purpose": "supply_regulator"}, "recipient"),
        (Role.PARTNER, {"purpose": "audit_compliance"}, "recipient"),
        (Role.AUDITOR, {"columns": ("redemption",)}, "columns"),
        (Role.PARTNER, {"purpose": "reconcile_partner", "subjects": ("slr_1", "slr_2"), "rows_max": 2}, "subjects"),
        (Role.AUDITOR, {"partner": "ptn_2"}, "subjects"),
        (Role.AUDITOR, {"registered_from": 2}, "subjects"),
        (Role.AUDITOR, {"registered_to": 1}, "subjects"),
        (Role.AUDITOR, {"subjects": ("slr_none",)}, "subjects"),
        (Role.AUDITOR, {"subjects": ("slr_1", "slr_3"), "rows_max": 1}, "rows_max"),
    ],
)
def test_purpose_recipient_columns_and_sellers_must_fit(
    office: Office, role: Role, changes: dict[str, Any], where: str
) -> None:
    subjects = changes.pop("subjects", ("slr_1",))
    answer = office.decide(office.export(office.recipient(role), subjects, **changes))
    assert answer == Refusal(Reason.export_is_not_allowed, where)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "exp_ x"},
        {"purpose": "pay_seller"},
        {"purpose": "help_seller"},
        {"purpose": "anything"},
        {"columns": ()},
        {"columns": ("seller", "identity_number")},
        {"columns": ("seller", "seller")},
        {"columns": ("seller; DROP TABLE export",)},
        {"subjects": ()},
        {"subjects": ("slr_1", "slr_1")},
        {"subjects": ("slr_2", "slr_1")},
        {"subjects": ("*",)},
        {"subjects": ("rdm_1",)},
        {"subjects": tuple(f"slr_{number:05}" for number in range(SUBJECTS_MAX + 1))},
        {"rows_max": 0},
        {"rows_max": 50_001},
        {"use_until": 0},
        {"registered_from": 5, "registered_to": 5},
        {"registered_from": -1},
    ],
)
def test_what_makes_no_sense_cannot_even_be_proposed(office: Office, changes: dict[str, Any]) -> None:
    """No whole table, no unknown column, no purpose that is none for exports."""
    wish = office.export("rcp_1", ["slr_1"], rows_max=1)
    fields = {name: getattr(wish, name) for name in wish.__struct_fields__} | changes
    assert reason(office.decide(ExportRecords(**fields))) is Reason.proposal_is_impossible


def test_as_many_sellers_as_may_be_named_fit_into_one_proposal(office: Office) -> None:
    """Ids of full length, and the approval that repeats them in history; then the cap says no, since half is 2,500."""
    names = [f"slr_{number:026}" for number in range(SUBJECTS_MAX)]
    answer = office.decide(office.export(office.recipient(), names))
    assert answer == Refusal(Reason.export_is_not_allowed, "subjects")


def test_nobody_asks_in_another_officers_name(office: Office) -> None:
    answer = office.decide(office.export(office.recipient(), ["slr_1"], requester=SECOND.id))
    assert reason(answer) is Reason.proposal_is_impossible


def test_the_contract_must_outlast_the_use(office: Office) -> None:
    """Unknown, ended, over by itself, or over before the data may be used."""
    assert reason(office.decide(office.export("rcp_none", ["slr_1"]))) is Reason.recipient_is_unknown
    recipient = office.recipient()
    late = office.export(recipient, ["slr_1"], use_until=plus(office.house.clock.now(), 366 * DAY_S))
    assert reason(office.decide(late)) is Reason.recipient_is_not_in_force
    past = office.export(recipient, ["slr_1"], use_until=1)
    assert reason(office.decide(past)) is Reason.recipient_is_not_in_force
    assert isinstance(office.decide(EndRecipient(recipient)), Changed)
    assert reason(office.decide(office.export(recipient, ["slr_1"]))) is Reason.recipient_is_not_in_force
    over = office.recipient()
    office.house.clock.advance(365 * DAY_S)
    assert reason(office.decide(office.export(over, ["slr_1"]))) is Reason.recipient_is_not_in_force


def test_whoever_is_to_be_forgotten_is_left_out_and_not_counted(office: Office) -> None:
    assert isinstance(office.decide(ForgetSeller("slr_1", "subject asked")), Changed)
    export = office.export(office.recipient(), ["slr_1", "slr_3"])
    assert isinstance(office.decide(export), Changed)
    assert office.house.events()[-1]["subjects"] == ["slr_3"]
    assert office.counts()["officer/ofc_1/other"] == (1, 0)
    assert reason(office.decide(office.export(office.recipient(), ["slr_1"]))) is Reason.export_names_nobody


def test_whoever_is_restricted_is_left_out(office: Office) -> None:
    """Even for an authority of the state: it has to bring an order."""
    with db.connect(office.house.url, autocommit=True) as connection:
        connection.execute("INSERT INTO restriction VALUES ('slr_1', 'subject_asked', 1)")
    export = office.export(office.recipient(Role.REGULATOR), ["slr_1", "slr_3"], purpose="supply_regulator")
    assert isinstance(office.decide(export), Changed)
    assert office.house.events()[-1]["subjects"] == ["slr_3"]


# --- recipients ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "ptn_1"},
        {"name": ""},
        {"name": "a\nb"},
        {"contact": "x" * 201},
        {"region": "cn"},
        {"region": "CHN"},
        {"age_key": "age1" + "q" * 58},
        {"age_key": "ssh-ed25519 AAAA"},
        {"role": Role.PARTNER, "partner": ""},
        {"partner": "ptn_1"},
        {"ends_at": 0},
        {"ends_at": 1},
        {"region": "DE", "transfer_basis": TransferBasis.ASSESSMENT},
        {"region": "DE", "transfer_document": "2026-1"},
        {"transfer_basis": TransferBasis.CERTIFICATION, "transfer_document": "2026-1"},
    ],
)
def test_a_recipient_that_is_not_fully_named_is_none(office: Office, changes: dict[str, Any]) -> None:
    answer = office.decide(office.new_recipient(**changes))
    assert reason(answer) is Reason.proposal_is_impossible


def test_a_recipient_is_entered_once_by_two_and_ends_once(office: Office) -> None:
    change = office.new_recipient(Role.PARTNER)
    assert isinstance(office.decide(change), Changed)
    told = office.house.events()[-1]
    assert (told["kind"], told["partner"], told["requested_by"]) == ("recipient_registered/1", "ptn_1", FIRST.id)
    assert reason(office.decide(change)) is Reason.proposal_is_impossible
    assert isinstance(office.decide(EndRecipient(change.id)), Changed)
    assert office.kinds()[-1] == "recipient_ended/1"
    assert reason(office.decide(EndRecipient(change.id))) is Reason.proposal_is_impossible
    assert reason(office.decide(office.new_recipient(Role.PARTNER, partner="ptn_9"))) is Reason.partner_is_unknown


# --- the border ----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.AUTHORITY, Role.REGULATOR])
def test_no_court_or_authority_abroad_is_ever_a_recipient(office: Office, role: Role) -> None:
    """Whoever approves, and whatever papers there are; the sentence says where to refer it to."""
    papers = {"transfer_basis": TransferBasis.ASSESSMENT, "transfer_document": "2026-1"}
    answer = office.decide(office.new_recipient(role, region="HK", **papers))
    assert reason(answer) is Reason.foreign_authority_is_referred
    assert "第41条" in answer.sentence("zh")
    with db.connect(office.house.url) as connection, pytest.raises(psycopg.errors.CheckViolation, match="foreign"):
        connection.execute(
            "INSERT INTO recipient VALUES ('rcp_x', 'n', 'c', 'US', %s, '', %s, 'none', '', 'a', 'b', 1, 2)",
            (role.value, "age1" + "q" * 58),
        )


@pytest.mark.parametrize(
    ("basis", "planted", "column", "expected"),
    [
        ("none", (99_998, 0), "number", None),
        ("none", (99_999, 0), "number", Reason.transfer_needs_a_contract),
        ("none", (0, 0), "payee", Reason.transfer_needs_a_contract),
        ("none", (0, 0), "name", Reason.transfer_needs_a_contract),
        ("none", (5, 1), "number", Reason.transfer_needs_a_contract),
        ("standard_contract", (99_999, 0), "number", None),
        ("certification", (99_999, 0), "number", None),
        ("standard_contract", (999_998, 0), "number", None),
        ("standard_contract", (999_999, 0), "number", Reason.transfer_needs_an_assessment),
        ("certification", (20_000, 9_998), "payee", None),
        ("certification", (20_000, 9_999), "payee", Reason.transfer_needs_an_assessment),
        ("certification", (20_000, 9_999), "number", None),
        ("assessment", (2_000_000, 50_000), "payee", None),
    ],
)  # fmt: skip
def test_what_the_law_asks_grows_with_the_people_whose_data_is_abroad(
    office: Office, basis: str, planted: tuple[int, int], column: str, expected: Reason | None
) -> None:
    """At each threshold, one person below and at it; the transfer itself counts."""
    year = "UPDATE abroad_count SET year = 2026"
    with db.connect(office.house.url, autocommit=True) as connection:
        connection.execute("INSERT INTO abroad_count VALUES ('abroad', 2026, %s, %s)", planted)
        connection.execute(year.encode())
    document = "" if basis == "none" else "2026-1"
    recipient = office.recipient(region="DE", transfer_basis=TransferBasis(basis), transfer_document=document)
    answer = office.decide(office.export(recipient, ["slr_1"], column))
    assert (answer.reason if isinstance(answer, Refusal) else None) is expected
    people = planted[0] + (expected is None)
    assert office.house.rows("SELECT people FROM abroad_count") == [(people,)]


def test_a_person_abroad_counts_once_however_often_and_under_whatever_seller(office: Office) -> None:
    """Twice to one recipient, once to another, once more as a second seller: one person, sensitive once."""
    with db.connect(office.house.url, autocommit=True) as connection:
        connection.execute("UPDATE seller SET identity = 'same' WHERE id IN ('slr_1', 'slr_3')")
    papers: dict[str, Any] = {"transfer_basis": TransferBasis.CERTIFICATION, "transfer_document": "2026-1"}
    one, other = (office.recipient(region=region, **papers) for region in ("DE", "SG"))
    for recipient, seller, column in ((one, "slr_1", "number"), (one, "slr_1", "number"), (other, "slr_3", "payee")):
        assert isinstance(office.decide(office.export(recipient, [seller], column)), Changed)
    assert office.house.rows("SELECT people, sensitive FROM abroad_count") == [(1, 1)]
    assert isinstance(office.decide(office.export(one, ["slr_2", "slr_3"], "number")), Changed)
    assert office.house.rows("SELECT year, people, sensitive FROM abroad_count") == [(2026, 2, 1)]
    office.house.clock.advance(60 * DAY_S)
    assert isinstance(office.decide(office.export(one, ["slr_2"], "number")), Changed)
    assert office.house.rows("SELECT year, people, sensitive FROM abroad_count") == [(2027, 1, 0)]


def test_without_each_persons_separate_consent_only_a_legal_duty_crosses_the_border(office: Office) -> None:
    """Whatever papers the platform has: those are not the person's own word."""
    papers = {"transfer_basis": TransferBasis.ASSESSMENT, "transfer_document": "2026-1"}
    recipient = office.recipient(Role.PARTNER, region="SG", **papers)
    export = office.export(recipient, ["slr_1", "slr_3"], "number", purpose="reconcile_partner")
    with db.connect(office.house.url, autocommit=True) as connection:
        plant_consent(connection, "slr_1", "ptn_1")
        plant_consent(connection, "slr_3", "ptn_2")
    assert office.decide(export) == Refusal(Reason.separate_consent_is_missing, "slr_3")
    assert office.house.rows("SELECT count(*) FROM abroad_count") == [(0,)]
    with db.connect(office.house.url, autocommit=True) as connection:
        plant_consent(connection, "slr_3", "ptn_1")
    assert isinstance(office.decide(export), Changed)
    processor = office.recipient(Role.PROCESSOR, region="SG", **papers)
    answer = office.decide(office.export(processor, ["slr_1"], "number", purpose="reconcile_partner"))
    assert reason(answer) is Reason.separate_consent_is_missing


def plant_consent(connection: Any, seller: str, partner: str) -> None:
    """As `POST /v1/consents` keeps it."""
    digest, terms = "0" * 64, terms_of(PROVIDE_ABROAD)
    name = consent_id(seller, PROVIDE_ABROAD.id, partner)
    said = ("given", digest, terms, "zh", "{}", "seller_key", 1, "seller_key", 1)
    row = Consent(name, seller, PROVIDE_ABROAD.id, partner, *said)
    insert(connection, "consent", row)


def test_at_home_nobody_is_counted_abroad(office: Office) -> None:
    assert isinstance(office.decide(office.export(office.recipient(), ["slr_1"], "payee")), Changed)
    assert office.house.rows("SELECT count(*) FROM abroad_subject") == [(0,)]
