"""The OpenAPI 3.1 document, written from the table of routes: complete enough to generate a client from.

Each status of each route lists the codes that it may carry. Texts have patterns, numbers have bounds, and a body may
hold nothing that is not described (`additionalProperties: false`).
"""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import msgspec

from suyuan.base.refusals import TEXTS, Reason
from suyuan.faces.http import answers
from suyuan.faces.http.notices import HTML, MARKDOWN, NoticeWish
from suyuan.faces.http.routes import ENDPOINTS, QUERY, Endpoint, Lets
from suyuan.privacy.notice import Content
from suyuan.settle.body import schema_pattern

_REF = "#/components/schemas/{name}"
_ANYWHERE = (Reason.route_is_unknown, Reason.method_is_not_allowed)

_IN_PATH = re.compile(r"\{(\w+)\}")
_TEXT = {"type": "string"}
_PROVEN_NUMBER = {
    "provenNumber": {"type": "http", "scheme": "bearer", "description": "The token that `/v1/number-proofs` gives."}
}

_DESCRIPTION = """Requests are signed by RFC 9421 (profile `suyuan-v1`) or in the dialect shaped like WeChat Pay v3.
Answers are signed with the platform's key and repeat the request's nonce (`suyuan-answer-v1`). Money is in fen,
instants are in microseconds since 1970. Refusals are RFC 9457 problem documents with a stable `code`."""

_HEADERS = {
    "Signature-Input": "What is signed, and the parameters created, keyid, nonce and tag.",
    "Signature": "The signature, as RFC 9421 writes it.",
    "Content-Digest": "SHA-256 of the body, as RFC 9530 writes it.",
    "Idempotency-Key": "One for each act, kept when it is retried: 1 to 255 visible ASCII characters.",
}


def document(origin: str) -> dict[str, Any]:
    """The whole document, for a platform at this origin."""
    types: list[type] = [answers.Problem, answers.Health, answers.PlatformShown, Content]
    types += [kind for each in ENDPOINTS for kind in (each.answer, each.body) if kind is not None]
    _, schemas = msgspec.json.schema_components(list(dict.fromkeys(types)), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    paths["/v1/health"] = {"get": _open_operation("Tell whether the platform is ready", answers.Health, away=True)}
    paths["/v1/platform"] = {"get": _open_operation("Show the platform's origin and keys", answers.PlatformShown)}
    paths["/v1/privacy-notice"] = {"get": _notice_operation()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "suyuan", "version": version("suyuan"), "description": _DESCRIPTION},
        "servers": [{"url": origin}],
        "paths": paths,
        "components": {"schemas": _plain(schemas), "headers": _answer_headers(), "securitySchemes": _PROVEN_NUMBER},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": endpoint.summary.lower().replace(" ", "_"),
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint.query), *_header_parameters(endpoint)],
        "responses": {str(endpoint.status): _answered(endpoint.answer), **_refused(endpoint.reasons)},
    }
    operation |= _security(endpoint)
    if endpoint.status == 202 and endpoint.lets is Lets.SIGNED:
        operation["responses"]["202"]["headers"]["Location"] = {"schema": {"type": "string"}}
    if endpoint.body is not None:
        schema = {"$ref": _REF.format(name=endpoint.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _open_operation(summary: str, answer: type, *, away: bool = False) -> dict[str, Any]:
    reasons = (Reason.platform_has_a_fault, *((Reason.platform_is_starting,) if away else ()))
    return {
        "summary": summary,
        "operationId": summary.lower().replace(" ", "_").replace("'", ""),
        "responses": {"200": _answered(answer), **_refused(reasons)},
    }


def _notice_operation() -> dict[str, Any]:
    """The notice's very bytes for machines, and a page for people."""
    operation = _open_operation("Show the privacy notice", Content)
    answered = operation["responses"]["200"]
    answered["content"] |= {kind.decode(): {"schema": {"type": "string"}} for kind in (HTML, MARKDOWN)}
    answered["headers"] |= {"Notice-Version": {"schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}}
    operation["responses"] |= _refused((Reason.platform_has_a_fault, *QUERY))
    operation["parameters"] = _query_parameters(NoticeWish)
    return operation


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = _IN_PATH.findall(endpoint.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(query: type[msgspec.Struct] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    _, schemas = msgspec.json.schema_components([query])
    (schema,) = _plain(schemas).values()
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": _no_null(described)}
        for name, described in schema["properties"].items()
    ]


def _no_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: a parameter is there or not."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    return dict(choices[0]) if choices else schema


def _header_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.lets is Lets.ANYBODY:
        return []
    names = list(_HEADERS) if endpoint.method == "POST" else ["Signature-Input", "Signature"]
    is_required = endpoint.lets is Lets.SIGNED
    # OpenAPI lets no parameter be called Authorization, so the other way in is told by a security scheme.
    return [
        {"name": name, "in": "header", "required": is_required, "description": _HEADERS[name], "schema": _TEXT}
        for name in names
    ]


def _security(endpoint: Endpoint) -> dict[str, Any]:
    """A token of a proven number stands for all the signature's headers."""
    return {"security": [{}, {"provenNumber": []}]} if endpoint.lets is Lets.PROVEN else {}


def _answered(kind: type) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name=kind.__name__)}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in ("Signature-Input", "Signature")}
    return {
        "description": (kind.__doc__ or "").partition("\n")[0],
        "headers": headers,
        "content": {"application/json": {"schema": schema}},
    }


def _refused(reasons: tuple[Reason, ...]) -> dict[str, Any]:
    """Each status, with the codes that come with it in their order of precedence."""
    by_status: dict[int, list[Reason]] = {}
    for reason in (reason for reason in Reason if reason in {*reasons, *_ANYWHERE}):
        by_status.setdefault(TEXTS[reason].status, []).append(reason)
    return {str(status): _problems(found) for status, found in sorted(by_status.items())}


def _problems(reasons: list[Reason]) -> dict[str, Any]:
    codes = {"properties": {"code": {"enum": [reason.value for reason in reasons]}}}
    schema = {"allOf": [{"$ref": _REF.format(name="Problem")}, codes]}
    return {
        "description": " ".join(f"`{reason.value}`: {TEXTS[reason].en}" for reason in reasons),
        "content": {"application/problem+json": {"schema": schema}},
    }


def _answer_headers() -> dict[str, Any]:
    return {
        name: {"description": f"{name} of the answer, by the profile suyuan-answer-v1.", "schema": {"type": "string"}}
        for name in ("Signature-Input", "Signature")
    }


def _plain(schema: Any) -> Any:
    """The schema with its patterns as JSON Schema writes them."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: schema_pattern(item) if name == "pattern" and isinstance(item, str) else _plain(item)
        for name, item in schema.items()
    }
