"""Do two answers say the same: values by name and unit, lists in any order, tuples in theirs, regions, equations.

Every comparison gives True, False, or None where it does not come to an end; None leaves the answer to other means.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from eval.verifiers.mathematics.equations import is_equation, same_equation
from eval.verifiers.mathematics.nodes import Node, has, is_scalar, number, renamed, variables, without_letter
from eval.verifiers.mathematics.reading import SAYINGS
from eval.verifiers.mathematics.regions import ORDERS, is_region, region, same_region
from eval.verifiers.mathematics.scalars import periodic, same_value, whole_letter
from eval.verifiers.mathematics.units import bare_unit, ratio

MOST_ITEMS = 64
"""Items of a list that are compared."""

MOST_SIGNS = 4
"""Plus-minus signs that are written out."""

COMPOSITE = "="
"""Name of a value whose name is a formula: fine for an answer, while a reference of that form is an equation."""


class Item(NamedTuple):
    """One value of an answer: the name it was given, the arguments of a function so named, the value, its unit."""

    name: str
    arguments: tuple[str, ...]
    node: Node
    unit: str


def same(gold: Node, answer: Node) -> bool | None:
    """Whether an answer says what the reference says; see the module's docstring."""
    gold, answer = (
        without_letter(SAYINGS.get(node[1], node) if node[0] == "text" else node) for node in (gold, answer)
    )
    found = _same(gold, answer)
    if found is True:
        return True
    first, second = _free(gold), _free(answer)
    old, new = whole_letter(second - first), whole_letter(first - second)
    if old and new and periodic(gold) and periodic(answer) and new not in second:
        return True if _same(gold, renamed(answer, {old: new})) else found
    if first - second == {"C"} and second - first <= {"c", "K", "k"} and second - first:  # a constant of integration
        return True if _same(gold, renamed(answer, {next(iter(second - first)): "C"})) else found
    return found


def hedges(gold: Node, answer: Node) -> bool:
    """Whether an answer gives several different values where the reference gives one."""
    if gold[0] in ("list", "set") or has(gold, "pm") or is_region(gold) or is_region(answer):
        return False
    items = next(_lists(answer))
    return len(items) > 1 and any(_same_item(items[0], one) is not True for one in items[1:])


def _same(gold: Node, answer: Node) -> bool | None:
    if gold == answer:
        return True
    if is_region(gold) or is_region(answer):
        return _same_region(gold, answer)
    found: list[bool | None] = []
    for first, second in itertools.product(_lists(gold), _lists(answer)):
        found.append(_same_lists(gold, first, answer, second))
        if found[-1]:
            return True
    return None if None in found else False


def _free(node: Node) -> frozenset[str]:
    """Variables of the values in an answer; names that label them and letters bound by a set builder left out."""
    if node[0] in ("list", "set", "tuple"):
        return frozenset().union(*(_free(one) for one in node[1:] if isinstance(one, tuple)))
    item = unwrapped(node)
    return variables(item.node) if item else variables(node)


def unwrapped(node: Node) -> Item | None:
    """A value without its name and unit; None for an equation or a relation that names no value."""
    if node[0] == "text":
        return Item("", (), SAYINGS.get(node[1], node), "")
    if node[0] == "label":
        inner = unwrapped(node[2])
        return inner._replace(name=node[1], arguments=()) if inner else None
    if node[0] == "unit":
        inner = unwrapped(node[1])
        return inner._replace(unit=node[2]) if inner else None
    if node[0] != "rel":
        return Item("", (), node, "")
    sides, signs = list(node[1::2]), list(node[2::2])
    if not set(signs) <= {"=", "~", "in"}:
        return None
    name = ""
    arguments: tuple[str, ...] = ()
    if signs == ["="] and sides[1][0] == "var" and not variables(sides[0]):
        sides = sides[::-1]  # `7 = n`
    if _names(sides[0]) and (sides[0][0] not in ("add", "mul", "neg", "fn") or not variables(sides[-1])):
        name, arguments = _name(sides[0])
        sides, signs = sides[1:], signs[1:]
        if signs == [] and sides[0][0] == "rel":
            return None
    if "~" in signs:
        sides = sides[: signs.index("~") + 1]
    values = [unwrapped(side) for side in sides]
    first = values[0]
    if first is None or (len(values) > 1 and any(one is None or _same_item(first, one) is not True for one in values)):
        return None
    return Item(name, arguments, first.node, first.unit)


