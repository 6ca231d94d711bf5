"""Every refusal of the platform: one closed list, in the order in which they are looked for.

A refusal is a sentence with a stable code, in English and Chinese, that says what to do next. Where several apply,
the one that stands first here is given. `docs/refusals.md` is written from this list.

>>> refusal = Refusal(Reason.daily_limit_is_reached, where="seller")
>>> refusal.code, refusal.status
('daily_limit_is_reached', 403)
>>> refusal.sentence("zh")
'今日额度已用完（seller），请在上海时间零点之后再试，或申请提高额度。'
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

Language = Literal["en", "zh"]


class Reason(StrEnum):
    """Codes in order of precedence; `TEXTS` holds their HTTP status and sentences in the same order."""

    # The door: is there anybody to ask?
    route_is_unknown = "route_is_unknown"
    method_is_not_allowed = "method_is_not_allowed"
    body_is_too_large = "body_is_too_large"
    body_came_too_slowly = "body_came_too_slowly"
    header_is_too_large = "header_is_too_large"
    header_is_doubled = "header_is_doubled"
    header_is_malformed = "header_is_malformed"
    content_type_is_not_json = "content_type_is_not_json"
    # The signature, from its form to its truth.
    signature_is_missing = "signature_is_missing"
    signature_header_is_malformed = "signature_header_is_malformed"
    signature_covers_too_little = "signature_covers_too_little"
    signature_is_for_another_purpose = "signature_is_for_another_purpose"
    nonce_is_malformed = "nonce_is_malformed"
    idempotency_key_is_missing = "idempotency_key_is_missing"
    idempotency_key_is_malformed = "idempotency_key_is_malformed"
    signature_is_too_old = "signature_is_too_old"
    signature_is_from_the_future = "signature_is_from_the_future"
    signature_has_expired = "signature_has_expired"
    key_is_unknown = "key_is_unknown"
    key_is_not_active = "key_is_not_active"
    key_is_used_from_another_address = "key_is_used_from_another_address"
    signature_algorithm_is_not_the_keys = "signature_algorithm_is_not_the_keys"
    content_digest_is_wrong = "content_digest_is_wrong"
    signature_is_wrong = "signature_is_wrong"
    # The body, from bytes to meaning.
    body_is_not_utf8 = "body_is_not_utf8"
    body_is_not_json = "body_is_not_json"
    body_field_is_doubled = "body_field_is_doubled"
    payee_cannot_be_asked_for = "payee_cannot_be_asked_for"
    merchant_id_cannot_be_asked_for = "merchant_id_cannot_be_asked_for"
    channel_cannot_be_asked_for = "channel_cannot_be_asked_for"
    ratio_cannot_be_asked_for = "ratio_cannot_be_asked_for"
    value_kind_cannot_be_asked_for = "value_kind_cannot_be_asked_for"
    field_is_unknown = "field_is_unknown"
    field_is_missing = "field_is_missing"
    field_has_the_wrong_type = "field_has_the_wrong_type"
    field_is_out_of_range = "field_is_out_of_range"
    field_is_malformed = "field_is_malformed"
    # What the privacy law asks before anything is done: who is old enough, and what a person was shown.
    seller_is_a_child = "seller_is_a_child"
    seller_is_too_young = "seller_is_too_young"
    notice_is_incomplete = "notice_is_incomplete"
    notice_is_not_current = "notice_is_not_current"
    # The platform itself.
    platform_is_busy = "platform_is_busy"
    platform_is_starting = "platform_is_starting"
    answer_is_not_known_yet = "answer_is_not_known_yet"
    platform_has_a_fault = "platform_has_a_fault"
    # The line: does this request act, and does it act once?
    request_was_replayed = "request_was_replayed"
    idempotency_key_was_used_for_another_request = "idempotency_key_was_used_for_another_request"
    platform_is_stopped = "platform_is_stopped"
    # Who asks, for whom, under which contract.
    key_is_stopped = "key_is_stopped"
    key_may_not_do_this = "key_may_not_do_this"
    partner_is_unknown = "partner_is_unknown"
    partner_is_suspended = "partner_is_suspended"
    partner_is_stopped = "partner_is_stopped"
    agent_is_unknown = "agent_is_unknown"
    seller_is_unknown = "seller_is_unknown"
    seller_is_registered_already = "seller_is_registered_already"
    seller_is_suspended = "seller_is_suspended"
    subject_has_unfinished_business = "subject_has_unfinished_business"
    subject_is_held = "subject_is_held"
    subject_is_not_forgotten_yet = "subject_is_not_forgotten_yet"
    device_is_not_the_sellers = "device_is_not_the_sellers"
    contract_is_unknown = "contract_is_unknown"
    contract_is_not_in_force = "contract_is_not_in_force"
    channel_is_stopped = "channel_is_stopped"
    source_is_not_the_contracts = "source_is_not_the_contracts"
    payee_is_not_verified = "payee_is_not_verified"
    # The card.
    card_kind_is_stopped = "card_kind_is_stopped"
    card_kind_is_unknown = "card_kind_is_unknown"
    card_serial_is_malformed = "card_serial_is_malformed"
    card_pin_is_malformed = "card_pin_is_malformed"
    card_face_is_not_offered = "card_face_is_not_offered"
    card_was_sold_before = "card_was_sold_before"
    card_secret_is_wrong = "card_secret_is_wrong"
    # The money.
    payout_is_too_small = "payout_is_too_small"
    payout_is_not_the_expected_one = "payout_is_not_the_expected_one"
    transaction_limit_is_reached = "transaction_limit_is_reached"
    step_up_is_needed = "step_up_is_needed"
    daily_limit_is_reached = "daily_limit_is_reached"
    rolling_limit_is_reached = "rolling_limit_is_reached"
    # The person's own agreement.
    consent_is_needed = "consent_is_needed"
    consent_is_not_given = "consent_is_not_given"
    consent_was_refused = "consent_was_refused"
    # Proof of face for a higher limit.
    face_check_was_not_passed = "face_check_was_not_passed"
    face_check_is_not_available = "face_check_is_not_available"
    step_up_was_granted_before = "step_up_was_granted_before"
    # Reading.
    redemption_is_unknown = "redemption_is_unknown"
    voucher_is_not_ready = "voucher_is_not_ready"
    cursor_is_malformed = "cursor_is_malformed"
    # Officers of the platform: two people for contracts, ratios and keys.
    officer_is_unknown = "officer_is_unknown"
    officer_signature_is_wrong = "officer_signature_is_wrong"
    proposal_is_unknown = "proposal_is_unknown"
    proposal_is_closed = "proposal_is_closed"
    proposal_needs_a_second_person = "proposal_needs_a_second_person"
    proposal_is_impossible = "proposal_is_impossible"
    switch_was_turned_since = "switch_was_turned_since"
    # Officers who read personal data.
    officer_signature_is_too_old = "officer_signature_is_too_old"
    read_is_not_allowed = "read_is_not_allowed"
    warrant_is_not_in_force = "warrant_is_not_in_force"
    warrant_does_not_name_this = "warrant_does_not_name_this"
    # Papers: whether a file can be taken, and whether one may leave.
    paper_is_too_large = "paper_is_too_large"
    paper_is_empty = "paper_is_empty"
    photo_format_is_not_taken = "photo_format_is_not_taken"
    photo_has_too_many_pixels = "photo_has_too_many_pixels"
    photo_is_more_than_one = "photo_is_more_than_one"
    paper_is_torn = "paper_is_torn"
    subject_is_closed = "subject_is_closed"
    paper_is_unknown = "paper_is_unknown"
    paper_file_is_missing = "paper_file_is_missing"
    # Officers who give personal data away: to whom, how much of it, and beyond the border.
    reads_alone_are_used_up = "reads_alone_are_used_up"
    recipient_is_unknown = "recipient_is_unknown"
    recipient_is_not_in_force = "recipient_is_not_in_force"
    foreign_authority_is_referred = "foreign_authority_is_referred"
    export_is_not_allowed = "export_is_not_allowed"
    export_names_nobody = "export_names_nobody"
    transfer_needs_a_contract = "transfer_needs_a_contract"
    transfer_needs_an_assessment = "transfer_needs_an_assessment"
    separate_consent_is_missing = "separate_consent_is_missing"
    disclosure_cap_is_reached = "disclosure_cap_is_reached"
    export_is_unknown = "export_is_unknown"
    export_needs_a_third_person = "export_needs_a_third_person"
    export_is_another_officers = "export_is_another_officers"
    export_was_made_already = "export_was_made_already"
    export_has_expired = "export_has_expired"
    export_has_more_rows = "export_has_more_rows"
    # Answers of the world to work that was promised already.
    redemption_is_settled_already = "redemption_is_settled_already"
    payout_is_under_way = "payout_is_under_way"


class Text(NamedTuple):
    """What a refusal says: the HTTP status, then the sentence in both languages."""

    status: int
    en: str
    zh: str


# fmt: off
# One entry is one line of English above one of Chinese, so that the two can be read side by side.
TEXTS: dict[Reason, Text] = {
    Reason.route_is_unknown: Text(404, "There is nothing at this address; look the path up in /openapi.json.",
        "没有这个地址，请在 /openapi.json 中查对路径。"),
    Reason.method_is_not_allowed: Text(405, "This address does not take this method; use one that the Allow header names.",
        "此地址不接受这种方法，请使用 Allow 头列出的方法。"),
    Reason.body_is_too_large: Text(413, "The body is too large; send one redemption in at most 16 KiB.",
        "请求体过大，请每次只提交一笔兑换，不超过 16 KiB。"),
    Reason.body_came_too_slowly: Text(408, "The body did not arrive in time; send the request again in one piece.",
        "请求体未在限定时间内送达，请一次性重新发送。"),
    Reason.header_is_too_large: Text(431, "A header is too large; shorten it to at most 2 KiB.",
        "请求头过长，请缩短到 2 KiB 以内。"),
    Reason.header_is_doubled: Text(400, "A header stands twice and could be read two ways; send it once.",
        "同一请求头出现两次，含义不明，请只发送一次。"),
    Reason.header_is_malformed: Text(400, "A header is not readable ASCII text; write it as the specification says.",
        "请求头不是可读的 ASCII 文本，请按规范填写。"),
    Reason.content_type_is_not_json: Text(415, "The body is not declared as JSON; send Content-Type: application/json.",
        "请求体未声明为 JSON，请发送 Content-Type: application/json。"),
    Reason.signature_is_missing: Text(401, "The request is not signed; sign it with your registered key.",
        "请求没有签名，请用已登记的密钥签名。"),
    Reason.signature_header_is_malformed: Text(401, "The signature headers cannot be read; build them as the signing profile says.",
        "签名头无法解析，请按签名规范生成。"),
    Reason.signature_covers_too_little: Text(401, "The signature leaves a part of the request open; cover every component the profile names.",
        "签名未覆盖请求的全部必需部分，请覆盖规范列出的每个组成。"),
    Reason.signature_is_for_another_purpose: Text(401, "The signature's tag names another purpose; sign with the tag of this profile.",
        "签名的 tag 属于其他用途，请使用本规范的 tag。"),
    Reason.nonce_is_malformed: Text(401, "The nonce is missing or weak; send 16 to 32 random bytes in base64url.",
        "随机数缺失或过弱，请发送 16 至 32 个随机字节（base64url）。"),
    Reason.idempotency_key_is_missing: Text(400, "A write needs an Idempotency-Key; choose one for each act and keep it when you retry.",
        "写操作需要 Idempotency-Key，每笔操作取一个，重试时保持不变。"),
    Reason.idempotency_key_is_malformed: Text(400, "The Idempotency-Key is not 1 to 255 visible ASCII characters; choose another.",
        "Idempotency-Key 应为 1 至 255 个可见 ASCII 字符，请另取一个。"),
    Reason.signature_is_too_old: Text(401, "The signature is older than five minutes; set your clock and sign again.",
        "签名已超过五分钟，请校准时钟后重新签名。"),
    Reason.signature_is_from_the_future: Text(401, "The signature's time lies in the future; set your clock and sign again.",
        "签名时间在未来，请校准时钟后重新签名。"),
    Reason.signature_has_expired: Text(401, "The signature has passed the expiry that it names itself; sign again.",
        "签名已超过其自行注明的有效期，请重新签名。"),
    Reason.key_is_unknown: Text(401, "No such key is registered; check the key id.",
        "没有登记这个密钥，请检查密钥编号。"),
    Reason.key_is_not_active: Text(401, "This key does not sign yet or any more; sign with an active key.",
        "此密钥尚未启用或已停用，请使用有效密钥签名。"),
    Reason.key_is_used_from_another_address: Text(403, "This key is bound to other network addresses; send from a registered one.",
        "此密钥绑定了其他网络地址，请从已登记的地址发送。"),
    Reason.signature_algorithm_is_not_the_keys: Text(401, "The header names an algorithm that is not the key's; leave it out or name the key's own.",
        "签名头写明的算法与密钥不符，请省略或填写密钥自身的算法。"),
    Reason.content_digest_is_wrong: Text(400, "The Content-Digest does not belong to this body; compute it over the bytes you send.",
        "Content-Digest 与请求体不符，请按实际发送的字节计算。"),
    Reason.signature_is_wrong: Text(401, "The signature does not fit the request; check the key and the signed bytes.",
        "签名与请求不符，请检查密钥和签名内容。"),
    Reason.body_is_not_utf8: Text(400, "The body is not UTF-8 text; encode it again.",
        "请求体不是 UTF-8 文本，请重新编码。"),
    Reason.body_is_not_json: Text(400, "The body is not one JSON object; check its syntax.",
        "请求体不是一个 JSON 对象，请检查语法。"),
    Reason.body_field_is_doubled: Text(400, "A field stands twice and could be read two ways; send it once.",
        "同一字段出现两次，含义不明，请只发送一次。"),
    Reason.payee_cannot_be_asked_for: Text(403, "The payee is the seller's registered account and cannot be asked for; leave the field out.",
        "收款账户以卖卡人登记的账户为准，不能在请求中指定，请删除该字段。"),
    Reason.merchant_id_cannot_be_asked_for: Text(403, "The merchant id is the contract's and cannot be asked for; leave the field out.",
        "商户号以合同为准，不能在请求中指定，请删除该字段。"),
    Reason.channel_cannot_be_asked_for: Text(403, "The payout channel is the contract's and cannot be asked for; leave the field out.",
        "支付通道以合同为准，不能在请求中指定，请删除该字段。"),
    Reason.ratio_cannot_be_asked_for: Text(403, "The ratio is the contract's and cannot be asked for; leave the field out.",
        "兑换比例以合同为准，不能在请求中指定，请删除该字段。"),
    Reason.value_kind_cannot_be_asked_for: Text(403, "The value kind is the contract's and cannot be asked for; leave the field out.",
        "兑换的价值种类以合同为准，不能在请求中指定，请删除该字段。"),
    Reason.field_is_unknown: Text(400, "The body has a field that nothing here needs; leave it out.",
        "请求体含有不需要的字段，请删除。"),
    Reason.field_is_missing: Text(400, "A field is missing; send every field the schema requires.",
        "缺少字段，请填写规范要求的全部字段。"),
    Reason.field_has_the_wrong_type: Text(400, "A field has the wrong type; amounts are whole numbers of fen, texts are strings.",
        "字段类型不对，金额为整数（分），文本为字符串。"),
    Reason.field_is_out_of_range: Text(400, "A field is too small, too large or too long; keep to the bounds of the schema.",
        "字段超出范围，请遵守规范给出的上下限。"),
    Reason.field_is_malformed: Text(400, "A field is not written in its form; look the form up in the schema.",
        "字段格式不对，请按规范的格式填写。"),
    Reason.seller_is_a_child: Text(403, "The person is under 14, whose data takes a guardian's consent that is not offered here; do not send it again.",
        "该人未满十四周岁，须由监护人另行同意，本平台不提供此服务，请勿再次提交。"),
    Reason.seller_is_too_young: Text(403, "The person is too young to trade here; come back when they are of the age that the platform asks for.",
        "该人未达到平台要求的年龄，请在达到年龄后再办理。"),
    Reason.notice_is_incomplete: Text(503, "The privacy notice does not say yet who is responsible, so nobody can agree to it; ask the platform to complete it.",
        "隐私声明尚未载明个人信息处理者，无法据此取得同意，请联系平台补全。"),
    Reason.notice_is_not_current: Text(409, "The person was shown another privacy notice than the present one; fetch /v1/privacy-notice, show it and ask anew.",
        "所出示的隐私声明不是现行版本，请从 /v1/privacy-notice 取得现行声明并重新征求同意。"),
    Reason.platform_is_busy: Text(429, "The platform has more work than it can queue; nothing was done, try again in a second.",
        "平台繁忙，请求未执行，请一秒后重试。"),
    Reason.platform_is_starting: Text(503, "The platform is starting or changing its leader; nothing was done, try again in a few seconds.",
        "平台正在启动或切换，请求未执行，请几秒后重试。"),
    Reason.answer_is_not_known_yet: Text(503, "The connection broke while the platform decided; send the same request with the same Idempotency-Key.",
        "平台处理时连接中断，结果未知，请用相同的 Idempotency-Key 重发同一请求。"),
    Reason.platform_has_a_fault: Text(500, "The platform made a mistake and did nothing; tell its operator the time of this request.",
        "平台内部错误，请求未执行，请将请求时间告知平台运营方。"),
    Reason.request_was_replayed: Text(409, "This signed request was seen before; to retry, sign anew with the same Idempotency-Key.",
        "此签名请求已出现过，如需重试，请保持 Idempotency-Key 并重新签名。"),
    Reason.idempotency_key_was_used_for_another_request: Text(409, "This Idempotency-Key belongs to a different request; choose a new one for a new act.",
        "此 Idempotency-Key 已用于另一笔请求，新操作请另取一个。"),
    Reason.platform_is_stopped: Text(503, "The operator has stopped all redemptions; ask the platform when it opens again.",
        "平台已暂停全部兑换，请向平台咨询恢复时间。"),
    Reason.key_is_stopped: Text(403, "This key was stopped at once; ask the platform why before using another.",
        "此密钥已被紧急停用，请先向平台了解原因。"),
    Reason.key_may_not_do_this: Text(403, "This key is not enrolled for this act; use the partner's or the seller's own key.",
        "此密钥无权执行该操作，请使用合作方或卖卡人自己的密钥。"),
    Reason.partner_is_unknown: Text(403, "No such partner is registered; check the partner id.",
        "没有登记这个合作方，请检查合作方编号。"),
    Reason.partner_is_suspended: Text(403, "The partner is suspended; ask the platform for the reason and the remedy.",
        "合作方已被暂停，请向平台了解原因和补救办法。"),
    Reason.partner_is_stopped: Text(403, "The partner was stopped at once; ask the platform when it opens again.",
        "合作方已被紧急停用，请向平台咨询恢复时间。"),
    Reason.agent_is_unknown: Text(404, "No such agent is registered with this partner; check the agent id.",
        "该合作方没有登记这个代理，请检查代理编号。"),
    Reason.seller_is_unknown: Text(404, "No such seller is registered with this partner; register the seller first.",
        "该合作方没有登记这个卖卡人，请先登记。"),
    Reason.seller_is_registered_already: Text(409, "A seller with this id is registered already; use it or choose another id.",
        "该编号的卖卡人已登记，请直接使用或另取编号。"),
    Reason.seller_is_suspended: Text(403, "The seller is suspended; the seller may appeal to the platform.",
        "卖卡人已被暂停，可向平台申诉。"),
    Reason.subject_has_unfinished_business: Text(409, "Money of this person is still on its way or owed, so their data is kept; settle that first, then ask again.",
        "该人仍有款项在途或未结清，相关数据须保留，请结清后再申请。"),
    Reason.subject_is_held: Text(409, "A case keeps this person's data from being deleted; lift the hold when the case is over.",
        "因案件保全，该人数据暂不能删除，请在案件结束后解除保全。"),
    Reason.subject_is_not_forgotten_yet: Text(409, "This person's data is closed but not deleted yet; see when it is due with suyuan admin seller forgotten.",
        "该人数据已封闭但尚未删除，可用 suyuan admin seller forgotten 查看到期时间。"),
    Reason.device_is_not_the_sellers: Text(403, "This device is not bound to the seller; bind it with a face check first.",
        "该设备未绑定此卖卡人，请先通过人脸核验绑定。"),
    Reason.contract_is_unknown: Text(404, "The partner has no such contract; check the contract id.",
        "合作方没有这份合同，请检查合同编号。"),
    Reason.contract_is_not_in_force: Text(403, "The contract has not begun or has ended; use one that is in force.",
        "合同尚未生效或已经终止，请使用有效合同。"),
    Reason.channel_is_stopped: Text(503, "The payout channel is stopped; nothing was taken, try again when it opens.",
        "支付通道已停用，未扣减任何额度，请待恢复后再试。"),
    Reason.source_is_not_the_contracts: Text(403, "The contract does not take this source; send the kind of card or balance it names.",
        "合同不接受这种来源，请提交合同约定的卡或话费余额。"),
    Reason.payee_is_not_verified: Text(403, "The seller has no verified account for this kind of value; verify one first.",
        "卖卡人没有经过核验的对应账户，请先完成核验。"),
    Reason.card_kind_is_stopped: Text(503, "This kind of card is stopped at present; keep the card and try again later.",
        "该类卡目前停止回收，请保留卡片稍后再试。"),
    Reason.card_kind_is_unknown: Text(422, "This operator or kind of card is not recycled here; check the operator's code.",
        "不回收该运营商或该类卡，请检查运营商代码。"),
    Reason.card_serial_is_malformed: Text(422, "The serial does not have this operator's form; type it again from the card.",
        "卡号不符合该运营商的格式，请对照卡面重新输入。"),
    Reason.card_pin_is_malformed: Text(422, "The PIN does not have this operator's form; type it again from the card.",
        "卡密不符合该运营商的格式，请对照卡面重新输入。"),
    Reason.card_face_is_not_offered: Text(422, "This operator issues no card of this face value; check the amount.",
        "该运营商没有这种面值的卡，请核对金额。"),
    Reason.card_was_sold_before: Text(409, "This card was sold here before; a card becomes money once.",
        "此卡已在本平台出售过，一张卡只能兑换一次。"),
    Reason.card_secret_is_wrong: Text(422, "The operator does not know this serial and PIN; check both, the card was not taken.",
        "运营商不认可此卡号和卡密，请核对，卡片未被收取。"),
    Reason.payout_is_too_small: Text(422, "At this ratio the payout would be nothing; sell a larger amount.",
        "按此比例兑付金额为零，请出售更大面额。"),
    Reason.payout_is_not_the_expected_one: Text(409, "The contract's ratio gives another payout than you expect; read the contract and ask again.",
        "按合同比例计算的金额与预期不同，请核对合同后重新提交。"),
    Reason.transaction_limit_is_reached: Text(403, "One redemption may not be this large; sell a smaller card or ask for a higher tier.",
        "超过单笔限额，请出售较小面额或申请提高等级。"),
    Reason.step_up_is_needed: Text(403, "Your present limit is used up; pass a face check to raise it for today.",
        "当前额度已用完，请通过人脸核验提高今日额度。"),
    Reason.daily_limit_is_reached: Text(403, "Today's limit is used up; try again after midnight in Shanghai or ask for a higher limit.",
        "今日额度已用完，请在上海时间零点之后再试，或申请提高额度。"),
    Reason.rolling_limit_is_reached: Text(403, "The limit of the last 24 hours is used up; try again later.",
        "近 24 小时额度已用完，请稍后再试。"),
    Reason.consent_is_needed: Text(403, "The seller has not agreed to this; show the privacy notice and post the answer to /v1/consents, or ask for a manual check.",
        "尚未取得卖卡人对此事项的同意，请出示隐私声明并将其答复提交至 /v1/consents，或申请人工办理。"),
    Reason.consent_is_not_given: Text(409, "There is no consent that could be withdrawn; list the seller's consents at /v1/consents.",
        "没有可撤回的同意，请在 /v1/consents 查看该卖卡人的同意记录。"),
    Reason.consent_was_refused: Text(403, "The seller has refused this lately and may not be asked again yet; only the seller's own key can still agree.",
        "卖卡人近期已拒绝，暂不得再次征求，仅可由其本人密钥主动同意。"),
    Reason.face_check_was_not_passed: Text(403, "The face check was not passed; try again in better light or ask for a manual check.",
        "人脸核验未通过，请在光线良好处重试或申请人工核验。"),
    Reason.face_check_is_not_available: Text(503, "The face check does not answer at present; your limit is unchanged, try again later.",
        "人脸核验暂不可用，额度未变，请稍后再试。"),
    Reason.step_up_was_granted_before: Text(409, "The limit was raised already today; it cannot be raised twice.",
        "今日已提高过额度，不能重复提高。"),
    Reason.redemption_is_unknown: Text(404, "There is no such redemption of yours; check its id.",
        "没有您的这笔兑换，请检查编号。"),
    Reason.voucher_is_not_ready: Text(409, "The redemption is not paid yet, so there is no voucher; ask again later.",
        "兑换尚未付款，暂无凭证，请稍后再取。"),
    Reason.cursor_is_malformed: Text(400, "The cursor is not one that this list gave; start again without it.",
        "游标无效，请不带游标重新开始。"),
    Reason.officer_is_unknown: Text(403, "No such officer is registered; check the officer id.",
        "没有登记这位操作员，请检查编号。"),
    Reason.officer_signature_is_wrong: Text(403, "The officer's signature does not fit; sign with the officer's own key.",
        "操作员签名不符，请使用本人的密钥签名。"),
    Reason.proposal_is_unknown: Text(404, "There is no such proposal; list the open ones.",
        "没有这项提案，请查看待批提案列表。"),
    Reason.proposal_is_closed: Text(409, "The proposal was decided already; propose anew if it is still needed.",
        "提案已处理，如仍需要请重新提出。"),
    Reason.proposal_needs_a_second_person: Text(403, "Who proposes may not approve; ask a second officer.",
        "提案人不能自己批准，请由第二位操作员批准。"),
    Reason.proposal_is_impossible: Text(422, "The change cannot be made as things stand; correct it and propose anew.",
        "按现状无法执行此变更，请更正后重新提出。"),
    Reason.switch_was_turned_since: Text(409, "The switch was turned since you looked; look at it again, then decide.",
        "该开关在您查看之后已被操作，请重新查看后再决定。"),
    Reason.officer_signature_is_too_old: Text(403, "The officer's signature is not from the last five minutes; set the clock and sign again.",
        "操作员签名不在最近五分钟之内，请校准时钟后重新签名。"),
    Reason.read_is_not_allowed: Text(403, "No registered purpose allows this read; name a purpose, a reference and at most 1,000 subjects.",
        "没有登记的目的允许这样读取，请写明目的、事由，且对象不超过 1,000 个。"),
    Reason.warrant_is_not_in_force: Text(403, "No such warrant is in force; enter the order and have a second officer approve it.",
        "没有生效的调取文书，请先录入并由第二位操作员批准。"),
    Reason.warrant_does_not_name_this: Text(403, "The warrant does not name this subject or field; read only what it lists.",
        "调取文书未列明该对象或字段，请仅读取其列明的内容。"),
    Reason.paper_is_too_large: Text(413, "A paper has at most 20 MiB; photograph or scan it in a lower resolution.",
        "文件不得超过 20 MiB，请降低分辨率后重新拍摄或扫描。"),
    Reason.paper_is_empty: Text(422, "The file is empty; choose the file that holds the paper.",
        "文件为空，请选择正确的文件。"),
    Reason.photo_format_is_not_taken: Text(415, "This kind of paper is a JPEG or PNG photo, and a shop's may be a PDF; save it as one, whatever its name says.",
        "此类材料须为 JPEG 或 PNG 照片（门店材料也可为 PDF），请另存为这些格式，文件名后缀不作数。"),
    Reason.photo_has_too_many_pixels: Text(413, "A photo has at most 50 million pixels; save it smaller.",
        "照片不得超过五千万像素，请缩小后保存。"),
    Reason.photo_is_more_than_one: Text(422, "The file holds several pictures or moves; save one still photo.",
        "文件含有多张图片或动画，请保存为单张静态照片。"),
    Reason.paper_is_torn: Text(422, "The file cannot be read to its end; copy it again from where it was taken.",
        "文件无法完整读取，请从拍摄或扫描设备重新复制。"),
    Reason.subject_is_closed: Text(403, "This person's data is only stored, or being forgotten, so it is left alone; an authority's order may still open it.",
        "该人信息仅作存储或正在被遗忘，不再使用，仅主管机关依法调取时可打开。"),
    Reason.paper_is_unknown: Text(404, "There is no such paper any more; list the papers that are kept.",
        "没有这份材料或已删除，请查看现存材料列表。"),
    Reason.paper_file_is_missing: Text(500, "The paper's sealed file is not in the data folder; restore the folder papers from its backup.",
        "该材料的密封文件不在数据目录中，请从备份恢复 papers 目录。"),
    Reason.reads_alone_are_used_up: Text(403, "One officer alone may see no more items of this kind this year than are left; leave the field out, or propose an export that others agree to.",
        "单人本年度可查看的该类信息余量不足，请去掉该字段，或提出须他人同意的导出。"),
    Reason.recipient_is_unknown: Text(404, "No such recipient is registered; propose one, with its contract and its key.",
        "没有登记这个接收方，请先提议登记其合同与密钥。"),
    Reason.recipient_is_not_in_force: Text(403, "The recipient's contract ends before this, or has ended; renew it as a new recipient.",
        "接收方的合同已经终止或早于所需期限，请以新的接收方重新登记。"),
    Reason.foreign_authority_is_referred: Text(403, "No personal data goes to a court or authority abroad (个人信息保护法 2021, art. 41); refer it to the competent authority in China.",
        "不得向境外司法或者执法机构提供个人信息（个人信息保护法 2021 第41条），请转由境内主管机关处理。"),
    Reason.export_is_not_allowed: Text(403, "The purpose does not allow this export to this recipient; choose a purpose, columns and sellers that fit each other.",
        "该目的不允许向此接收方作这样的导出，请选择相符的目的、列和卖卡人。"),
    Reason.export_names_nobody: Text(422, "Nobody is left whose data may be opened; name others, or close the request.",
        "没有可以提供信息的对象，请另行指定，或结束该请求。"),
    Reason.transfer_needs_a_contract: Text(403, "So much personal data abroad needs a standard contract or a certification; file one and register the recipient with it.",
        "出境的个人信息达到须订立标准合同或通过认证的数量，请办理后连同文号重新登记接收方。"),
    Reason.transfer_needs_an_assessment: Text(403, "So much personal data abroad needs a security assessment; apply for it and register the recipient with its number.",
        "出境的个人信息达到须申报安全评估的数量，请申报通过后连同文号重新登记接收方。"),
    Reason.separate_consent_is_missing: Text(403, "Data goes abroad only with each person's separate consent for this recipient; ask them first, or leave them out.",
        "向境外提供须取得本人对该接收方的单独同意，请先征得同意，或去掉相关人员。"),
    Reason.disclosure_cap_is_reached: Text(403, "A yearly counter of disclosures has only so much left; leave such columns out, name fewer people, or wait for the new year.",
        "年度披露计数仅余所示数量，请去掉该类列、减少人数，或等待新年度。"),
    Reason.export_is_unknown: Text(404, "There is no such export; list them.",
        "没有这项导出，请查看导出列表。"),
    Reason.export_needs_a_third_person: Text(403, "This export goes beyond half of a cap; a third officer, who neither asked nor approved, must agree first.",
        "该导出超过年度上限的一半，须由既非申请人也非批准人的第三位操作员同意。"),
    Reason.export_is_another_officers: Text(403, "Only the officer who asked for this export makes it; ask that officer.",
        "只有申请该导出的操作员可以制作，请由其本人操作。"),
    Reason.export_was_made_already: Text(409, "The export was made already; use that file, or propose another export.",
        "该导出已经制作，请使用该文件，或另行提出导出。"),
    Reason.export_has_expired: Text(409, "The export was not made within a day of its approval; propose it anew if it is still needed.",
        "该导出未在批准后一日内制作，如仍需要请重新提出。"),
    Reason.export_has_more_rows: Text(409, "The export has more rows than were approved; propose it anew with a larger number.",
        "导出的行数超过批准的数量，请以更大的数量重新提出。"),
    Reason.redemption_is_settled_already: Text(409, "The redemption has gone past this step; read its state.",
        "该兑换已过此步骤，请查询其状态。"),
    Reason.payout_is_under_way: Text(409, "The payout is under way and its end not known yet; try again once it is.",
        "付款正在进行，结果未知，请待结果明确后重试。"),
}
# fmt: on


class Refusal(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Why something was not done. `where` names the field or subject concerned, never its value."""

    reason: Reason
    where: str = ""

    @property
    def code(self) -> str:
        """The stable code, for programs."""
        return self.reason.value

    @property
    def status(self) -> int:
        """The HTTP status that fits."""
        return TEXTS[self.reason].status

    def sentence(self, language: Language) -> str:
        """The sentence for people, with the place named before its first stop."""
        text = TEXTS[self.reason].en if language == "en" else TEXTS[self.reason].zh
        if not self.where:
            return text
        head, mark, tail = _first_clause(text, language)
        place = f" ({self.where})" if language == "en" else f"（{self.where}）"
        return f"{head}{place}{mark}{tail}"


def _first_clause(text: str, language: Language) -> tuple[str, str, str]:
    marks = ";,." if language == "en" else "，。"
    at = min(text.index(mark) for mark in marks if mark in text)
    return text[:at], text[at], text[at + 1 :]
