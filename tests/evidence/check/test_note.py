"""Signed notes and their keys: examples that others published, and every way in which a note can be mangled."""

from __future__ import annotations

import base64
import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.evidence.check import (
    COSIGNATURE,
    ED25519,
    SM2_SM3,
    BadEvidence,
    Signed,
    Wrong,
    check_signatures,
    cosigned_message,
    read_checkpoint,
    read_note,
    read_vkey,
)
from tests.evidence.check.signers import LOG, NEUTRAL, NoteSigner, checkpoint_text, note

# golang.org/x/mod sumdb/note/note_test.go.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
).encode()

# c2sp.org/signed-note, the example of verifier keys.
SPECIFIED_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPECIFIED_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

# FiloSottile/sunlight, cmd/skylight/testdata: a log of another kind of key, cosigned by a witness.
SUNLIGHT_WITNESS = "witness.example.org+b8a2cf20+BFLN3yikSfFkVAJtrnh/CiY3Zozkoy7clp+P7XB28qUN"
SUNLIGHT_NOTE = (
    "rome2026h1.example.org\n300\nlCkHUpkmVBEms2r2T1K6Og69+wUuuN3MIEW1/ezu2v0=\n\n"
    "— rome2026h1.example.org kVB1JgAAAZtxtEwABAMARzBFAiEAi+mTa2xjL1IdWpH82OeciGsGvwRAP+f1WkfKaSZ"
    "CfFECIHoNPZ/Q3y6UNzvKOO9cuLr6V16vPNfhwhle9f6r5H/Z\n"
    "— witness.example.org "
    "uKLPIAAAAABpVGeAhm2bOvKc3LaB9PFN1ruG19Y5yqslmcAAbhftnn1Zznmo0LXFZq4LGvqKqLX8jWlwLKasxEGTLIqAVusneCBmBw==\n"
).encode()

# sigstore-conformance, rekor2-dsse-happy-path: a checkpoint of a public test log.
REKOR_KEY = "log2025-alpha1.rekor.sigstage.dev+f30d5a99+AT5/gERB6AWme8IEtcwaqcZi0hp8ocV4+JRcUnVlQfKP"
REKOR_NAME, REKOR_SIZE, REKOR_ROOT = (
    "log2025-alpha1.rekor.sigstage.dev",
    "7132",
    "oxP/ea30nl5qRXK7CWd0YGGajQNclTGmRbyTqZVS0AU=",
)
REKOR_LINE = (
    f"— {REKOR_NAME} 8w1amVmcxxHofaeiQdnXseduy+i75L3TKSG91maGEGjUkBbuRQ4oDZ08bVTO9M+MQJMfz0+vbuOeBrr8yYsofI36egQ=\n"
)
REKOR_NOTE = f"{REKOR_NAME}\n{REKOR_SIZE}\n{REKOR_ROOT}\n\n{REKOR_LINE}".encode()


def code_of(content: bytes, *vkeys: str) -> Wrong | None:
    try:
        check_signatures(read_note(content), [read_vkey(vkey) for vkey in vkeys])
    except BadEvidence as bad:
        return bad.code
    return None


def test_the_specifications_example_is_good() -> None:
    [signed] = check_signatures(read_note(SPECIFIED_NOTE), [read_vkey(SPECIFIED_KEY)])
    assert signed == Signed(read_vkey(SPECIFIED_KEY), None)


def test_a_text_may_hold_empty_lines() -> None:
    """The specification's poem: the signatures stand behind the last empty line, and everything before it is signed."""
    poem = (
        "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
        "— quasimodo.example/salvatore "
        "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
    ).encode()
    read = read_note(poem)
    assert read.text.decode().endswith("sole:\n\ned è subito sera.\n")
    assert [(line.name, line.key_id.hex()) for line in read.signatures] == [("quasimodo.example/salvatore", "367ba04b")]