def _names(node: Node) -> bool:
    """Whether a side of an equation names something: a variable, `f(x)`, words, or a tuple of these."""
    if node[0] == "tuple":
        return all(_names(one) for one in node[3:])
    if node[0] in ("add", "mul", "neg"):
        return not has(node, "num") and all(_names(one) for one in node[1:])  # `m + n = 7`, but not `2x = 10`
    if node[0] == "fn":
        return bool(variables(node))  # `|AB| = 5`, `\sin A = 1/2`
    return node[0] in ("var", "call", "text")


def _name(node: Node) -> tuple[str, tuple[str, ...]]:
    if node[0] == "tuple":
        return "", ()
    if node[0] not in ("var", "call", "text"):
        return COMPOSITE, ()
    return node[1], tuple(one[1] for one in node[2:]) if node[0] == "call" else ()


def _lists(node: Node) -> Iterator[list[Node]]:
    """The items of an answer, plus-minus signs written out: each for itself, then all together."""
    parts = node[1:] if node[0] in ("list", "set") else (node,)
    yield [one for part in parts for one in _signed(part, linked=False)]
    if has(node, "pm"):
        yield [one for part in parts for one in _signed(part, linked=True)]


def _signed(node: Node, linked: bool) -> list[Node]:
    if not has(node, "pm"):
        return [node]
    count = _count_signs(node)
    if count > MOST_SIGNS:
        return [node]
    choices = [(1,) * count, (-1,) * count] if linked else itertools.product((1, -1), repeat=count)
    return list(dict.fromkeys(_with_signs(node, iter(signs)) for signs in choices))


def _count_signs(node: Node) -> int:
    return (node[0] == "pm") + sum(_count_signs(one) for one in node[1:] if isinstance(one, tuple))


def _with_signs(node: Node, signs: Iterator[int]) -> Node:
    if node[0] == "pm":
        sign = next(signs)
        left, right = _with_signs(node[1], signs), _with_signs(node[2], signs)
        right = right if sign > 0 else ("neg", right)
        return right if left == number(0) else ("add", left, right)
    return tuple(_with_signs(one, signs) if isinstance(one, tuple) else one for one in node)


def _same_lists(gold: Node, first: list[Node], answer: Node, second: list[Node]) -> bool | None:
    if max(len(first), len(second)) > MOST_ITEMS:
        return None
    if len(first) == 1 and len(second) > 1:
        if first[0][:3] == ("tuple", "(", ")") and len({_label(one) for one in second} - {""}) == len(second):
            return _ordered(list(first[0][3:]), second)  # `x=2, y=3` for the pair (2, 3)
        alike = [_same_item(second[0], one) for one in second[1:]]
        return _same_item(first[0], second[0]) if all(one is True for one in alike) else False
    if len(first) > 1 and len(second) == 1:
        item = unwrapped(second[0])
        named = second[0][0] == "rel"
        if item is None or item.node[0] != "tuple" or item.node[1:3] != ("(", ")") or gold[0] != "list":
            return False
        items = list(item.node[3:])
        return _ordered(first, items) if named or len(items) == len(first) else False
    if len(first) != len(second):
        return False
    if len(first) == 1:
        return _same_item(first[0], second[0])
    labels = [[_label(one) for one in side] for side in (first, second)]
    if gold[0] == "list" and (len(set(first)) < len(first) or _order_counts(labels[0], labels[1])):
        return _ordered(first, second)
    units = [[_unit(one) for one in side] for side in (first, second)]
    if len(set(units[0]) - {""}) == len(first) and set(units[0]) == set(units[1]):
        return _ordered(first, [second[units[1].index(unit)] for unit in units[0]])  # 5 boys are not 5 girls
    return _matched(first, second)


