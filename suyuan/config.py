"""The settings of a platform: one frozen record, each with its unit and the decision that needs it.

They stand in `suyuan.toml` in the data folder; what is missing there has the default below. A name that is unknown or a
value of the wrong type stops the start with a sentence, because a setting that silently does nothing is a trap.

>>> parse_settings(Path("/var/lib/suyuan"), 'port = 9000').port
9000
>>> parse_settings(Path("/var/lib/suyuan"), 'prot = 9000')
Traceback (most recent call last):
    ...
suyuan.config.BadSettings: suyuan.toml: Object contains unknown field `prot`
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from suyuan.privacy.disclosure import CAPS, DisclosureCaps, ItemClass
from suyuan.privacy.retention import RetentionRules, load_rules

FILE = "suyuan.toml"


class BadSettings(Exception):
    """Raised when the settings cannot be read; its text names the setting."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that an operator of a platform may choose."""

    data: Path
    """Where this platform keeps its database, keys, socket and logs."""
    database_url: str = ""
    """A PostgreSQL of yours (15 or newer). Empty: the embedded one in the data folder."""
    host: str = "127.0.0.1"
    """The address on which the API listens. TLS belongs to a proxy in front."""
    port: int = 8620
    """The port on which the API listens; 0 lets the system choose."""
    origin: str = ""
    """The public address that callers sign, such as https://api.example.com. Empty: made of host and port."""
    workers: int = 1
    """How many API processes. One serves hundreds of redemptions a second."""
    standby: bool = False
    """Whether a second line process waits to take over."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose X-Forwarded-For is believed; anybody else could write any address there."""
    kms_url: str = ""
    """The address of an OpenBao or Vault whose transit engine keeps the KEK. Empty: it derives from keys/vault.key."""
    kms_key: str = "suyuan"
    """The transit key that is the KEK; made there, of an AEAD type, never exportable."""
    kms_mount: str = "transit"
    """Where the transit engine is mounted."""
    kms_namespace: str = ""
    """The namespace of the engine, where the KMS has namespaces."""
    kms_token_file: str = "keys/kms.token"
    """The file that holds the token, mode 0600; read at each call. Not absolute: in the data folder."""
    kms_ca_file: str = ""
    """PEM certificates to trust the KMS by. Empty: those of the system. Not absolute: in the data folder."""
    operators: dict[str, str] = {}
    """Each operator's code and the address of its interface."""
    channels: dict[str, str] = {}
    """Each payout channel's name and the address of its interface."""
    face_check_url: str = ""
    """The address of the face check. Empty: limits cannot be raised."""
    number_proof_url: str = ""
    """The address of the number proof. Empty: only who has a key can ask about their own data."""
    asks_about_secrets: tuple[str, ...] = ("telecom",)
    """The operators that are asked whether a PIN is valid before a card is taken; the others do not tell."""
    provider_deadline_s: float = 10.0
    """How long one call to a provider may take; after that its answer is unknown and asked for again."""
    completions_in_flight_max: int = 64
    """How many redemptions the completer finishes at a time."""
    housekeeping_s: float = 5.0
    """How often reversals are fetched, expired holds released, and retention terms ended."""
    aml_obliged: bool = False
    """Whether the Anti-Money-Laundering Law obliges this platform: sellers' data is then kept for ten years."""
    retention_days: dict[str, int] = {}
    """Other retention terms within the law, in days, by channel and category, such as "online.card_secret" = 45."""
    controller_name: str = ""
    """Who is responsible for personal data, as the privacy notice names them. Empty: nobody can give a consent."""
    controller_contact: str = ""
    """How people reach them: a telephone, an address, a mailbox. Empty: nobody can give a consent."""
    recipients: dict[str, str] = {}
    """The name and contact of each operator, channel and of the face check (`face_check`), as the notice lists them."""
    seller_age_min: Annotated[int, msgspec.Meta(ge=16, le=120)] = 18
    """How old a seller must be. 16 or 17 is for whoever can see that they live on work of their own."""
    log_name: str = ""
    """The public name of the log; a shard that has begun keeps its own. Empty: the public address and /log."""
    log_policy: str = ""
    """The tlog-policy file that names the witnesses and their quorum. Empty: none. Not absolute: in the data folder."""
    log_second_copies: str = ""
    """A folder, on another device, for a copy of the last checkpoint of each shard. Empty: only witnesses remember."""
    seal_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 1.0
    """How often new events are sealed into the log, at most."""
    tsa_url: str = ""
    """The address of a time-stamping authority (RFC 3161), which stamps bundles. Empty: none is asked."""
    tsa_ca_file: str = ""
    """PEM certificates to believe its stamps by. Not absolute: in the data folder."""
    witness_deadline_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 2.0
    """How long a witness may take to answer; after that it is silent, and asked again for the next checkpoint."""
    property_items_max: Annotated[int, msgspec.Meta(ge=0, le=CAPS[ItemClass.PROPERTY])] = CAPS[ItemClass.PROPERTY]
    """Items of property, location, communication or credit a year for each officer and recipient; only tighter."""
    trade_items_max: Annotated[int, msgspec.Meta(ge=0, le=CAPS[ItemClass.TRADE])] = CAPS[ItemClass.TRADE]
    """The same for items of trade, health or lodging."""
    other_items_max: Annotated[int, msgspec.Meta(ge=0, le=CAPS[ItemClass.OTHER])] = CAPS[ItemClass.OTHER]
    """The same for all other items of personal information."""

    @property
    def disclosure_caps(self) -> DisclosureCaps:
        """How much of personal data may be shown or given away a year."""
        return DisclosureCaps(self.property_items_max, self.trade_items_max, self.other_items_max)

    @property
    def retention_rules(self) -> RetentionRules:
        """How long personal data is kept here. Raises `BadRetention`."""
        return load_rules(aml_obliged=self.aml_obliged, days=self.retention_days)

    @property
    def public_origin(self) -> str:
        """What a signed target URI begins with."""
        return self.origin or f"http://{self.host}:{self.port}"

    @property
    def log_prefix(self) -> str:
        """What the names of the log's shards begin with: a URL without its scheme."""
        return self.log_name or self.public_origin.partition("://")[2] + "/log"

    @property
    def log_folder(self) -> Path:
        """Where the public log's files lie, which any static server may serve."""
        return self.data / "public-log"

    @property
    def log_copies(self) -> Path | None:
        """Where the last checkpoint of each shard is kept once more."""
        return self.data / self.log_second_copies if self.log_second_copies else None

    @property
    def line_socket(self) -> Path:
        """Where the line listens."""
        return self.data / "run" / "line.sock"

    @property
    def papers(self) -> Path:
        """Where the sealed files of papers lie."""
        return self.data / "papers"

    @property
    def risk_folder(self) -> Path:
        """Where the observer writes what the line starts from."""
        return self.data / "risk"

    @property
    def database_place(self) -> Path | str:
        """The URL, or the folder of the embedded server."""
        return self.database_url or self.data / "pg"


def parse_settings(data: Path, text: str) -> Settings:
    """The settings of a data folder. Raises `BadSettings`."""
    try:
        content = tomllib.loads(text)
        return msgspec.convert({**content, "data": data}, Settings, strict=True, dec_hook=_path)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadSettings(f"{FILE}: {error}") from None


def load_settings(data: Path) -> Settings:
    """Reads the settings of a data folder; without a file all have their defaults."""
    file = data / FILE
    return parse_settings(data.absolute(), file.read_text("utf-8") if file.exists() else "")


def _path(wanted: type, value: object) -> object:
    return Path(str(value)) if wanted is Path else value
