"""Secrets and personal values are planted everywhere a caller can put them, and then searched for everywhere.

One day at a real platform: sellers register, cards are sold, refused, mistyped, sent in broken bodies, to wrong
addresses, with wrong signatures; officers keep a photo, look at a seller, carry out a warrant and make an export. Then
every table, the database's own files, every log and refusal, the Parquet export and whatever is left among temporary
files is searched for each planted value, as it is, in hex and in base64, and for the photo's bytes. What the platform
must know it holds sealed.
"""

from __future__ import annotations

import base64
import io
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from pyrage import x25519
from typer.testing import CliRunner

from suyuan.app.supervisor import database_url
from suyuan.base import db
from suyuan.base.clock import SystemClock
from suyuan.config import load_settings
from suyuan.faces.cli import app
from suyuan.faces.sdk import Platform, Refused, read_key_file
from suyuan.history.segments import read_segments
from suyuan.outside.sandbox.facts import Card, CardName
from suyuan.privacy.photos import clean
from suyuan.settle.request import sign_request
from tests.conftest import clear, room_for_a_server
from tests.faces.redeem_file.test_whole_house import WholeHouse

PERSON = {
    "name": "欧阳测试甲",
    "identity_number": "110101199003070038",
    "number": "13911112222",
    "payee": "6222021234567890128",
}
GOOD = Card("cmcc", "10203040506070809", "918273645546372819", 100_00)
SPENT = Card("cmcc", "10203040506070810", "918273645546372820", 100_00)
UNKNOWN = Card("telecom", "1020304050607080911", "918273645546372821", 100_00)
MISTYPED_PIN = "9182736455463728AB"
CAPTURE = "capture-of-a-face-7261"
PLANTED = [
    *PERSON.values(), CAPTURE, MISTYPED_PIN,
    GOOD.serial, GOOD.pin, SPENT.serial, SPENT.pin, UNKNOWN.serial, UNKNOWN.pin,
]  # fmt: skip


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WholeHouse]:
    """A served platform of its own, since what it wrote is what is searched, and so are its temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    data = room_for_a_server()
    data.chmod(0o711)
    house = WholeHouse(data, tmp_path)
    try:
        house.open()
        yield house
    finally:
        house.close()
        clear_house(data)


def clear_house(data: Path) -> None:
    """Takes the data folder away, the database's first."""
    if (data / "pg").exists():
        clear(data / "pg")
    for file in sorted(data.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
    data.rmdir()


def test_no_planted_value_is_found_in_the_clear(house: WholeHouse) -> None:
    """Neither in a table, nor in the database's files, nor in a log, an answer, an export or a temporary file."""
    answers = spend_a_day(house)
    photo = officers_at_work(house)
    house.suyuan("history", "export", str(house.folder / "parquet"), "--data", str(house.data))
    assert any("pending" in answer for answer in answers), "nothing was sold, so nothing was searched"
    searched = list(everything(house, answers))
    assert [(where, value) for where, content in searched for value in shown_in(content)] == []
    assert [where for where, content in searched if any(piece in content for piece in pieces_of(photo))] == []


def test_the_search_would_find_them() -> None:
    """The search itself is tested: each value, in each form it looks for."""
    for value in PLANTED:
        for form in forms(value):
            assert value in shown_in(b"before" + form + b"after")


def test_the_search_would_find_a_photo_that_was_kept_open() -> None:
    """As it was brought, or as it is kept: a part of it is enough."""
    noise = Image.frombytes("RGB", (64, 64), random.Random(7).randbytes(64 * 64 * 3))
    brought = io.BytesIO()
    noise.save(brought, "JPEG", quality=90)
    photo = brought.getvalue()
    for version in (photo, clean(photo)):
        assert any(piece in b"before" + version[500:1_800] + b"after" for piece in pieces_of(photo))


def spend_a_day(house: WholeHouse) -> list[str]:
    """Everything that a caller can do with a secret in hand. Returns the answers as text."""
    house.control.issue_cards([GOOD, SPENT])
    house.control.spend([CardName(SPENT.operator, SPENT.serial)])
    answers = []
    with house.as_partner() as platform:
        seller = platform.register_seller(
            name=PERSON["name"],
            identity_number=PERSON["identity_number"],
            number=PERSON["number"],
            payee=PERSON["payee"],
        )
        assert not isinstance(seller, Refused)
        house.person = seller.seller
        answers += [
            repr(redeem(house, platform, seller.seller, card.operator, card.serial, card.pin))
            for card in (GOOD, SPENT, UNKNOWN, GOOD)
        ]
        answers.append(repr(redeem(house, platform, seller.seller, "cmcc", GOOD.serial, MISTYPED_PIN)))
        answers.append(repr(redeem(house, platform, seller.seller, "nobody", GOOD.serial, GOOD.pin)))
        answers.append(repr(platform.step_up(seller=seller.seller, capture=CAPTURE)))
        pending = platform.redemptions()
        assert not isinstance(pending, Refused)
        answers += [repr(platform.wait_until_settled(one.redemption, timeout_s=20.0)) for one in pending.redemptions]
        answers += [repr(platform.voucher(one.redemption)) for one in pending.redemptions]
    answers += ask_about_oneself(house)
    return answers + [send_broken(house, body, **how) for body, how in broken_bodies(house, seller.seller)]


def officers_at_work(house: WholeHouse) -> bytes:
    """Everything that an officer can do with personal data. Returns the photo that was kept, as it was brought."""
    ann, data = house.admin("ann"), house.folder
    noise = Image.frombytes("RGB", (320, 240), random.Random(7).randbytes(320 * 240 * 3))
    noise.save(data / "photo.jpg", quality=90)
    photo = (data / "photo.jpg").read_bytes()
    kept = house.suyuan(*ann, "paper", "add", house.person, str(data / "photo.jpg"), "--kind", "identity_photo")
    house.suyuan(
        *ann, "paper", "show", kept["paper"], "--purpose", "verify_seller", "--reference", "call 17", "--to",
        str(data / "shown.jpg"),
    )  # fmt: skip
    house.suyuan(*ann, "seller", "show", house.person, "--reference", "call 17")
    (data / "order.pdf").write_bytes(b"%PDF an order")
    warrant = house.decide(
        "warrant", "add", "某市公安局", "--document-no", "2026-17", "--document", str(data / "order.pdf"), "--subject",
        house.person, "--field", "seller.name/1", "--field", "seller.number/1", "--begins", "2026-01-01", "--ends",
        "2099-01-01",
    )  # fmt: skip
    opened = CliRunner().invoke(app, [*ann, "warrant", "open", warrant])
    assert PERSON["name"] in opened.output, opened.output
    export = an_export(house)
    house.suyuan(*ann, "export", "make", export, "--to", str(data / "export.age"))
    return photo


def an_export(house: WholeHouse) -> str:
    """Of the seller's masked name and number, to a regulator who has a key."""
    key = x25519.Identity.generate()
    recipient = house.decide(
        "recipient", "add", "某监管局", "--contact", "office", "--role", "regulator", "--age-key", str(key.to_public()),
        "--until", "2099-01-01",
    )  # fmt: skip
    return house.decide(
        "export", "propose", "--purpose", "supply_regulator", "--recipient", recipient, "--column", "name", "--column",
        "number", "--use-until", "2098-01-01", "--subject", house.person,
    )  # fmt: skip


def pieces_of(photo: bytes) -> list[bytes]:
    """Stretches of the photo as it was brought, and as it is kept, which no chance would make again."""
    return [version[at : at + 24] for version in (photo, clean(photo)) for at in range(600, len(version) - 24, 997)]


def ask_about_oneself(house: WholeHouse) -> list[str]:
    """A code to the planted number, a correction to planted values, a wrong code with them; what a person may see of
    themselves is not among the answers, since that is what it is for."""
    with httpx.Client(base_url=house.url, trust_env=False, timeout=20) as ask:
        numbers = (PERSON["number"], PERSON["number"] + "0")
        said = [ask.post("/v1/number-proofs", json={"number": number}).text for number in numbers]
        proof = json.loads(said[0])["proof"]
        code = house.control.tally().codes[PERSON["number"]][0]
        given = {"number": PERSON["number"], "identity_number": PERSON["identity_number"]}
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        said.append(ask.post(f"/v1/number-proofs/{proof}", json=given | {"code": wrong}).text)
        proven = ask.post(f"/v1/number-proofs/{proof}", json=given | {"code": code})
        said.append(proven.text)
        ask.headers["authorization"] = f"Bearer {proven.json()['token']}"
        corrected = {"kind": "correct", "name": PERSON["name"], "number": PERSON["number"]}
        deceased = {"number": PERSON["number"], "identity_number": PERSON["identity_number"], "papers_sha256": "a" * 64}
        wishes = (
            corrected, corrected | {"payee": PERSON["payee"]}, {"kind": "heir", "deceased": deceased},
            {"kind": PERSON["name"]}, {"kind": "know", PERSON["number"]: 1},
        )  # fmt: skip
        said += [ask.post("/v1/subject-requests", json=wish).text for wish in wishes]
        copy = ask.post("/v1/subject-requests", json={"kind": "copy"}).json()["request"]
        assert PERSON["name"] in ask.get(f"/v1/subject-requests/{copy}/bundle").text
        said.append(ask.get(f"/v1/subject-requests/{copy}", headers={"authorization": f"Bearer {code}"}).text)
    return said


def redeem(house: WholeHouse, platform: Platform, seller: str, operator: str, serial: str, pin: str) -> Any:
    return platform.redeem_card(
        contract=house.contract, seller=seller, operator=operator, serial=serial, pin=pin, face_fen=100_00
    )


def broken_bodies(house: WholeHouse, seller: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Bodies that hold a secret where none belongs, and requests that are wrong around one."""
    source = {"type": "card", "operator": "cmcc", "serial": GOOD.serial, "pin": GOOD.pin, "face_fen": 100_00}
    whole = {"contract": house.contract, "seller": seller, "source": source}
    yield json.dumps(whole | {"payee": PERSON["payee"]}).encode(), {}
    yield json.dumps(whole | {GOOD.pin: 1}).encode(), {}
    yield json.dumps(whole | {"source": source | {"pin": int(GOOD.pin)}}).encode(), {}
    yield json.dumps(whole | {"contract": GOOD.pin}).encode(), {}
    yield json.dumps(whole | {"seller": PERSON["name"]}).encode(), {}
    yield json.dumps(whole).encode()[:-1], {}
    yield json.dumps(whole).encode() + b"\xff", {}
    yield json.dumps(whole).encode(), {"signed": False}
    yield json.dumps(whole).encode(), {"path": f"/v1/redemptions/{GOOD.pin}"}
    yield json.dumps(whole).encode(), {"path": f"/v1/redemptions?pin={GOOD.pin}"}
    yield json.dumps(whole).encode(), {"idempotency_key": GOOD.pin}
    yield json.dumps(whole).encode(), {"key_id": GOOD.pin}


def send_broken(
    house: WholeHouse,
    body: bytes,
    *,
    signed: bool = True,
    path: str = "/v1/redemptions",
    idempotency_key: str = "broken-1",
    key_id: str | None = None,
) -> str:
    key = read_key_file(house.key)
    headers = {"content-type": "application/json"}
    if signed:
        headers |= sign_request(
            "POST", house.url + path, body, key_id=key_id or key.id, signer=key.signer,
            nonce=base64.urlsafe_b64encode(body[-18:].rjust(18, b"n")).decode(), now=SystemClock().now(),
            idempotency_key=idempotency_key,
        )  # fmt: skip
    answer = httpx.post(house.url + path, content=body, headers=headers, trust_env=False)
    assert answer.status_code < 500, answer.text
    return answer.text


def everything(house: WholeHouse, answers: list[str]) -> Iterator[tuple[str, bytes]]:
    """Every place where a value could have been left, with what stands there."""
    yield "answers", "\n".join(answers).encode()
    yield from tables(database_url(load_settings(house.data)))
    for file in house.data.rglob("*"):
        # A socket has no content; everything else is read as it lies on the disk, write-ahead log and all.
        if file.is_file():
            yield str(file.relative_to(house.data)), file.read_bytes()
    house.log.flush()
    for left in ("serve.log", "export.age", "export.age.json"):
        yield left, (house.folder / left).read_bytes()
    for file in (house.folder / "temporary").rglob("*"):
        if file.is_file():
            yield f"temporary {file.name}", file.read_bytes()
    # The files are compressed, so the events are read out of them.
    yield "parquet", b"\n".join(kept.body for kept in read_segments(house.folder / "parquet"))


def tables(url: str) -> Iterator[tuple[str, bytes]]:
    """Every table's rows as text, byte columns decoded, so that a compressed or hidden value is seen too."""
    with db.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (name,) in names:
            rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
            cells = (cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row)
            yield f"table {name}", b"\n".join(cells)


def shown_in(content: bytes) -> list[str]:
    return [value for value in PLANTED if any(form in content for form in forms(value))]


def forms(value: str) -> list[bytes]:
    """As it is, in hex, and in the part of its base64 that does not depend on what stands around it."""
    plain = value.encode()
    encoded = [base64.b64encode(b"\0" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, plain.hex().encode(), json.dumps(value)[1:-1].encode(), *encoded]