def test_go_signs_what_is_checked_here() -> None:
    both = TEXT + b"\n" + PETER_LINE + ENOCH_LINE
    assert [one.vkey.name for one in check_signatures(read_note(both), [read_vkey(PETER)])] == ["PeterNeumann"]
    assert len(check_signatures(read_note(both), [read_vkey(ENOCH), read_vkey(PETER)])) == 2
    assert code_of(both) is Wrong.NOBODY_KNOWN_SIGNED


def test_a_key_that_signed_twice_counts_once() -> None:
    doubled = TEXT + b"\n" + PETER_LINE * 2 + ENOCH_LINE * 2
    assert len(check_signatures(read_note(doubled), [read_vkey(PETER), read_vkey(PETER), read_vkey(ENOCH)])) == 2


@pytest.mark.parametrize(
    "mangled",
    [
        TEXT,
        TEXT + b"\n",
        TEXT + b"\n" + PETER_LINE[:-1],
        b"\x01" + TEXT + b"\n" + PETER_LINE,
        b"\xff" + TEXT + b"\n" + PETER_LINE,
        TEXT.replace(b"\n", b"\r\n") + b"\n" + PETER_LINE,
        TEXT + b"\n" + PETER_LINE.replace(b"PeterNeumann", b"Bad Name"),
        TEXT + b"\n" + PETER_LINE.replace(b"PeterNeumann", b"Bad+Name"),
        TEXT + b"\n" + PETER_LINE.replace(b"PeterNeumann", "Bad\u3000Name".encode()),
        TEXT + b"\n" + PETER_LINE.replace("—".encode(), b"-"),
        TEXT + b"\n" + PETER_LINE.removeprefix("— ".encode()),
        TEXT + b"\n" + PETER_LINE.replace(b"AM=", b"AN="),
        TEXT + b"\n" + PETER_LINE.replace(b"AM=", b"AM"),
        TEXT + b"\n" + PETER_LINE.replace(b"AM=", b"A-M="),
        TEXT + b"\n" + PETER_LINE.replace(b"AM=", b"AM= "),
        TEXT + b"\n" + "— PeterNeumann x08gow==\n".encode(),
        TEXT + b"\n" + PETER_LINE + b"Unexpected line.\n",
        TEXT + b"\n" + PETER_LINE * 101,
        b"x" * 1_000_000 + b"\n\n" + PETER_LINE,
        b"",
        b"\n\n",
    ],
)
def test_mangled_notes_are_refused_whatever_their_keys(mangled: bytes) -> None:
    """Go's list of bad messages, and what its base64 would have let pass."""
    with pytest.raises(BadEvidence):
        read_note(mangled)


def test_a_known_key_with_a_bad_signature_spoils_the_whole_note() -> None:
    """Also beside a good signature by another key: whoever altered the note may have altered what is left, too."""
    longer = PETER_LINE[:62] + b"ABCD" + PETER_LINE[62:]
    assert code_of(TEXT + b"\n" + longer, PETER) is Wrong.SIGNATURE_IS_BAD
    spoiled = TEXT.replace(b"then", b"than") + b"\n" + ENOCH_LINE + PETER_LINE
    assert code_of(spoiled, PETER) is Wrong.SIGNATURE_IS_BAD
    assert code_of(TEXT + b"\n" + ENOCH_LINE + longer, PETER, ENOCH) is Wrong.SIGNATURE_IS_BAD
    assert code_of(TEXT + b"\n" + PETER_LINE + longer, PETER) is Wrong.SIGNATURE_IS_BAD


def test_a_line_that_shares_a_name_or_an_id_but_not_both_is_ignored() -> None:
    renamed = PETER_LINE.replace(b"PeterNeumann", b"CarmenSandiego")
    other_id = PETER_LINE.replace(b"x08g", b"xxxx")
    assert code_of(TEXT + b"\n" + renamed + other_id + ENOCH_LINE, PETER, ENOCH) is None
    assert code_of(TEXT + b"\n" + renamed + other_id, PETER) is Wrong.NOBODY_KNOWN_SIGNED


