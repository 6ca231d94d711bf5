"""Strict request bodies: one JSON object whose every field means what it says, or the reason why not.

Types are the schema: a body is a `msgspec.Struct` with `forbid_unknown_fields=True`, whose texts have a `form`. A good
body costs one decoding and one scan. A bad one is read a second time, slowly, to find the reason that stands first in
`refusals`, and the field (`where`), never its value.

Stricter than JSON asks: a field that stands twice is refused, because two readers would see two bodies; so are NaN,
floats for whole numbers, lone surrogates, and texts that end in a line break where the form does not. (`$` lets one
through in Python, so forms end in `\\\\Z`; `schema_pattern` gives the `$` that JSON Schema means.)
What a contract says – payee, merchant id, channel, ratio, value kind – cannot be asked for, at any depth, and each has
its own refusal, because those are the words of the known attacks.

>>> class Wish(msgspec.Struct, forbid_unknown_fields=True):
...     pin: Annotated[str, form("[0-9]{4}", length_max=4)]
>>> reader = Reader(Wish)
>>> reader.read(b'{"pin":"1234"}').pin
'1234'
>>> reader.read(b'{"pin":"1234\\\\n"}').code, reader.read(b'{"pin":"1234","ratio":{"face":1}}').code
('field_is_out_of_range', 'ratio_cannot_be_asked_for')
>>> reader.read(b'{"pin":"1234","pin":"4321"}')
Refusal(reason=<Reason.body_field_is_doubled: 'body_field_is_doubled'>, where='pin')
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, get_type_hints
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import inspect

from suyuan.base.refusals import Reason, Refusal
from suyuan.privacy.classes import Privacy

__all__ = ["Annotated", "Reader", "SellerName", "form", "schema_pattern"]

T = TypeVar("T", bound=msgspec.Struct)

_ORDER = {reason: place for place, reason in enumerate(Reason)}
_NAMES = re.compile(rb'"([^"\\]*)"\s*:')
# Only a name that looks like one is repeated to the caller; a PIN put in a field's place is not.
_SAYABLE = re.compile(r"[a-z][a-z_]{0,39}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS = re.compile("[0-9]+", re.ASCII)
QUERY_FIELDS_MAX = 16
_WHOLE_DIGITS_MAX = 30
_FAR = 10**_WHOLE_DIGITS_MAX

_NOT_TO_BE_ASKED_FOR = {
    name: reason
    for reason, names in {
        Reason.payee_cannot_be_asked_for: "payee payee_account payee_id account account_no bank_account bank_card",
        Reason.merchant_id_cannot_be_asked_for: "merchant merchant_id merchant_no mchid mch_id sub_mchid",
        Reason.channel_cannot_be_asked_for: "channel payout_channel payment_channel pay_channel",
        Reason.ratio_cannot_be_asked_for: "ratio ratio_face ratio_value rate exchange_rate discount",
        Reason.value_kind_cannot_be_asked_for: "value_kind value_type kind cash coupon points",
    }.items()
    for name in names.split()
}


def form(pattern: str, *, length_max: int) -> msgspec.Meta:
    """The form of a text: the whole of it fits the pattern. The length is checked first, so no pattern runs long."""
    return msgspec.Meta(pattern=rf"^(?:{pattern})\Z", min_length=1, max_length=length_max)


SellerName: TypeAlias = Annotated[str, form("slr_[0-9A-Za-z_-]+", length_max=64), Privacy.PSEUDONYM]
"""The name by which the platform and a partner know a seller; it is made up, and says nothing of the person."""


def schema_pattern(pattern: str) -> str:
    """The same pattern as JSON Schema writes it, whose `$` matches nothing but the end."""
    return pattern.removesuffix(r"\Z") + "$" if pattern.endswith(r"\Z") else pattern


class Reader(Generic[T]):
    """Reads bodies of one kind."""

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._numbers = {name for name, hint in get_type_hints(kind).items() if "int" in str(hint)}

    def read(self, body: bytes) -> T | Refusal:
        """The body, or the first reason against it. Never raises."""
        try:
            value = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return explain(body, self.kind) or Refusal(Reason.body_is_not_json)
        if _is_clearly_single(body):
            return value
        return explain(body, self.kind) or value

    def read_query(self, target_uri: str) -> T | Refusal:
        """The same for the query of an address, whose values are texts and, where the field is one, whole numbers."""
        try:
            pairs = parse_qsl(urlsplit(target_uri).query, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
        except ValueError:
            return Refusal(Reason.field_is_unknown, "query")
        texts = dict(pairs)
        if len(texts) < len(pairs):
            return Refusal(Reason.body_field_is_doubled, "query")
        value = {name: _number(text) if name in self._numbers else text for name, text in texts.items()}
        refusal = _first_finding(value, self.kind)
        return refusal or msgspec.convert(value, self.kind)


def _number(text: str) -> int | str:
    return _whole(text) if _DIGITS.fullmatch(text) else text


def _is_clearly_single(body: bytes) -> bool:
    """Whether no field can stand twice. Without a backslash a text holds no quote, so the scan sees every name."""
    if b"\\" in body:
        return False
    names = _NAMES.findall(body)
    return len(set(names)) == len(names)


def explain(body: bytes, kind: type[msgspec.Struct]) -> Refusal | None:
    """The first reason against a body, in the order of `refusals`; None where it is good."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return Refusal(Reason.body_is_not_utf8)
    doubled: list[str] = []
    try:
        value = json.loads(
            text, object_pairs_hook=lambda pairs: _object(pairs, doubled), parse_constant=_refuse, parse_int=_whole
        )
    except (ValueError, RecursionError):
        return Refusal(Reason.body_is_not_json)
    if not isinstance(value, dict):
        return Refusal(Reason.body_is_not_json)
    if doubled:
        return Refusal(Reason.body_field_is_doubled, _sayable("", doubled[0]))
    return _first_finding(value, kind)