def _label(node: Node) -> str:
    item = unwrapped(node)
    return item.name if item else ""


def _unit(node: Node) -> str:
    item = unwrapped(node)
    return item.unit.rstrip("s") if item else ""


def _order_counts(gold: list[str], answer: list[str]) -> bool:
    """Values that have different names in the reference and none in the answer stand in the reference's order."""
    return len({name for name in gold if name}) > 1 and not any(answer)


def _ordered(first: list[Node], second: list[Node]) -> bool | None:
    if len(first) != len(second):
        return False
    return _all(_same_item(one, other) for one, other in zip(first, second, strict=True))


def _all(found: Iterator[bool | None]) -> bool | None:
    unknown = False
    for one in found:
        if one is False:
            return False
        unknown |= one is None
    return None if unknown else True


def _matched(first: list[Node], second: list[Node]) -> bool | None:
    """Whether every item of one list equals another one of the other list."""
    left = list(second)
    unknown = False
    for one in first:
        found = [_same_item(one, other) for other in left]
        if True in found:
            left.pop(found.index(True))
        elif None in found:
            unknown = True
        else:
            return False
    return None if unknown else True


def _same_item(gold: Node | Item, answer: Node | Item) -> bool | None:
    if gold == answer:
        return True
    first = gold if isinstance(gold, Item) else unwrapped(gold)
    second = answer if isinstance(answer, Item) else unwrapped(answer)
    if first is not None and second is not None and first.name != COMPOSITE:
        if not _names_fit(first, second):
            return False
        node = second.node
        if first.arguments and len(first.arguments) == len(second.arguments):
            node = renamed(node, dict(zip(second.arguments, first.arguments, strict=True)))
        factor = ratio(first.unit, second.unit) if first.unit and second.unit else 1
        if factor is None:
            return False
        found = _same_node(first.node, node if factor == 1 else ("mul", ("num", factor, None), node))
        letter = "" if found else bare_unit(first.node, node)
        if letter and (not first.unit or ratio(first.unit, letter) == 1):
            return _same_node(first.node, node[1])
        if found or first.unit:
            return found
        if not (is_equation(gold) and is_equation(answer)):
            return found
    return same_equation(gold, answer)


def _names_fit(first: Item, second: Item) -> bool:
    """Whether two values may be the same by their names: one has none, they are equal, or one is `y` and one `f(x)`."""
    if not first.name or not second.name or first.name.lower() == second.name.lower():
        return True
    if second.name == COMPOSITE:
        return False
    if "_" in first.name + second.name and first.name.split("_")[0] == second.name.split("_")[0]:
        return "_" not in first.name or "_" not in second.name  # `x = 1 or x = 2`, and `x_1 = 1, x_2 = 2`
    if bool(first.arguments) != bool(second.arguments):
        return True
    # What one answer puts in words and another in a letter may be the same thing.
    return len(first.name) > 1 and len(second.name) > 1 and not first.arguments


def _same_node(gold: Node, answer: Node) -> bool | None:
    """Whether two values without name and unit are the same."""
    if gold == answer:
        return True
    if is_scalar(gold) and is_scalar(answer):
        return same_value(gold, answer)
    kinds = {gold[0], answer[0]}
    if "based" in kinds:
        return _same_based(gold, answer)
    if "matrix" in kinds and kinds <= {"matrix", "tuple"}:
        return _same_matrix(gold, answer)
    if kinds == {"tuple"}:
        return _ordered(list(gold[3:]), list(answer[3:])) if gold[1:3] == answer[1:3] else False
    if kinds <= {"set", "list"}:
        return _same(gold, answer)
    if kinds == {"ratio"}:
        return _same_ratio(gold[1:], answer[1:])
    if kinds == {"text"}:
        return gold[1] == answer[1]
    if len(kinds) == 2 and "fn" not in kinds:
        return False
    return None