def test_no_part_of_a_key_is_a_key() -> None:
    """Go's test: every substring, and every byte raised by one."""
    for start in range(len(PETER)):
        for end in range(start + 1, len(PETER) + 1):
            if (start, end) != (0, len(PETER)):
                with pytest.raises(BadEvidence):
                    read_vkey(PETER[start:end])
    for place in range(len(PETER)):
        with pytest.raises(BadEvidence):
            read_vkey(PETER[:place] + chr(ord(PETER[place]) + 1) + PETER[place + 1 :])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", Wrong.VKEY_IS_MALFORMED),
        ("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", Wrong.VKEY_KIND_IS_UNKNOWN),
        (PETER.replace("c74f20a3", "C74F20A3"), Wrong.VKEY_IS_MALFORMED),
        (PETER.replace("c74f20a3", "c74f20a4"), Wrong.VKEY_ID_IS_ANOTHER),
        (PETER.replace("Neumann", "Newman"), Wrong.VKEY_ID_IS_ANOTHER),
        (PETER + "\n", Wrong.VKEY_IS_MALFORMED),
        (PETER * 1_000_000, Wrong.VKEY_IS_MALFORMED),
        ("", Wrong.VKEY_IS_MALFORMED),
        ("name\ud800+00000000+AA==", Wrong.VKEY_IS_MALFORMED),
    ],
)
def test_keys_that_are_none_are_refused(text: str, code: Wrong) -> None:
    with pytest.raises(BadEvidence) as bad:
        read_vkey(text)
    assert bad.value.code is code


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (ED25519, bytes(31)),
        (ED25519, bytes(33)),
        (COSIGNATURE, b""),
        (SM2_SM3, bytes(64)),
        (SM2_SM3, b"\x02" + bytes(64)),
        (SM2_SM3, b"\x04" + bytes(65)),
    ],
)
def test_keys_of_another_length_or_form_are_refused_though_their_id_is_right(kind: bytes, key: bytes) -> None:
    digest = hashlib.sha256(b"a.example\n" + kind + key).digest()
    with pytest.raises(BadEvidence) as bad:
        read_vkey(f"a.example+{digest[:4].hex()}+{base64.b64encode(kind + key).decode()}")
    assert bad.value.code is Wrong.VKEY_IS_MALFORMED


def test_a_signature_of_another_length_is_bad_whatever_checks_it() -> None:
    """Also where somebody brings a verifier of their own, which may not look at lengths."""
    text = checkpoint_text(1, bytes(32))
    for signer in (LOG, NEUTRAL):
        for blob in (b"", bytes(7), bytes(8), bytes(63), bytes(73)):
            line = f"— {signer.name} {base64.b64encode(signer.vkey.key_id + blob).decode()}\n".encode()
            with pytest.raises(BadEvidence):
                check_signatures(read_note(text + b"\n" + line), [signer.vkey], verify=lambda *_: True)


def test_the_limits_themselves_are_within_them() -> None:
    assert len(read_note(TEXT + b"\n" + PETER_LINE * 100).signatures) == 100
    fitting = b"x" * (1_000_000 - 2 - len(PETER_LINE)) + b"\n\n" + PETER_LINE
    assert len(fitting) == 1_000_000
    assert read_note(fitting).signatures[0].name == "PeterNeumann"


def test_keys_of_others_are_read() -> None:
    """transparency-dev/formats: a key whose base64 holds a plus, and a witness's."""
    plus = read_vkey("TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6")
    remora = read_vkey("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2")
    assert (plus.kind, remora.kind, len(plus.key), len(remora.key)) == (ED25519, COSIGNATURE, 32, 32)


