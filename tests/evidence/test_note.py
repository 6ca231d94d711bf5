"""Signing: what our keys write is what the specifications' examples hold and what a stranger's checker accepts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base.crypto import BadSignature, suite
from suyuan.evidence import check
from suyuan.evidence.log.note import (
    Cosigner,
    LogSigner,
    NoteSecret,
    checkpoint_text,
    cosigner,
    ed25519_fits,
    ed25519_signer,
    read_secret,
    secret_text,
    sign_note,
    signature_fits,
    sm2_signer,
    vkey_text,
)

NAME = "suyuan.example/log/2026"
ED25519 = suite("ed25519").signer(bytes(range(32)))
SM2 = suite("sm2-sm3").signer(bytes(range(1, 33)))
TEXT = checkpoint_text(NAME, 3, bytes(32))

# The key, text and line that the tests of Go's `sumdb/note` use.
GO_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_key_of_the_go_implementation_signs_here_as_it_does_there() -> None:
    secret = read_secret(GO_SECRET)
    signer = secret.signer()
    assert isinstance(signer, LogSigner)
    assert vkey_text(signer.vkey) == GO_PUBLIC
    assert signer.line(GO_TEXT).decode() == GO_LINE
    assert secret_text(secret) == GO_SECRET


def test_a_note_with_every_kind_of_line_is_believed_by_a_stranger() -> None:
    """The stranger knows the Ed25519 keys only; the SM2 line is one of those it does not ask."""
    log, national = ed25519_signer(NAME, ED25519), sm2_signer(NAME, SM2)
    witness = cosigner("witness.example", suite("ed25519").signer(bytes(32)))
    note = sign_note(TEXT, [log, national]) + witness.line(TEXT, 1_700_000_000)
    signed = check.check_signatures(check.read_note(note), [log.vkey, witness.vkey])
    assert [(one.vkey.name, one.at) for one in signed] == [(NAME, None), ("witness.example", 1_700_000_000)]


@given(secret=st.binary(min_size=32, max_size=32).filter(any), text=st.text(max_size=40))
def test_an_sm2_line_holds_r_and_s_in_64_bytes_and_fits(secret: bytes, text: str) -> None:
    """Numbers with leading zero bytes and with a high first bit are written longer or shorter in DER."""
    try:
        signer = sm2_signer(NAME, suite("sm2-sm3").signer(secret))
    except ValueError:
        return
    line = signer.line(text.encode()).decode()
    blob = check.from_base64(line.split(" ")[2].strip())
    assert blob is not None
    assert blob[:4] == signer.vkey.key_id
    assert len(blob) == 4 + 64
    assert signature_fits(signer.vkey, text.encode(), blob[4:])
    assert not signature_fits(signer.vkey, text.encode() + b"x", blob[4:])


@pytest.mark.parametrize(
    "halves", [bytes(64), b"\xff" * 64, bytes(32) + b"\1" * 32, b"\0" * 31 + b"\1" + b"\xff" * 32, b"", bytes(63)]
)
def test_a_malformed_sm2_signature_does_not_fit(halves: bytes) -> None:
    assert not signature_fits(sm2_signer(NAME, SM2).vkey, TEXT, halves)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_openssl_checks_an_sm2_line(tmp_path: Path) -> None:
    """With the key as a SubjectPublicKeyInfo, the signature as DER, and the standard's own signer id."""
    signer = sm2_signer(NAME, SM2)
    blob = check.from_base64(signer.line(TEXT).decode().split(" ")[2].strip())
    assert blob is not None
    r, s = int.from_bytes(blob[4:36]), int.from_bytes(blob[36:])
    numbers = [n.to_bytes(n.bit_length() // 8 + 1) for n in (r, s)]
    content = b"".join(b"\x02" + bytes([len(raw)]) + raw for raw in numbers)
    (tmp_path / "signature").write_bytes(b"\x30" + bytes([len(content)]) + content)
    (tmp_path / "key").write_bytes(
        bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200") + signer.vkey.key
    )
    (tmp_path / "text").write_bytes(TEXT)
    command = (
        "openssl pkeyutl -verify -rawin -digest sm3 -in text -sigfile signature -pubin -keyform DER -inkey key "
        "-pkeyopt distid:1234567812345678"
    )
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Successfully" in done.stdout, done


def test_a_bad_signature_never_leaves_the_signer() -> None:
    """A key whose hardware flips a bit is stopped before anybody has seen what it signed."""

    class Faulty:
        algorithm = "ed25519"
        public = ED25519.public

        def sign(self, message: bytes) -> bytes:
            signature = bytearray(ED25519.sign(message))
            signature[9] ^= 4
            return bytes(signature)

    with pytest.raises(BadSignature, match="nothing of it may go out"):
        ed25519_signer(NAME, Faulty()).line(TEXT)
    with pytest.raises(BadSignature, match="nothing of it may go out"):
        cosigner("witness.example", Faulty()).line(TEXT, 1)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u3000b"])
def test_a_name_that_no_line_can_carry_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="verifier key"):
        ed25519_signer(name, ED25519)


def test_a_key_of_another_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="sm2-sm3 key is needed"):
        sm2_signer(NAME, ED25519)
    with pytest.raises(ValueError, match="ed25519 key is needed"):
        cosigner(NAME, SM2)


@pytest.mark.parametrize("kind", [check.ED25519, check.SM2_SM3, check.COSIGNATURE])
def test_a_secret_key_comes_back_from_its_text(kind: bytes) -> None:
    secret = NoteSecret("witness.example/w1", kind, bytes(range(1, 33)))
    again = read_secret(secret_text(secret) + "\n")
    assert again == secret
    assert again.signer().vkey == secret.signer().vkey
    assert isinstance(again.signer(), Cosigner if kind == check.COSIGNATURE else LogSigner)
    assert check.read_vkey(vkey_text(secret.signer().vkey)) == secret.signer().vkey


@pytest.mark.parametrize(
    "text",
    [
        "", GO_PUBLIC, GO_SECRET[:-1], GO_SECRET.replace("c74f20a3", "c74f20a4"), GO_SECRET.replace("+AY", "+BY"),
        GO_SECRET.replace("PeterNeumann", "Peter Neumann"), "PRIVATE+KEY+a+00000000+AQ==", GO_SECRET * 2,
    ],
)  # fmt: skip
def test_a_torn_secret_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="secret") as refused:
        read_secret(text)
    assert "EKFALVFG" not in str(refused.value)


def test_a_secret_is_not_shown_when_printed() -> None:
    assert "0102" not in repr(NoteSecret("a.example", check.ED25519, b"0102" * 8))


def test_the_fast_check_refuses_what_the_strict_one_refuses() -> None:
    signature = ED25519.sign(TEXT)
    assert ed25519_fits(ED25519.public, TEXT, signature)
    for bad in (b"", signature[:-1], signature + b"\0", bytes(64)):
        assert not ed25519_fits(ED25519.public, TEXT, bad)
    assert not ed25519_fits(bytes(32), TEXT, signature)
