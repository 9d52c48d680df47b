"""One-place mutations of Python source: every place and what it becomes, as text, so that nothing else changes."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
SILENT = ("log", "logger", "logging")
"""Objects whose calls only tell somebody something: taking one away is no mutation of what is computed."""


@dataclass(frozen=True)
class Mutant:
    """A source file with one place changed."""

    operator: str
    """`comparison`, `arithmetic`, `boolean`, `not`, `number`, `truth`, `condition`, `call`, `statement` or `return`."""
    line: int
    column: int
    before: str
    after: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every one-place mutation, in the order of the file.

    Left alone are docstrings and other texts, annotations, the bounds and descriptions of config fields, imports, and
    what is inside an f-string.
    """
    tree = ast.parse(source)
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    whole = source.encode()
    for operator, node, text in _changes(tree):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        before = whole[begin:end].decode()
        changed = (whole[:begin] + text.encode() + whole[end:]).decode()
        yield Mutant(operator, node.lineno, node.col_offset, " ".join(before.split()), " ".join(text.split()), changed)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    for child in _inside(node):
        if isinstance(child, ast.expr):
            yield from _of_expression(child)
        elif isinstance(child, ast.stmt):
            yield from _of_statement(child)
        yield from _changes(child)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that may be changed."""
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_params"):
            continue
        if name == "keywords" and isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Field":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _of_expression(node: ast.expr) -> Iterator[tuple[str, ast.expr, str]]:
    match node:
        case ast.Compare(ops=[one]) if type(one) in COMPARISONS:
            yield "comparison", node, _text(ast.Compare(node.left, [COMPARISONS[type(one)]()], node.comparators))
        case ast.BinOp(op=one) if type(one) in ARITHMETIC and not _is_text(node):
            yield "arithmetic", node, _text(ast.BinOp(node.left, ARITHMETIC[type(one)](), node.right))
        case ast.BoolOp(op=one):
            other = ast.Or() if isinstance(one, ast.And) else ast.And()
            yield "boolean", node, _text(ast.BoolOp(other, node.values))
        case ast.UnaryOp(op=ast.Not()):
            yield "not", node, _text(node.operand)
        case ast.UnaryOp(op=ast.USub()):
            yield "arithmetic", node, _text(node.operand)
        case ast.Constant(value=bool()):
            yield "truth", node, str(not node.value)
        case ast.Constant(value=int()):
            yield "number", node, str(node.value + 1)
        case ast.Constant(value=float()):
            yield "number", node, repr(node.value * 1.5 if node.value else 1.0)
        case ast.IfExp():
            yield "condition", node, _text(ast.IfExp(_negated(node.test), node.body, node.orelse))
        case ast.Call(func=ast.Name(id=name)) if name in CALLS:
            yield "call", node, _text(ast.Call(ast.Name(CALLS[name]), node.args, node.keywords))


def _of_statement(node: ast.stmt) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    match node:
        case ast.If() | ast.While():
            if getattr(node.test, "id", "") != "TYPE_CHECKING":  # imports are left alone
                yield "condition", node.test, _text(_negated(node.test))
        case ast.Expr(value=ast.Call() as call) if not _tells(call):
            yield "statement", node, "pass"
        case ast.Raise() | ast.AugAssign():
            yield "statement", node, "pass"
        case ast.Continue():
            yield "statement", node, "break"
        case ast.Break():
            yield "statement", node, "continue"
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "return", node, "return None"


def _negated(test: ast.expr) -> ast.expr:
    return (
        test.operand if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) else ast.UnaryOp(ast.Not(), test)
    )


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(ast.fix_missing_locations(node))})"


def _is_text(node: ast.BinOp) -> bool:
    """Whether an operand is a text, so that the other operator would only be an error of types."""
    return any(
        isinstance(side, ast.JoinedStr | ast.List | ast.Tuple) or _literal_text(side)
        for side in (node.left, node.right)
    )


def _literal_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def _tells(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") in SILENT