def test_a_witness_of_another_log_is_checked_and_the_logs_own_kind_of_key_is_passed_over() -> None:
    [signed] = check_signatures(read_note(SUNLIGHT_NOTE), [read_vkey(SUNLIGHT_WITNESS)])
    assert signed == Signed(read_vkey(SUNLIGHT_WITNESS), 1_767_139_200)
    later = SUNLIGHT_NOTE.replace(b"uKLPIAAAAABpVGeA", b"uKLPIAAAAABpVGeB")
    assert code_of(later, SUNLIGHT_WITNESS) is Wrong.SIGNATURE_IS_BAD


def test_a_checkpoint_in_the_wild_is_checked_with_its_cosignatures() -> None:
    """A certificate log's, with a line of another kind, its own, and four witnesses of which one is known here."""
    log = "arche2025h1.staging.ct.transparency.dev"
    wild = (
        f"{log}\n1432088532\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n\n"
        f"— {log} zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkp"
        "tQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n"
        f"— {log} ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n"
        "— transparency.dev/DEV:witness-little-garden "
        "2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n"
        "— remora.n621.de "
        "2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n"
    ).encode()
    keys = [
        read_vkey(f"{log}+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"),
        read_vkey("remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"),
    ]
    assert [signed.at for signed in check_signatures(read_note(wild), keys)] == [None, 1_779_573_024]
    assert code_of(wild.replace(b"1432088532", b"42"), REKOR_KEY) is Wrong.NOBODY_KNOWN_SIGNED
    with pytest.raises(BadEvidence, match=log):
        check_signatures(read_note(wild.replace(b"1432088532", b"42")), keys)


def test_rekors_checkpoint_is_good_and_each_of_the_conformance_suites_broken_ones_is_not() -> None:
    """sigstore-conformance `rekor2-checkpoint-*`: cosigned, many cosignatures, origin not first, parts missing."""
    head = f"{REKOR_NAME}\n{REKOR_SIZE}\n{REKOR_ROOT}\n"
    cosigned = "".join(
        NoteSigner(f"w{number}.example", COSIGNATURE).line(head.encode()).decode() for number in range(15)
    )
    for good in (REKOR_LINE, REKOR_LINE + cosigned, cosigned + REKOR_LINE, REKOR_LINE * 2):
        assert code_of(f"{head}\n{good}".encode(), REKOR_KEY) is None
    assert code_of(f"{head}\n{cosigned}".encode(), REKOR_KEY) is Wrong.NOBODY_KNOWN_SIGNED
    wrong_hint = REKOR_LINE.replace(" 8w1amV", " 8w1amW")
    assert code_of(f"{head}\n{wrong_hint}".encode(), REKOR_KEY) in (Wrong.NOBODY_KNOWN_SIGNED, Wrong.SIGNATURE_IS_BAD)
    for parts in (
        [REKOR_SIZE, REKOR_ROOT],
        [REKOR_NAME, REKOR_ROOT],
        [REKOR_NAME, REKOR_SIZE],
        ["", REKOR_SIZE, REKOR_ROOT],
    ):
        broken = ("\n".join(parts) + "\n").encode()
        with pytest.raises(BadEvidence):
            read_checkpoint(broken)
        assert code_of(broken + b"\n" + REKOR_LINE.encode(), REKOR_KEY) is not None


@pytest.mark.parametrize(
    "text",
    [
        "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\nJOE\n",
        "an origin with spaces, and a plus +\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "example.com\n9223372036854775807\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
    ],
)
def test_checkpoints_of_others_are_read(text: str) -> None:
    """Go's, also with an extension line; an origin is any text."""
    assert read_checkpoint(text.encode()).origin == text.split("\n", maxsplit=1)[0]


ROOT = "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0="