def _same_based(gold: Node, answer: Node) -> bool:
    """Digits and base; a reference's base may be left out, and base ten may be named."""
    if gold[0] == "based" and answer[0] == "num":
        return answer[1] == int(gold[1])
    return answer[0] == "based" and answer[2] == 10 and gold[0] == "num" and gold[1] == int(answer[1])


def _same_ratio(gold: tuple[Node, ...], answer: tuple[Node, ...]) -> bool | None:
    if len(gold) != len(answer):
        return False
    pairs = zip(gold, answer, strict=True)
    return _all(same_value(("mul", one, answer[0]), ("mul", other, gold[0])) for one, other in pairs)


def _same_matrix(gold: Node, answer: Node) -> bool | None:
    """A matrix against a matrix, or a row or column against a tuple or list in brackets."""
    first, second = _rows(gold), _rows(answer)
    if gold[0] != answer[0] and 1 in (len(first), *(len(row) for row in first)):
        first, second = [[one for row in rows for one in row] for rows in (first, second)], []
        first, second = [first[0]], [first[1]]
    if [len(row) for row in first] != [len(row) for row in second]:
        return False
    return _all(
        _same_item(one, other)
        for row, other_row in zip(first, second, strict=True)
        for one, other in zip(row, other_row, strict=True)
    )


def _rows(node: Node) -> list[list[Node]]:
    if node[0] == "matrix":
        return [list(row[1:]) for row in node[1:]]
    if all(one[0] == "tuple" for one in node[3:]):
        return [list(row[3:]) for row in node[3:]]
    return [list(node[3:])]


def _same_region(gold: Node, answer: Node) -> bool | None:
    first, second = _named_region(gold), _named_region(answer)
    if _is_chain(gold):
        sides = list(answer[1:]) if answer[0] == "list" else list(answer[1::2]) if answer[0] == "rel" else []
        signs = answer[2::2] if answer[0] == "rel" else gold[2::2]
        if answer[0] == "rel" and len(sides) == len(gold[1::2]) and {*signs} != {*gold[2::2]}:
            sides = sides[::-1]
        if sides == list(gold[1::2]):
            return True
    left, right = region(first[1]), region(second[1])
    if left is None or right is None:
        return _same_relation(gold, answer)
    if first[0] and second[0] and first[0] != second[0]:
        return False
    return same_region(left, right)


def _named_region(node: Node) -> tuple[str, Node]:
    """A set of numbers and the variable that is said to lie in it, "" if there is none."""
    if node[0] == "rel" and node[2] == "in" and len(node) == 4:
        return node[1][1] if node[1][0] == "var" else "", node[3]
    if node[0] == "rel" and node[2] == "=" and len(node) == 4 and is_region(node[3]):
        return "", node[3]
    if node[0] == "unit":
        return _named_region(node[1])
    if node[0] in ("rel", "list", "meet"):
        names = {one[1] for one in _sides(node) if one[0] == "var"}
        return (next(iter(names)) if len(names) == 1 else ""), node
    item = unwrapped(node)
    return "", item.node if item else node


def _sides(node: Node) -> Iterator[Node]:
    for part in [node] if node[0] == "rel" else node[1:]:
        if part[0] == "rel":
            yield from part[1::2]


def _is_chain(node: Node) -> bool:
    """Whether a node only puts names in order: `b < a < d < c`."""
    return (
        node[0] == "rel"
        and len(node) > 4
        and len(set(node[2::2])) == 1
        and node[2] in ORDERS
        and all(one[0] == "var" for one in node[1::2])
    )


def _same_relation(gold: Node, answer: Node) -> bool | None:
    """Two inequalities side by side, or mirrored."""
    if gold[0] != "rel" or answer[0] != "rel" or len(gold) != len(answer):
        return None if {gold[0], answer[0]} <= {"rel", "list", "builder", "union", "meet", "minus"} else False
    mirror = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
    for sides, signs in (
        (answer[1::2], answer[2::2]),
        (answer[1::2][::-1], tuple(mirror.get(one, one) for one in answer[2::2][::-1])),
    ):
        if signs == gold[2::2] and _ordered(list(gold[1::2]), list(sides)):
            return True
    return False
