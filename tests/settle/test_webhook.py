"""Webhooks: the published signature, keys that change, and nobody but the platform is believed."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suyuan.base import crypto
from suyuan.base.clock import SECOND, Micros, plus
from suyuan.settle.webhook import SIGNATURES_MAX, check_webhook, key_text, sign_webhook

NOW = Micros(1_700_000_000 * SECOND)
BODY = b'{"type":"redemption.paid","data":{"id":"rdm_1"}}'
ALGORITHMS = ["ed25519", "sm2-sm3"]
SIGNERS = {name: crypto.suite(name).signer(b"\x09" * 32) for name in ALGORITHMS}
KEYS = {name: crypto.PublicKey(name, signer.public) for name, signer in SIGNERS.items()}


def pairs(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.title().encode(), text.encode("latin-1")) for name, text in headers.items()]


def hook(*algorithms: str) -> dict[str, str]:
    return sign_webhook("whk_1", BODY, signers=[SIGNERS[name] for name in algorithms or ("ed25519",)], now=NOW)


def test_the_signature_that_the_reference_library_expects_is_made() -> None:
    """The Go library of Standard Webhooks tests Ed25519 with this key, message and signature."""
    signer = crypto.suite("ed25519").signer(base64.b64decode("VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="))
    headers = sign_webhook(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        signers=[signer],
        now=Micros(1_614_265_330 * SECOND),
    )
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == (
        "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_webhook_of_the_platform_is_believed(algorithm: str) -> None:
    assert check_webhook(pairs(hook(algorithm)), BODY, keys=[KEYS[algorithm]], now=NOW) == "whk_1"


def test_both_keys_are_believed_while_they_change() -> None:
    """The platform signs with the old and the new key; receivers who know only one of them still hear it."""
    headers = hook("sm2-sm3", "ed25519")
    assert [entry.partition(",")[0] for entry in headers["webhook-signature"].split(" ")] == ["v1sm2", "v1a"]
    for key in KEYS.values():
        assert check_webhook(pairs(headers), BODY, keys=[key], now=NOW) == "whk_1"


def test_signatures_of_versions_that_we_do_not_know_are_skipped() -> None:
    headers = hook()
    headers["webhook-signature"] = f"v1,AAAA v2,BBBB v1a,!!! v1a {headers['webhook-signature']}"
    assert check_webhook(pairs(headers), BODY, keys=list(KEYS.values()), now=NOW) == "whk_1"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("webhook-id", "whk_2"),
        ("webhook-timestamp", "1700000001"),
        ("webhook-timestamp", "01700000000"),
        ("webhook-signature", "v1a,"),
        ("webhook-signature", "v1a,AAAA"),
        ("webhook-signature", ""),
    ],
)
def test_every_header_is_signed(name: str, text: str) -> None:
    with pytest.raises(crypto.BadSignature):
        check_webhook(pairs(hook() | {name: text}), BODY, keys=[KEYS["ed25519"]], now=NOW)


def test_another_body_or_key_is_not_believed() -> None:
    with pytest.raises(crypto.BadSignature, match="no signature"):
        check_webhook(pairs(hook()), BODY + b" ", keys=[KEYS["ed25519"]], now=NOW)
    another = crypto.PublicKey("ed25519", crypto.suite("ed25519").public_of(bytes(32)))
    for keys in ([another], [KEYS["sm2-sm3"]], []):
        with pytest.raises(crypto.BadSignature, match="no signature"):
            check_webhook(pairs(hook()), BODY, keys=keys, now=NOW)


def test_a_version_does_not_choose_the_algorithm() -> None:
    headers = hook("sm2-sm3")
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1sm2", "v1a")
    with pytest.raises(crypto.BadSignature):
        check_webhook(pairs(headers), BODY, keys=list(KEYS.values()), now=NOW)


def test_a_full_stop_cannot_move_between_id_and_time() -> None:
    """`a.1` at `2` and `a` at `1.2` would be signed over the same bytes, so neither is a form."""
    with pytest.raises(ValueError, match="full stop"):
        sign_webhook("a.1", BODY, signers=[SIGNERS["ed25519"]], now=NOW)
    with pytest.raises(crypto.BadSignature, match="form"):
        check_webhook(pairs(hook() | {"webhook-id": "whk_1.17"}), BODY, keys=[KEYS["ed25519"]], now=NOW)


@pytest.mark.parametrize("away_s", [-301, 301])
def test_an_old_or_early_webhook_is_not_believed(away_s: int) -> None:
    headers = pairs(hook())
    check_webhook(headers, BODY, keys=[KEYS["ed25519"]], now=plus(NOW, 300))
    with pytest.raises(crypto.BadSignature, match="five minutes"):
        check_webhook(headers, BODY, keys=[KEYS["ed25519"]], now=plus(NOW, away_s))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_or_doubled_header_is_refused(name: str) -> None:
    missing = {found: text for found, text in hook().items() if found != name}
    with pytest.raises(crypto.BadSignature, match="0 times"):
        check_webhook(pairs(missing), BODY, keys=[KEYS["ed25519"]], now=NOW)
    with pytest.raises(crypto.BadSignature, match="2 times"):
        check_webhook([*pairs(hook()), (name.encode(), b"x")], BODY, keys=[KEYS["ed25519"]], now=NOW)


def test_a_flood_of_signatures_is_not_tried() -> None:
    headers = hook()
    headers["webhook-signature"] = " ".join([headers["webhook-signature"]] * (SIGNATURES_MAX + 1))
    with pytest.raises(crypto.BadSignature, match="more than"):
        check_webhook(pairs(headers), BODY, keys=[KEYS["ed25519"]], now=NOW)


@given(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text("v1a,. 07AQ=é\n", max_size=40)
)
def test_arbitrary_headers_only_raise_bad_signature(name: str, text: str) -> None:
    with pytest.raises(crypto.BadSignature):
        check_webhook(pairs(hook() | {name: text}), BODY, keys=list(KEYS.values()), now=NOW)


def test_receivers_get_keys_in_the_form_of_the_specification() -> None:
    assert key_text(KEYS["ed25519"]) == f"whpk_{base64.b64encode(KEYS['ed25519'].raw).decode()}"
    assert key_text(KEYS["sm2-sm3"]) == KEYS["sm2-sm3"].text()
