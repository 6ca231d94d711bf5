"""`suyuan evidence verify` says every step, in the reader's language, and what it believes of whom nobody named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from suyuan.base.crypto import PublicKey, suite
from suyuan.evidence.bundle.opened import OpenedField, OpenedFields, sign_opened
from suyuan.evidence.bundle.packing import Contents
from suyuan.evidence.bundle.timestamp import request
from suyuan.faces.cli import app
from suyuan.privacy.certificate import SHREDDED, Certificate, commitment, sign_certificate
from suyuan.settle.voucher import Voucher, sign_voucher
from tests.evidence.authorities_of_time import Authority
from tests.evidence.bundles import (
    AT,
    LOG_KEY,
    LOG_SM2,
    OPEN_NAMES,
    PLATFORM,
    PLATFORM_KEYS,
    POLICY,
    SEALED_NUMBER,
    WITNESSES,
    SmallLog,
    bundle_of,
    contents_of,
    files_of,
    packed_again,
)
from tests.evidence.check.made_bundle import with_manifest

PLATFORM_KEY = PLATFORM_KEYS[PLATFORM.id].text()
TAKEN_NAMES = [*OPEN_NAMES, "seller", "debt_fen", "value_kind", "channel"]
PAID_NAMES = ["at", "kind", "seq", "redemption", "paid", "reference", "value_kind"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def log() -> SmallLog:
    return SmallLog()


def voucher(**more: Any) -> bytes:
    facts: dict[str, Any] = {
        "redemption": "rdm_1", "partner": "ptn_1", "seller": "slr_1", "operator": "cmcc", "face_fen": 10_000,
        "paid": 8000, "fee_fen": 2000, "rounding_fen": 0, "debt_fen": 0, "value_kind": "money",
        "channel": "bank_transfer", "reference": "B-1", "taken_seq": 10, "taken_at": AT, "paid_at": AT + 1,
        "origin": "https://api.example.com",
    }  # fmt: skip
    return sign_voucher(Voucher(**facts | more), [PLATFORM])


def certificate(seller: str = "slr_1", **more: Any) -> bytes:
    facts: dict[str, Any] = {
        "commitment": commitment(seller, salt=bytes(16)), "salt": "A" * 22, "state": SHREDDED, "reason": "request 7",
        "intended_at": AT, "shredded_at": AT + 4, "epoch": 3, "final_by": AT + 9, "fingerprints": ("00" * 16,),
        "redemptions": 1, "still_in_stock": 0, "origin": "https://api.example.com", "seqs": (14,),
    }  # fmt: skip
    return sign_certificate(Certificate(**facts | more), [PLATFORM])


def opened(seq: int = 10, sealed: str = SEALED_NUMBER) -> bytes:
    field = OpenedField("sealed_secret", sealed, "a card's PIN")
    return sign_opened(OpenedFields(seq, (field,), "warrant", "wrt_1", AT, "https://api.example.com"), [PLATFORM])


def contents(log: SmallLog, **more: Any) -> Contents:
    exhibits = [
        log.exhibit(0, TAKEN_NAMES),
        log.exhibit(1, PAID_NAMES),
        log.exhibit(4, ["at", "epoch", "fingerprints", "kind", "seq"]),
    ]
    return contents_of(exhibits, **more)


class Ran:
    def __init__(self, *arguments: str | Path) -> None:
        done = CliRunner().invoke(app, ["evidence", "verify", *map(str, arguments)], env={"LANG": "C", "LC_ALL": "C"})
        self.code, self.said, self.out = done.exit_code, done.output, done.stdout


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "mine.tlog-policy"
    file.write_bytes(POLICY)
    return file


def kept(folder: Path, packed: bytes) -> Path:
    file = folder / "case.suyuan-evidence.zip"
    file.write_bytes(packed)
    return file


def stamped(log: SmallLog, authority: Authority, **more: Any) -> bytes:
    return stamped_of(contents(log, **more), authority)


def stamped_of(made: Contents, authority: Authority) -> bytes:
    made = replace(made, tsa_chain=authority.roots)
    return bundle_of(made, lambda digest: authority.reply(request(digest, 1 << 62)))


def test_everything_is_checked_where_every_key_is_named(
    log: SmallLog, authority: Authority, policy: Path, tmp_path: Path
) -> None:
    papers = {"voucher.json": voucher(), "certificate.json": certificate()}
    file = kept(tmp_path, stamped(log, authority, papers=papers))
    ran = Ran(
        file, "--policy", policy, "--tsa-ca", authority.folder / "ca.pem", "--log-key", LOG_SM2.vkey,
        "--platform-key", PLATFORM_KEY,
    )  # fmt: skip
    assert ran.code == 0, ran.said
    checked, _, left = ran.out.partition("NOT checked:")
    for sentence in (
        "unaltered by SHA-256 and SM3", "stamped by CN=Test TSA", "signed by SM2 with SM3 too",
        "papers/voucher.json is signed by the platform and agrees", "papers/certificate.json is signed",
        "entry 1 of 5", *(f"The witness {one.name} saw this log" for one in WITNESSES),
    ):  # fmt: skip
        assert sentence in checked, sentence
    for said in ("time stamp", "SM2", "papers/", "WHOM TO BELIEVE", "--tsa-ca", "--log-key"):
        assert said not in left, said
    assert "Whether what was logged was true." in left


def test_what_nobody_named_a_key_for_is_said_not_to_be_checked(
    log: SmallLog, authority: Authority, tmp_path: Path
) -> None:
    ran = Ran(kept(tmp_path, stamped(log, authority, papers={"voucher.json": voucher()})))
    assert ran.code == 0, ran.said
    checked, _, left = ran.out.partition("NOT checked:")
    assert "name yours with --tsa-ca" in checked
    assert "name it with --log-key" in checked
    assert "WHOM TO BELIEVE was taken from the bundle itself" in left
    assert "papers/voucher.json" in left


def test_machines_get_the_same(log: SmallLog, policy: Path, tmp_path: Path) -> None:
    ran = Ran(kept(tmp_path, bundle_of(contents(log))), "--policy", policy, "--json")
    told = json.loads(ran.out)
    assert told["good"] is True
    assert told["agrees_only_with_itself"] is False
    first = told["records"][0]
    assert (first["seq"], first["index"], first["size"], first["record"]["paid"]) == (10, 0, 5, 8000)
    assert [one["name"] for one in first["cosigned"]] == [one.name for one in WITNESSES]
    assert told["checked"]
    assert told["not_checked"]


def test_it_speaks_chinese(log: SmallLog, policy: Path, tmp_path: Path) -> None:
    file = kept(tmp_path, bundle_of(contents(log)))
    good = Ran(file, "--policy", policy, "--lang", "zh")
    assert "已核对：" in good.said
    assert "无误" in good.said
    file.write_bytes(file.read_bytes()[:-1])
    bad = Ran(file, "--policy", policy, "--lang", "zh")
    assert "不可采信" in bad.said


Break = Callable[[SmallLog, Authority], bytes]


def with_paper(name: str, paper: bytes) -> Break:
    return lambda log, authority: stamped(log, authority, papers={name: paper})


def with_voucher(**more: Any) -> Break:
    return with_paper("voucher.json", voucher(**more))


def with_token(token: Callable[[Authority], bytes]) -> Break:
    return lambda log, authority: packed_again(files_of(bundle_of(contents(log))) | {"timestamp.tsr": token(authority)})


def with_altered(name: str, alter: Callable[[bytes], bytes]) -> Break:
    """In a bundle that was stamped before."""

    def altered(log: SmallLog, authority: Authority) -> bytes:
        files = files_of(stamped(log, authority))
        return packed_again(files | {name: alter(files[name])})

    return altered


def with_note(note: Callable[[SmallLog], bytes]) -> Break:
    return lambda log, authority: stamped_of(contents_of([log.exhibit(0, ["seq"], note=note(log))]), authority)


def by_foreigner(log: SmallLog, authority: Authority) -> bytes:
    return bundle_of(contents(log), lambda digest: authority.reply(request(digest, 1 << 62), signer="foreign"))


def signed_by_all_but_sm2(log: SmallLog) -> bytes:
    return log.note(signers=(LOG_KEY, *WITNESSES))


def sm2_line_of_another(log: SmallLog) -> bytes:
    return signed_by_all_but_sm2(log) + log.note(3, (LOG_SM2,)).rpartition(b"\n\n")[2]


BREACHES: dict[str, tuple[Break, str]] = {
    "a voucher of other amounts": (
        with_voucher(paid=7000, fee_fen=3000), "says otherwise than the records: paid, fee_fen, paid",
    ),
    "a voucher of another time": (with_voucher(taken_at=AT - 1), "records: at"),
    "a voucher of another event": (with_voucher(taken_seq=12), "records: seq"),
    "a voucher of another payout": (with_voucher(reference="B-9"), "records: reference"),
    "a voucher about none of the records": (with_voucher(redemption="rdm_9"), "no record here is about it"),
    "a certificate of somebody else": (
        with_paper("certificate.json", certificate(seqs=(99,))), "no record here is about it",
    ),
    "a certificate that names another event": (
        with_paper("certificate.json", certificate(seqs=(10, 14))), "records: kind",
    ),
    "a certificate of other keys": (
        with_paper("certificate.json", certificate(fingerprints=("11" * 16,))), "records: fingerprints",
    ),
    "a certificate of before it was done": (
        with_paper("certificate.json", certificate(shredded_at=AT + 1)), "records: at",
    ),
    "a certificate of an older epoch": (with_paper("certificate.json", certificate(epoch=2)), "records: epoch"),
    "an opening of a field that is not shown": (with_paper("opened-10.json", opened()), "records: sealed_secret"),
    "an opening of another record": (with_paper("opened-9.json", opened(9)), "no record here is about it"),
    "an altered paper": (with_paper("voucher.json", voucher().replace(b"B-1", b"B-2")), "papers/voucher.json: "),
    "no paper of ours": (with_paper("voucher.json", b'{"hello":1}'), "none of the platform's papers"),
    "a paper that is no JSON": (with_paper("voucher.json", b"\xff\x00"), "none of the platform's papers"),
    "a token about another manifest": (
        with_token(lambda authority: authority.reply(request(bytes(32), 1 << 62))),
        "timestamp.tsr: the time-stamp token is about another digest",
    ),
    "a torn token": (with_altered("timestamp.tsr", lambda it: it[:-9]), "timestamp.tsr: the time-stamp token is torn"),
    "a type in the manifest altered": (
        with_altered("manifest.json", lambda it: it.replace(b"text/html", b"text/htm1")),
        "timestamp.tsr: the time-stamp token is about another digest",
    ),
    "a token of a foreign authority": (
        by_foreigner, "timestamp.tsr: the time-stamp token is not signed by a time-stamping certificate",
    ),
    "the time stamp stripped": (
        lambda log, authority: packed_again(
            {name: it for name, it in files_of(stamped(log, authority)).items() if name != "timestamp.tsr"}
        ),
        "There is no timestamp.tsr, though",
    ),
    "the SM2 line stripped": (with_note(signed_by_all_but_sm2), "lacks the SM2 signature"),
    "the SM2 line of another checkpoint": (
        with_note(sm2_line_of_another), "The SM2 signature by suyuan.example/log/2026 is not good",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", BREACHES)
def test_what_is_wrong_is_named(log: SmallLog, authority: Authority, policy: Path, tmp_path: Path, how: str) -> None:
    breach, sentence = BREACHES[how]
    named: list[str | Path] = [
        "--tsa-ca",
        authority.folder / "ca.pem",
        "--log-key",
        LOG_SM2.vkey,
        "--platform-key",
        PLATFORM_KEY,
    ]
    file = kept(tmp_path, breach(log, authority))
    ran = Ran(file, "--policy", policy, *named)
    assert ran.code == 1, ran.said
    assert sentence in ran.said, ran.said
    told = json.loads(Ran(file, "--policy", policy, *named, "--json").out)
    assert told["good"] is False
    assert told["code"]


def test_an_opening_of_what_was_logged_is_believed_by_the_platforms_signature(
    log: SmallLog, policy: Path, tmp_path: Path
) -> None:
    exhibits = [log.exhibit(0, [*TAKEN_NAMES, "sealed_secret"])]
    subjects = frozenset({"slr_1", "rdm_1"})
    packed = bundle_of(contents_of(exhibits, subjects=subjects, papers={"opened-10.json": opened()}))
    ran = Ran(kept(tmp_path, packed), "--policy", policy, "--platform-key", PLATFORM_KEY)
    assert ran.code == 0, ran.said
    assert "papers/opened-10.json is signed by the platform and agrees" in ran.out


def rewritten(log: SmallLog, **changed: bytes) -> bytes:
    """With a manifest that was written after the change; in the names `__` stands for `/`, and `_` for `.`."""
    files = files_of(bundle_of(contents(log))) | {
        name.replace("__", "/").replace("_", "."): content for name, content in changed.items()
    }
    del files["manifest.json"]
    return packed_again(with_manifest(files))


def test_what_is_there_for_people_is_held_against_the_records(log: SmallLog, policy: Path, tmp_path: Path) -> None:
    """A seller reads the page and a court runs verify.py, and a forger writes their digests into a fresh manifest."""
    good = Ran(kept(tmp_path, bundle_of(contents(log))), "--policy", policy)
    assert "page.html, README.md, README.zh-CN.md, verify.py: byte for byte what this program makes" in good.out
    other = rewritten(log, page_html=b"<h1>paid 1,000,000.00 CNY</h1>", verify_py=b"print('GOOD')", README_md=b"`sh`")
    checked, _, left = Ran(kept(tmp_path, other), "--policy", policy).out.partition("NOT checked:")
    assert "README.zh-CN.md: byte for byte" in checked
    assert "page.html, README.md, verify.py: NOT what this program makes of these records" in left


@pytest.mark.parametrize(
    "custody",
    [b"{}", b"\xff", b"[" * 100_000, b'{"extracted_at":1e400}', b'{"extracted_by":"a court","extracted_at":1}'],
)
def test_statements_that_make_no_page_vouch_for_none(
    log: SmallLog, policy: Path, tmp_path: Path, custody: bytes
) -> None:
    ran = Ran(kept(tmp_path, rewritten(log, custody_json=custody)), "--policy", policy)
    assert ran.code == 0, ran.said
    assert "page.html" in ran.out.partition("NOT checked:")[2]


def test_an_instant_of_no_calendar_makes_no_page(log: SmallLog, policy: Path, tmp_path: Path) -> None:
    custody = files_of(bundle_of(contents(log)))["custody.json"]
    far = re.sub(rb'"extracted_at":[0-9]+', b'"extracted_at":9223372036854775807', custody)
    ran = Ran(kept(tmp_path, rewritten(log, custody_json=far)), "--policy", policy)
    assert ran.code == 0, ran.said
    assert "page.html: NOT what this program makes" in ran.out


def test_no_name_of_a_file_takes_back_what_was_not_checked(log: SmallLog, policy: Path, tmp_path: Path) -> None:
    """What was checked after all was once told from the rest by a word, which a file may have for its name."""
    papers = {"papers__SM2_json": voucher(paid=1, fee_fen=9999)}
    ran = Ran(kept(tmp_path, rewritten(log, **papers)), "--policy", policy)
    checked, _, left = ran.out.partition("NOT checked:")
    assert "signed by SM2 with SM3 too" in checked
    assert "What the signed papers say (papers/SM2.json)" in left


def test_a_strangers_platform_key_believes_no_paper(log: SmallLog, policy: Path, tmp_path: Path) -> None:
    stranger = PublicKey("ed25519", suite("ed25519").signer(bytes([8]) * 32).public).text()
    file = kept(tmp_path, bundle_of(contents(log, papers={"voucher.json": voucher()})))
    ran = Ran(file, "--policy", policy, "--platform-key", stranger)
    assert ran.code == 1
    assert "no signature of this voucher is by a key" in ran.said


# --- proofs by themselves ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(log: SmallLog, tmp_path: Path) -> Path:
    for name, content in files_of(bundle_of(contents(log))).items():
        if name.startswith("records/11/"):
            (tmp_path / Path(name).name).write_bytes(content)
    return tmp_path


def test_a_proof_is_checked_with_the_record_beside_it(folder: Path, policy: Path) -> None:
    ran = Ran(folder / "record.tlog-proof", "--policy", policy)
    assert ran.code == 0, ran.said
    assert "paid = 8000" in ran.out
    assert "entry 1 of 5" in ran.out
    assert "Whether what was logged was true." in ran.out


def test_a_proof_is_checked_with_the_entry_alone(folder: Path, policy: Path) -> None:
    ran = Ran(folder / "record.tlog-proof", "--policy", policy, "--leaf", folder / "leaf.bin")
    assert ran.code == 0, ran.said
    assert "A record whose number is not shown was logged" in ran.out
    told = json.loads(
        Ran(folder / "record.tlog-proof", "--policy", policy, "--leaf", folder / "leaf.bin", "--json").out
    )
    assert told["records"][0]["seq"] is None
    (folder / "leaf.bin").write_bytes(bytes(32))
    assert Ran(folder / "record.tlog-proof", "--policy", policy, "--leaf", folder / "leaf.bin").code == 1


def test_a_proof_of_another_record_is_refused(folder: Path, policy: Path) -> None:
    record = folder / "record.json"
    record.write_bytes(record.read_bytes().replace(b"8000", b"9000"))
    ran = Ran(folder / "record.tlog-proof", "--policy", policy)
    assert ran.code == 1
    assert '"paid" is not what was logged' in ran.said


def test_a_proof_without_a_policy_is_asked_wrongly(folder: Path) -> None:
    ran = Ran(folder / "record.tlog-proof")
    assert ran.code == 2
    assert "--policy" in ran.said


# --- asked wrongly ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["missing.zip"], ["."], ["case", "--policy", "missing"], ["case", "--tsa-ca", "missing"]]
)
def test_a_file_that_is_not_there_is_said(
    log: SmallLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "case").write_bytes(bundle_of(contents(log)))
    ran = Ran(*arguments)
    assert ran.code == 2
    assert "cannot be read" in ran.said


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"c2sp.org/tlog-proof@v1", bytes(1 << 20), b"<html>"])
def test_what_is_no_evidence_is_refused(policy: Path, tmp_path: Path, content: bytes) -> None:
    for name in ("record.json", "openings.json"):
        (tmp_path / name).write_bytes(b"{}")
    file = tmp_path / "file"
    file.write_bytes(content)
    assert Ran(file, "--policy", policy).code == 1


def test_a_broken_policy_is_named(log: SmallLog, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"log nonsense\n")
    ran = Ran(kept(tmp_path, bundle_of(contents(log))), "--policy", tmp_path / "mine")
    assert ran.code == 1
    assert "mine" in ran.said