@pytest.mark.parametrize(
    "text",
    [
        f"example.com\n0xabcdef\n{ROOT}\n",
        f"example.com\n{ROOT[:-6]}TOOBIG=\n",
        f"example.com\n1\n{ROOT[:-4]}TOOBIG==\n",
        f"example.com\n01\n{ROOT}\n",
        f"example.com\n+1\n{ROOT}\n",
        f"example.com\n-1\n{ROOT}\n",
        f"example.com\n１\n{ROOT}\n",
        f"example.com\n1_0\n{ROOT}\n",
        f"example.com\n9223372036854775808\n{ROOT}\n",
        f"example.com\n{'9' * 5_000}\n{ROOT}\n",
        f"example.com\n1\n{ROOT}",
        f"example.com\n1\n{ROOT}\n\n",
        f"example.com\n1\n{ROOT}\n\nextension\n",
        f"example.com\n1\n{ROOT[:-1]}\n",
        f"example.com\n1\n{ROOT.replace('0=', '1=')}\n",
        f"\nexample.com\n1\n{ROOT}\n",
        "",
        "example.com\n1\n",
    ],
)
def test_texts_that_are_no_checkpoint_are_refused(text: str) -> None:
    with pytest.raises(BadEvidence):
        read_checkpoint(text.encode())


def test_a_cosignature_says_when_and_for_which_log() -> None:
    text = checkpoint_text(1, bytes(32))
    signed = read_note(text + b"\n" + NEUTRAL.line(text, at_s=1_679_315_147))
    assert check_signatures(signed, [NEUTRAL.vkey]) == [Signed(NEUTRAL.vkey, 1_679_315_147)]
    assert cosigned_message(text, 1_679_315_147).startswith(b"cosignature/v1\ntime 1679315147\nsuyuan.example/")


@pytest.mark.parametrize("at_s", [2**63, 2**64 - 1])
def test_a_cosignature_from_beyond_all_time_is_bad(at_s: int) -> None:
    text = checkpoint_text(1, bytes(32))
    with pytest.raises(BadEvidence):
        check_signatures(read_note(text + b"\n" + NEUTRAL.line(text, at_s=at_s)), [NEUTRAL.vkey])


def test_a_plain_signature_is_no_cosignature_and_the_other_way_round() -> None:
    """One secret in both roles, which nobody should do: it has two key ids, and neither line serves as the other."""
    twin = NoteSigner(NEUTRAL.name, ED25519)
    text = checkpoint_text(1, bytes(32))
    for signer, other in ((twin, NEUTRAL), (NEUTRAL, twin)):
        with pytest.raises(BadEvidence) as bad:
            check_signatures(read_note(note(text, signer)), [other.vkey])
        assert bad.value.code is Wrong.NOBODY_KNOWN_SIGNED


def test_an_sm2_line_is_ignored_and_its_key_is_read_but_not_checked() -> None:
    point = b"\x04" + bytes(range(64))
    sm2_id = hashlib.sha256(LOG.name.encode() + b"\n" + SM2_SM3 + point).digest()[:4]
    sm2 = read_vkey(f"{LOG.name}+{sm2_id.hex()}+{base64.b64encode(SM2_SM3 + point).decode()}")
    assert (sm2.kind, sm2.key) == (SM2_SM3, point)
    text = checkpoint_text(1, bytes(32))
    line = f"— {LOG.name} {base64.b64encode(sm2_id + bytes(64)).decode()}\n".encode()
    both = read_note(note(text, LOG) + line)
    assert [signed.vkey for signed in check_signatures(both, [LOG.vkey])] == [LOG.vkey]
    with pytest.raises(BadEvidence) as bad:
        check_signatures(both, [LOG.vkey, sm2])
    assert bad.value.code is Wrong.VKEY_KIND_IS_UNKNOWN


@given(st.binary(max_size=300))
def test_no_bytes_bring_the_readers_down(content: bytes) -> None:
    for reader in (read_note, read_checkpoint):
        with contextlib.suppress(BadEvidence):
            reader(content)


@given(st.data())
def test_no_bit_of_a_signed_text_can_be_flipped(data: st.DataObject) -> None:
    content = bytearray(REKOR_NOTE)
    bit = data.draw(st.integers(0, REKOR_NOTE.index(b"\n\n") * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    assert code_of(bytes(content), REKOR_KEY) is not None
