"""A time-stamping authority that everybody can have: `openssl ts` behind a real HTTP server, well-behaved or not.

The path of a request says how the authority answers it, so one server plays all of them.
"""

from __future__ import annotations

import datetime
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
STAMPING, SERVING = ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.SERVER_AUTH
REPLY = "application/timestamp-reply"

_CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
{accuracy}
ess_cert_id_alg = sha256
"""


class Held(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """An authority's files in a folder: `ca.pem`, and for each signer `<name>.pem` and `<name>.key`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ca = certified("Test CA", None, usage=None)
        self._keep("ca", ca)
        self._keep("between", between := certified("Test CA between", ca, usage=None))
        self._keep("tsa", certified("Test TSA", ca))
        self._keep("deep", certified("Test TSA of the one between", between))
        self._keep("old", certified("Test TSA of old", ca, ended=True))
        self._keep("web", web := certified("web server", ca, usage=SERVING))
        # A stranger's certificate with the name of our CA and the serial of a certificate that is not for stamping.
        stranger = certified("Test CA", None, usage=None)
        self._keep("twin", certified("web server", stranger, serial=web.certificate.serial_number, key=web.key))
        self._keep("foreign", certified("Test TSA", stranger))
        (folder / "serial").write_text("01\n")
        for name, digests, accuracy in (
            ("good", "sha256", "accuracy = secs:1"),
            ("vague", "sha256", ""),
            ("no", "sha512", ""),
            ("sm3", "sm3", ""),
        ):
            text = _CONFIG.format(folder=folder, digests=digests, accuracy=accuracy)
            (folder / f"{name}.cnf").write_text(text)

    @property
    def roots(self) -> bytes:
        return (self.folder / "ca.pem").read_bytes()

    def _keep(self, name: str, held: Held) -> None:
        (self.folder / f"{name}.pem").write_bytes(held.certificate.public_bytes(serialization.Encoding.PEM))
        encoded = held.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / f"{name}.key").write_bytes(encoded)

    def reply(self, query: bytes, *, signer: str = "tsa", config: str = "good", chain: str = "") -> bytes:
        """What `openssl ts` answers."""
        (self.folder / "query").write_bytes(query)
        more = ["-chain", f"{chain}.pem"] if chain else []
        self.openssl(
            "ts", "-reply", "-config", f"{config}.cnf", "-section", "here", "-queryfile", "query", "-out", "answer",
            "-signer", f"{signer}.pem", "-inkey", f"{signer}.key", *more,
        )  # fmt: skip
        return (self.folder / "answer").read_bytes()

    def asked_in_sm3(self, query: bytes) -> bytes:
        """A query about the same 32 bytes, as if they were an SM3 digest."""
        self.openssl("ts", "-query", "-digest", query[24:56].hex(), "-sm3", "-cert", "-out", "national")
        return (self.folder / "national").read_bytes()

    def forged(self, honest: bytes) -> bytes:
        """The content of an honest answer, signed by a web server's key that shows its twin's certificate beside."""
        (self.folder / "honest").write_bytes(honest)
        self.openssl("ts", "-reply", "-in", "honest", "-token_out", "-out", "token")
        self.openssl("cms", "-verify", "-in", "token", "-inform", "DER", "-noverify", "-binary", "-out", "content")
        self.openssl(
            "cms", "-sign", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-signer", "web.pem", "-inkey", "web.key",
            "-certfile", "twin.pem", "-binary", "-nodetach", "-in", "content", "-outform", "DER", "-out", "forged",
            "-md", "sha256", "-cades",
        )  # fmt: skip
        token = (self.folder / "forged").read_bytes()
        return b"\x30\x82" + (len(token) + 5).to_bytes(2, "big") + bytes.fromhex("3003020100") + token

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


def certified(
    name: str,
    by: Held | None,
    *,
    usage: x509.ObjectIdentifier | None = STAMPING,
    ended: bool = False,
    serial: int | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Held:
    """A certificate of today, or of a year ago. One without usage is an authority's own."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    begins, ends = (now - 400 * DAY, now - 30 * DAY) if ended else (now - 500 * DAY, now + 500 * DAY)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(by.certificate.subject if by else named)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return Held(builder.sign(by.key if by else key, hashes.SHA256()), key)


@contextmanager
def served(authority: Authority) -> Iterator[str]:
    """The address at which the authority answers, in as many ways as there are paths."""
    at = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            assert self.headers["content-type"] == "application/timestamp-query"
            with at:
                status, kind, answer = answered(authority, self.path.strip("/"), query)
            if status == 0:
                released.wait()
                return
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(answer)))
            self.send_header("location", "/good")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        released.set()
        server.shutdown()
        serving.join()
        server.server_close()


def answered(authority: Authority, how: str, query: bytes) -> tuple[int, str, bytes]:
    """Status, content type and content, as this path has them."""
    # The query's bytes are our own, so digest and nonce lie where they always do.
    other_digest = query[:24] + bytes([query[24] ^ 1]) + query[25:]
    other_nonce = query[:-4] + bytes([query[-4] ^ 1]) + query[-3:]
    page = b"<html>Log in to the hotel's network"
    answers: dict[str, Callable[[], tuple[int, str, bytes]]] = {
        "html": lambda: (200, "text/html", page),
        "html-in-disguise": lambda: (200, REPLY, page),
        "fails": lambda: (503, REPLY, authority.reply(query)),
        "redirects": lambda: (307, REPLY, authority.reply(query)),
        "silent": lambda: (0, REPLY, b""),
        "torn": lambda: (200, REPLY, authority.reply(query)[:-7]),
        "endless": lambda: (200, REPLY, authority.reply(query) + bytes(70_000)),
        "floods": lambda: (200, REPLY, bytes(2 << 20)),
        "other-digest": lambda: (200, REPLY, authority.reply(other_digest)),
        "other-nonce": lambda: (200, REPLY, authority.reply(other_nonce)),
        "old": lambda: (200, REPLY, authority.reply(query, signer="old")),
        "foreign": lambda: (200, REPLY, authority.reply(query, signer="foreign")),
        "deep": lambda: (200, REPLY, authority.reply(query, signer="deep")),
        "unsorted": lambda: (200, REPLY, authority.reply(query, signer="deep", chain="between")),
        "forged": lambda: (200, REPLY, authority.forged(authority.reply(query))),
        "no": lambda: (200, REPLY, authority.reply(query, config="no")),
        "sm3": lambda: (200, REPLY, authority.reply(authority.asked_in_sm3(query), config="sm3")),
        "vague": lambda: (200, REPLY, authority.reply(query, config="vague")),
        "good": lambda: (200, f"{REPLY}; charset=binary", authority.reply(query)),
    }
    return answers[how]()
