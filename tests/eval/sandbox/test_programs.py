"""Tests of functions, of standard input and output, and pytest: what passes, what does not, and what is a value."""

import ast
import collections
import decimal
import fractions

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.sandbox.inside.judging import expected_assertions
from eval.sandbox.inside.values import CannotEncode, Codec, dumps, loads
from eval.sandbox.programs import evaluate, functional, stdio
from eval.sandbox.programs import pytest as run_pytest

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
HASHABLE = SCALARS | st.tuples(st.integers(), st.text()) | st.frozensets(st.integers())
VALUES = st.recursive(
    SCALARS | st.complex_numbers(allow_nan=False) | st.decimals(allow_nan=False) | st.fractions() | st.sets(HASHABLE),
    lambda inner: st.lists(inner) | st.dictionaries(HASHABLE, inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_survives_the_way_with_its_type(value):
    back = Codec().decode(loads(dumps(Codec().encode(value))))
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        collections.Counter("aab"),
        collections.deque([1, 2]),
        collections.OrderedDict(a=1),
        decimal.Decimal("1.20"),
        fractions.Fraction(1, 3),
        range(1, 9, 2),
        slice(1, None),
        bytearray(b"x"),
        ...,
        10**400,
        "\ud800",
    ],
)
def test_values_of_the_standard_library_survive_too(value):
    back = Codec().decode(loads(dumps(Codec().encode(value))))
    assert back == value and type(back) is type(value)


def test_what_is_no_plain_value_is_refused_and_a_subclass_is_none():
    class Number(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    for value in (Number(1), object(), [Number(1)]):
        with pytest.raises(CannotEncode):
            Codec().encode(value)
    deep = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(CannotEncode, match="deeper"):
        Codec().encode(deep)


def test_an_object_that_comes_back_is_the_object_that_was_sent():
    class Node:
        pass

    here, there = Codec(), Codec()
    here.share({"Node": Node})
    there.share({"Node": Node})
    node = Node()
    node.value, node.next = 1, node
    copy = there.decode(loads(dumps(here.encode(node))))
    assert copy is not node and copy.next is copy
    copy.value = 2
    assert here.decode(loads(dumps(there.encode(copy)))) is node and node.value == 2


def parsed(source):
    return [ast.parse(source)]


def test_assertions_that_must_run_are_counted():
    assert expected_assertions(parsed("assert f(1)\nassert f(2)\nif x:\n    assert f(3)")) == 2
    check = "def check(c):\n    assert c(1)\n    try:\n        assert c(2)\n    except E: pass"
    assert expected_assertions(parsed(check)) == 1
    assert expected_assertions(parsed("def other(c):\n    assert c(1)")) == 0


PROGRAM = """
class Solution:
    def sort(self, numbers):
        numbers.sort()

class Account:
    def __init__(self, balance):
        self.balance = balance
    def pay(self, amount):
        if amount > self.balance:
            raise ValueError("too little")
        self.balance -= amount
        return self
    def __eq__(self, other):
        return self.balance == other.balance
    def __len__(self):
        return self.balance

class Broke(Exception):
    pass

def twice(function, value):
    return function(function(value))

def pairs(numbers):
    return ((a, b) for a in numbers for b in numbers if a < b)

def broke():
    raise Broke("no")
"""


@pytest.mark.parametrize(
    "test",
    [
        "numbers = [3, 1, 2]\nassert Solution().sort(numbers) is None\nassert numbers == [1, 2, 3]",
        "assert Account(5).pay(2).balance == 3",
        "account = Account(5)\naccount.balance = 9\nassert len(account) == 9 and account == Account(9)",
        "try:\n    Account(1).pay(2)\nexcept ValueError as error:\n    assert str(error) == 'too little'",
        "assert isinstance(Account(1), Account) and not isinstance(Account(1), Solution)",
        "assert twice(lambda x: x + 1, 1) == 3",
        "assert list(pairs([1, 2, 3])) == [(1, 2), (1, 3), (2, 3)]",
        "try:\n    broke()\nexcept Broke as error:\n    assert str(error) == 'no'",
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as out:\n    twice(lambda x: x, 1)\n"
        "assert out.getvalue() == ''",
    ],
)
def test_objects_callbacks_exceptions_and_changed_arguments_cross_over(test):
    names = ["Solution", "Account", "Broke", "twice", "pairs", "broke"]
    found = functional(PROGRAM, [test], names)
    assert found.passed is True, found.judged


HELPERS = """
class ListNode:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next

def made(values):
    head = None
    for value in reversed(values):
        head = ListNode(value, head)
    return head

def values(node):
    found = []
    while node:
        found.append(node.val)
        node = node.next
    return found
"""


def test_helper_classes_are_the_tests_own_even_where_the_program_redefines_them():
    right = "class Solution:\n    def reverse(self, head):\n        before = None\n        while head:\n"
    right += "            head.next, before, head = before, head, head.next\n        return before\n"
    test = "def check(reverse):\n    assert values(reverse(made([1, 2, 3]))) == [3, 2, 1]\ncheck(Solution().reverse)"
    assert functional(HELPERS + right, [test], ["Solution"], HELPERS).passed is True
    cheat = "def values(node): return [3, 2, 1]\nclass ListNode:\n    def __eq__(self, other): return True\n"
    cheat += "class Solution:\n    def reverse(self, head): return head\n"
    assert functional(HELPERS + cheat, [test], ["Solution"], HELPERS).passed is False


def test_each_test_has_its_own_result():
    found = functional("def f(x): return x", ["assert f(1) == 1", "assert f(1) == 2", "assert f(3) == 3"], ["f"])
    assert found.passed is False and [one["ok"] for one in found.judged["results"]] == [True, False, True]


def test_outputs_are_compared_here_and_one_wrong_output_decides():
    def equal(mine, expected):
        return mine.strip() == expected

    program = "print(int(input()) * 2)"
    good = stdio(program, ["1", "2", "3"], ["2", "4", "6"], equal)
    assert (good.passed, good.right, good.first) == (True, 3, None)
    bad = stdio(program, ["1", "2", "x", "3"], ["2", "5", "6", "6"], equal, stop_at_first=False)
    assert (bad.passed, bad.right, bad.place) == (False, 2, 1)


def test_expressions_come_to_values_and_a_failure_is_one():
    ran, values = evaluate("def f(x): return [x, (x,)]", ["f(2)", "1 / 0", "f"])
    assert ran.status == "ok"
    assert [one.ok for one in values] == [True, False, False] and values[0].value == [2, (2,)]


def test_pytest_runs_from_memory_against_stand_ins():
    tests = """
import pytest
from solution import f

@pytest.mark.parametrize("x", [1, 2])
def test_adds(x, capsys):
    assert f(x) == x + 1
    assert capsys.readouterr().out == "called\\n"
"""
    program = "import os\ndef f(x):\n    print('called')\n    return x + 1\n"
    found = run_pytest(program, tests)
    if found.judged.get("bad"):
        pytest.skip(found.judged["bad"])
    assert found.passed is True, found
    assert run_pytest(program.replace("+ 1", "+ 2"), tests).passed is False
    assert run_pytest(program, "from solution import f\n").passed is False