def _first_finding(value: dict[str, Any], kind: type[msgspec.Struct]) -> Refusal | None:
    findings = [*_asked_for(value, _known_names(kind)), *_findings(value, _type_of(kind), "")]
    return min(findings, key=lambda refusal: _ORDER[refusal.reason], default=None)


@lru_cache
def _type_of(kind: type[msgspec.Struct]) -> inspect.Type:
    return inspect.type_info(kind)


@lru_cache
def _known_names(kind: type[msgspec.Struct]) -> frozenset[str]:
    """What this body may say by right, such as a registration its payee."""
    return frozenset(kind.__struct_fields__)


def _object(pairs: list[tuple[str, Any]], doubled: list[str]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        doubled += [name for name in found if names.count(name) > 1]
    return found


def _refuse(_constant: str) -> object:
    raise ValueError("NaN and infinities are not JSON")


def _whole(digits: str) -> int:
    # Reading a number of many digits takes time that grows with their square.
    return int(digits) if len(digits) <= _WHOLE_DIGITS_MAX else _FAR


def _asked_for(value: Any, known: frozenset[str]) -> Iterator[Refusal]:
    """The fields, at any depth, in which somebody asks for what the contract says."""
    if isinstance(value, list):
        for item in value:
            yield from _asked_for(item, frozenset())
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        reason = _NOT_TO_BE_ASKED_FOR.get(name.lower().replace("-", "_"))
        if reason is not None and name not in known:
            yield Refusal(reason, _sayable("", name))
        yield from _asked_for(inner, frozenset())


def _findings(value: Any, wanted: inspect.Type, where: str) -> Iterator[Refusal]:
    """What is wrong with a value, against its type."""
    match wanted:
        case inspect.Metadata():
            yield from _findings(value, wanted.type, where)
        case inspect.StructType():
            yield from _struct_findings(value, wanted, where)
        case inspect.UnionType():
            yield from _union_findings(value, wanted, where)
        case inspect.IntType():
            yield from _int_findings(value, wanted, where)
        case inspect.StrType():
            yield from _text_findings(value, wanted, where)
        case _:
            if not (isinstance(wanted, inspect.BoolType) and isinstance(value, bool)):
                yield Refusal(Reason.field_has_the_wrong_type, where)


def _struct_findings(value: Any, wanted: inspect.StructType, where: str) -> Iterator[Refusal]:
    if not isinstance(value, dict):
        yield Refusal(Reason.field_has_the_wrong_type, where)
        return
    fields: Mapping[str, inspect.Field] = {field.encode_name: field for field in wanted.fields}
    for name in value.keys() - fields.keys() - {wanted.tag_field}:
        yield Refusal(Reason.field_is_unknown, _sayable(where, name))
    for name, field in fields.items():
        if name in value:
            yield from _findings(value[name], field.type, _sayable(where, name))
        elif field.required:
            yield Refusal(Reason.field_is_missing, _sayable(where, name))


def _union_findings(value: Any, wanted: inspect.UnionType, where: str) -> Iterator[Refusal]:
    structs = [choice for choice in wanted.types if isinstance(choice, inspect.StructType)]
    others = [choice for choice in wanted.types if not isinstance(choice, inspect.StructType | inspect.NoneType)]
    if value is None and wanted.includes_none:
        return
    if not structs or not isinstance(value, dict):
        yield from _findings(value, (others or structs)[0], where)
        return
    tag_field = structs[0].tag_field or ""
    chosen = [choice for choice in structs if choice.tag == value.get(tag_field)]
    if len(structs) == 1 or chosen:
        yield from _findings(value, (chosen or structs)[0], where)
    elif tag_field not in value:
        yield Refusal(Reason.field_is_missing, _sayable(where, tag_field))
    else:
        is_text = isinstance(value[tag_field], str)
        reason = Reason.field_is_malformed if is_text else Reason.field_has_the_wrong_type
        yield Refusal(reason, _sayable(where, tag_field))


def _int_findings(value: Any, wanted: inspect.IntType, where: str) -> Iterator[Refusal]:
    # A bool is an int to Python and not to anybody who sends one.
    if type(value) is not int:
        yield Refusal(Reason.field_has_the_wrong_type, where)
    elif (wanted.ge is not None and value < wanted.ge) or (wanted.le is not None and value > wanted.le):
        yield Refusal(Reason.field_is_out_of_range, where)


def _text_findings(value: Any, wanted: inspect.StrType, where: str) -> Iterator[Refusal]:
    if not isinstance(value, str):
        yield Refusal(Reason.field_has_the_wrong_type, where)
    elif not (wanted.min_length or 0) <= len(value) <= (wanted.max_length or len(value)):
        yield Refusal(Reason.field_is_out_of_range, where)
    elif _SURROGATE.search(value) or not re.search(wanted.pattern or "", value):
        yield Refusal(Reason.field_is_malformed, where)


def _sayable(where: str, name: str) -> str:
    if not _SAYABLE.fullmatch(name):
        return where
    return f"{where}.{name}" if where else name
