"""From the text of an expression to its typed tree.

1. Tokens: only lower-case words, decimal numbers, names of lists in quotes, and the signs of the language pass; so
   attributes, floats, other scripts and escapes never come further. Unicode look-alikes end here, before Python's
   parser would fold them into ASCII.
2. Nesting: parentheses are counted before anybody recurses into them.
3. Syntax: Python's own parser.
4. Types: its tree is rebuilt node by node into `tree`, and what has no counterpart there is refused. Nothing of the
   text is ever executed; the forms are generated from the typed tree, in which names have become places.

>>> from suyuan.risk.policy.names import names_of
>>> scope = Scope(names_of(()).spans, {"hot_cards": ("card",)})
>>> read_expression("face_fen >= 500_00 and 2 <= hour < 6", scope)
And(parts=(Comparison(relation='>=', left=Name(name='face_fen'), right=Number(value=50000)), \
Comparison(relation='<=', left=Number(value=2), right=Name(name='hour')), \
Comparison(relation='<', left=Name(name='hour'), right=Number(value=6))))
>>> read_expression("().__class__", scope)
Traceback (most recent call last):
    ...
suyuan.risk.policy.parse.BadExpression: expression_is_not_allowed
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from suyuan.risk.policy.mistakes import nearest, shown
from suyuan.risk.policy.names import INT64_MAX, INT64_MIN, Span
from suyuan.risk.policy.texts import Text, Wrong
from suyuan.risk.policy.tree import (
    And,
    Arithmetic,
    Comparison,
    Listed,
    Membership,
    Missing,
    Name,
    Negative,
    Not,
    Number,
    Numeric,
    Or,
    Relation,
    Sign,
    Truth,
)

LENGTH_MAX = 4_000
DEPTH_MAX = 12

_TOKEN = re.compile(
    r"""[ \t\n]+|\d[\d_]*(?![\w.])|[a-z][a-z0-9_]*(?!\w)|"[a-z][a-z0-9_]*"|'[a-z][a-z0-9_]*'|//|[<>=!]=|[-+*%<>(),]""",
    re.ASCII,
)
_PIECE = re.compile(r"[\w.]+|\S", re.DOTALL)
_SIGNS: dict[type[ast.operator], Sign] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%",
}  # fmt: skip
_RELATIONS: dict[type[ast.cmpop], Relation] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_ALLOWED = Text(
    'whole numbers, names, + - * // %, comparisons, and, or, not, in (…), missing(name), listed("list", key)',
    '整数、名称、+ - * // %、比较、and、or、not、in (…)、missing(名称)、listed("名单", 键)',
)
_NUMBER, _TRUTH = Text("a number", "数值"), Text("a yes or no", "是非判断")
_NAME, _LIST_NAME = Text("a name", "名称"), Text("the name of a list in quotes", "带引号的名单名")
_CONSTANTS = Text("constants in parentheses", "括号内的常数")
_SOMETHING_ELSE = Text("something else", "其他内容")
_COMPARE_IT = Text("compare it, as in `{it} == 1`", "请写成比较，例如 `{it} == 1`")
_NO_TRUTHS = Text("yes and no cannot be counted; join them with and, or", "是非判断不能参与计算，请用 and、or 连接")
_SEE_FORM = Text("write it as docs/policy.md shows", "写法见 docs/policy.md")


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may name: inputs with their spans, and the keys by which each list has entries."""

    spans: Mapping[str, Span]
    lists: Mapping[str, tuple[str, ...]]


class BadExpression(Exception):
    """Raised for the first thing that is wrong with an expression; `line` counts from 1 within it."""

    def __init__(self, wrong: Wrong, line: int = 1, **parts: str | int | Text) -> None:
        super().__init__(wrong.value)
        self.wrong, self.line, self.parts = wrong, line, parts


def read_expression(text: str, scope: Scope) -> Truth:
    """The typed tree of an expression. Raises `BadExpression`."""
    if len(text) > LENGTH_MAX:
        raise BadExpression(Wrong.expression_is_too_large, most=LENGTH_MAX)
    _check_tokens(text)
    # Parentheses around it let an expression go on over lines.
    parsed = _parsed(f"(\n{text}\n)")
    return _Reader(text, scope).truth(parsed, 1)


def _check_tokens(text: str) -> None:
    at = nested = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        line = 1 + text.count("\n", 0, at)
        if not token:
            piece = shown(_piece(text, at))
            raise BadExpression(Wrong.expression_is_not_allowed, line, shown=piece, allowed=_ALLOWED)
        word = token.group()
        nested += (word == "(") - (word == ")")
        if nested > 2 * DEPTH_MAX:
            raise BadExpression(Wrong.expression_is_too_deep, line, most=DEPTH_MAX)
        if nested < 0:
            raise BadExpression(Wrong.expression_is_malformed, line, why="unmatched ')'")
        at = token.end()


def _piece(text: str, at: int) -> str:
    found = _PIECE.match(text, at)
    return found.group() if found else text[at]


def _parsed(text: str) -> ast.expr:
    try:
        # What Python only warns about, such as `1 is 1`, has no counterpart in the typed tree and is refused there.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        why = shown(error.msg.split(". Perhaps", maxsplit=1)[0])
        raise BadExpression(Wrong.expression_is_malformed, max(1, (error.lineno or 2) - 1), why=why) from None
    except (MemoryError, RecursionError):
        raise BadExpression(Wrong.expression_is_too_deep, most=DEPTH_MAX) from None


class _Reader:
    """Rebuilds Python's tree as a typed one; its lines begin one later, for the parenthesis that was put around."""

    def __init__(self, text: str, scope: Scope) -> None:
        self._source = f"(\n{text}\n)"
        self._scope = scope

    def truth(self, node: ast.expr, depth: int) -> Truth:
        self._check_depth(node, depth)
        match node:
            case ast.BoolOp(op=operator, values=values):
                kind = And if isinstance(operator, ast.And) else Or
                return kind(_flat(kind, [self.truth(value, depth + 1) for value in values]))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.truth(operand, depth + 1))
            case ast.Compare():
                return self._compared(node, depth)
            case ast.Call(func=ast.Name(id="missing"), args=[ast.Name(id=name)], keywords=[]):
                return Missing(self._known(name, node))
            case ast.Call(func=ast.Name(id="listed"), args=[ast.Constant(value=str(name)), ast.Name(id=key)]):
                return self._listed(name, key, node)
            case ast.Call(func=ast.Name(id="missing")):
                raise self._mistyped(node.args[0] if node.args else node, _SOMETHING_ELSE, _NAME, _SEE_FORM)
            case ast.Call(func=ast.Name(id="listed")):
                raise self._mistyped(node.args[0] if node.args else node, _SOMETHING_ELSE, _LIST_NAME, _SEE_FORM)
        self.number(node, depth)  # What is not even a number is refused as that.
        it = self._text_of(node)
        hint = Text(_COMPARE_IT.en.format(it=it), _COMPARE_IT.zh.format(it=it))
        raise self._mistyped(node, _NUMBER, _TRUTH, hint)

    def number(self, node: ast.expr, depth: int) -> Numeric:
        self._check_depth(node, depth)
        match node:
            case ast.Constant(value=int(value)):
                return Number(self._within(value, node))
            case ast.Name(id=name):
                return Name(self._known(name, node))
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
                return Number(self._within(-value, node))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.number(operand, depth + 1)
                return Number(self._within(-inner.value, node)) if isinstance(inner, Number) else Negative(inner)
            case ast.BinOp(op=operator) if type(operator) in _SIGNS:
                return self._calculated(node, _SIGNS[type(operator)], depth)
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                raise self._mistyped(node, _TRUTH, _NUMBER, _NO_TRUTHS)
            case ast.Call(func=ast.Name(id="missing" | "listed")):
                raise self._mistyped(node, _TRUTH, _NUMBER, _NO_TRUTHS)
        raise self._not_allowed(node)

    def _compared(self, node: ast.Compare, depth: int) -> Truth:
        if any(isinstance(operator, ast.In | ast.NotIn) for operator in node.ops):
            return self._membership(node, depth)
        if any(type(operator) not in _RELATIONS for operator in node.ops):
            raise self._not_allowed(node)
        numbers = [self.number(part, depth + 1) for part in (node.left, *node.comparators)]
        pairs = tuple(
            Comparison(_RELATIONS[type(operator)], numbers[place], numbers[place + 1])
            for place, operator in enumerate(node.ops)
        )
        return pairs[0] if len(pairs) == 1 else And(pairs)

    def _membership(self, node: ast.Compare, depth: int) -> Truth:
        members = node.comparators[0]
        if len(node.ops) > 1 or not isinstance(members, ast.Tuple) or not members.elts:
            raise self._mistyped(members, _SOMETHING_ELSE, _CONSTANTS, _SEE_FORM)
        numbers = [self.number(member, depth + 1) for member in members.elts]
        constants = tuple(number.value for number in numbers if isinstance(number, Number))
        if len(constants) < len(numbers):
            raise self._mistyped(members, _SOMETHING_ELSE, _CONSTANTS, _SEE_FORM)
        return Membership(self.number(node.left, depth + 1), constants, isinstance(node.ops[0], ast.In))

    def _calculated(self, node: ast.BinOp, sign: Sign, depth: int) -> Numeric:
        left, right = self.number(node.left, depth + 1), self.number(node.right, depth + 1)
        if sign in ("//", "%") and right == Number(0):
            raise BadExpression(Wrong.divides_by_zero, self._line(node), shown=self._text_of(node))
        if isinstance(left, Number) and isinstance(right, Number):
            return Number(self._within(EXACT[sign](left.value, right.value), node))
        return Arithmetic(sign, left, right)

    def _listed(self, name: str, key: str, node: ast.expr) -> Listed:
        keys = self._scope.lists.get(name)
        if keys is None:
            near = nearest(name, list(self._scope.lists))
            raise BadExpression(Wrong.list_is_unknown, self._line(node), name=shown(name), near=near)
        if key not in keys:
            raise BadExpression(
                Wrong.list_is_not_about_this, self._line(node), name=name, key=shown(key), keys=", ".join(keys)
            )
        return Listed(name, key)

    def _known(self, name: str, node: ast.expr) -> str:
        if name not in self._scope.spans:
            near = nearest(name, list(self._scope.spans))
            raise BadExpression(Wrong.name_is_unknown, self._line(node), name=shown(name), near=near)
        return name

    def _within(self, value: int, node: ast.expr) -> int:
        if not INT64_MIN <= value <= INT64_MAX:
            raise BadExpression(Wrong.number_is_too_large, self._line(node), shown=self._text_of(node))
        return value

    def _check_depth(self, node: ast.expr, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise BadExpression(Wrong.expression_is_too_deep, self._line(node), most=DEPTH_MAX)

    def _mistyped(self, node: ast.expr, found: Text, wanted: Text, hint: Text) -> BadExpression:
        it = self._text_of(node)
        return BadExpression(Wrong.type_is_wrong, self._line(node), shown=it, found=found, wanted=wanted, hint=hint)

    def _not_allowed(self, node: ast.expr) -> BadExpression:
        shown_text = self._text_of(node)
        return BadExpression(Wrong.expression_is_not_allowed, self._line(node), shown=shown_text, allowed=_ALLOWED)

    def _line(self, node: ast.expr) -> int:
        return max(1, node.lineno - 1)

    def _text_of(self, node: ast.expr) -> str:
        return shown(" ".join((ast.get_source_segment(self._source, node) or "").split()))


def _flat(kind: type[And | Or], parts: list[Truth]) -> tuple[Truth, ...]:
    """Parts in one row: what is joined by the same word inside of them is joined here already."""
    rows = (part.parts if isinstance(part, And | Or) and type(part) is kind else (part,) for part in parts)
    return tuple(part for row in rows for part in row)


EXACT: dict[Sign, Callable[[int, int], int]] = {
    "+": int.__add__, "-": int.__sub__, "*": int.__mul__, "//": int.__floordiv__, "%": int.__mod__,
}  # fmt: skip
