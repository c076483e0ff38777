from __future__ import annotations

import base64
import hashlib
import json
import math
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_ops.orchestrator.failures import TaskFailure
from healthcare_ops.orchestrator.functions import FUNCTIONS
from healthcare_ops.orchestrator.intrinsics import evaluate, parse
from healthcare_ops.orchestrator.jsonpath import PathError

pytestmark = pytest.mark.spec("Intrinsic Functions")

INPUT = {
    "name": "Arnav",
    "template": "Hello, my name is {}.",
    "list": [1, 2, 3, 4, 5, 6, 7, 8, 9],
    "text": '{"a": 1, "b": [true, null]}',
    "object": {"Arg1": 1, "Arg2": [], "Arg3": {"x": None}},
    "null": None,
    "yes": True,
    "half": 1.5,
    "json1": {"a": {"a1": 1, "a2": 2}, "b": 2},
    "json2": {"a": {"a3": 1, "a4": 2}, "c": 3},
    "mixed": [1, "1", 1.0, True, None, {"a": 1}, {"a": 1}, [1], [1], None],
    "comma, (quote')": "odd",
    "index": 5,
    "long": "x" * 10_001,
    "most": "x" * 10_000,
}
CONTEXT = {"Execution": {"Name": "run-1"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def call(text, document=None, luck=0.5):
    return evaluate(parse(text), INPUT if document is None else document, CONTEXT, lambda: luck)


WORKS = [
    # the examples of the specification and of the service's manual
    ("States.Format('Hello, my name is {}.', $.name)", "Hello, my name is Arnav."),
    ("States.Format($.template, $.name)", "Hello, my name is Arnav."),
    ("States.StringToJson($.text)", {"a": 1, "b": [True, None]}),
    ("States.JsonToString($.json1)", '{"a":{"a1":1,"a2":2},"b":2}'),
    ("States.Array($.index, 'x', 2.5, true, null)", [5, "x", 2.5, True, None]),
    ("States.ArrayPartition($.list, 4)", [[1, 2, 3, 4], [5, 6, 7, 8], [9]]),
    ("States.ArrayContains($.list, 5)", True),
    ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
    ("States.ArrayGetItem($.list, $.index)", 6),
    ("States.ArrayLength($.list)", 9),
    ("States.Base64Encode('Data to encode')", "RGF0YSB0byBlbmNvZGU="),
    ("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", "Data to encode"),
    ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
    ("States.JsonMerge($.json1, $.json2, false)", {"a": {"a3": 1, "a4": 2}, "b": 2, "c": 3}),
    ("States.MathAdd(111, -1)", 110),
    ("States.StringSplit('This.is+a,test=string', '.+,=')", ["This", "is", "a", "test", "string"]),
    # what they leave open, as recorded on the service
    ("States.Format('no place')", "no place"),
    ("States.Format('{}{}{}', 1, 1.1, 'a')", "11.1a"),
    ("States.Format('{} {}', $.null, $.yes)", "null true"),
    ("States.Format('{}', $.object)", "{Arg1=1, Arg2=[], Arg3={x=null}}"),
    (r"States.Format('\{\} \' \\ {}', 'x{}')", r"{} ' \ x{}"),
    ("States.Format('{}', $['comma, (quote\\')'])", "odd"),
    ("States.Format('{}', $$.Execution.Name)", "run-1"),
    ("States.Format( '{}' , 'a' )", "a"),
    (r"States.Array('it\'s', '\\', '\{')", ["it's", "\\", "{"]),
    ("States.Array()", []),
    ("States.Array($.list[0:2], $.list[*])", [[1, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9]]),
    ("States.Array(States.Array(1), States.Array(States.Array()))", [[1], [[]]]),
    ("States.StringToJson('7')", 7),
    ("States.JsonToString('é')", '"é"'),
    ("States.ArrayPartition($.list, 4.4)", [[1, 2, 3, 4], [5, 6, 7, 8], [9]]),
    ("States.ArrayPartition(States.Array(), 4)", []),
    ("States.ArrayContains($.mixed, 'x')", False),
    ("States.ArrayContains(States.Array(1), true)", False),
    ("States.ArrayContains($.mixed, $.null)", True),
    ("States.ArrayContains(States.Array($.json1), $.json1)", True),
    ("States.ArrayRange(5, 1, -2)", [5, 3, 1]),
    ("States.ArrayRange(1, 0, 1)", []),
    ("States.ArrayRange(1.5, 3.4, 1)", [2, 3]),
    ("States.ArrayLength(States.ArrayRange(1, 1000, 1))", 1000),
    ("States.ArrayLength(States.Array())", 0),
    ("States.ArrayUnique($.mixed)", [1, "1", True, None, {"a": 1}, [1]]),
    ("States.MathAdd(2.5, -2.5)", 1),  # halves go up: 3 − 2
    ("States.MathAdd(2147483647, 1)", 2147483648),
    ("States.StringSplit(',a,,b,', ',')", ["a", "b"]),
    ("States.StringSplit(',,,,', ',')", []),
    ("States.StringSplit('abc', '')", ["abc"]),
    ("States.StringSplit('a.b|c', '|')", ["a.b", "c"]),
    ("States.MathRandom(1, 999)", 500),
    ("States.MathRandom(7, 8)", 7),
    ("States.ArrayLength(States.StringSplit(States.Format('{},{}', 1, 2), ','))", 2),
]


@pytest.mark.parametrize(("text", "value"), WORKS)
def test_a_function_yields_what_its_manual_says(text, value):
    result = call(text)

    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("States.Format('{} {}', 1)", "2 placeholders for 1 values"),
        ("States.Format('{}', 1, 2)", "1 placeholders for 2 values"),
        ("States.Format($.list)", "an array stands where a string must"),
        ("States.Format(7)", "a number stands where a string must"),
        ("States.Format('}')", "must be written"),
        ("States.Format($.text)", "must be written"),
        ("States.StringToJson('{')", "this is not JSON"),
        ("States.StringToJson('')", "this is not JSON"),
        ("States.StringToJson('NaN')", "this is not JSON"),
        ("States.StringToJson($.null)", "null stands where a string must"),
        ("States.ArrayPartition($.list, 0)", "must be above 0"),
        ("States.ArrayPartition($.list, -1)", "must be above 0"),
        ("States.ArrayPartition($.list, 'x')", "a string stands where a number must"),
        ("States.ArrayPartition($.name, 2)", "a string stands where an array must"),
        ("States.ArrayContains($.json1, 2)", "an object stands where an array must"),
        ("States.ArrayRange(1, 9, 0)", "must not be 0"),
        ("States.ArrayRange(1, 1001, 1)", "1001 elements are more than 1000"),
        ("States.ArrayRange('a', 9, 1)", "a string stands where a number must"),
        ("States.ArrayGetItem($.list, 9)", "9 is not an index of an array of 9"),
        ("States.ArrayGetItem($.list, -1)", "-1 is not an index"),
        ("States.ArrayGetItem($.list, 1.5)", "1.5 is not an index"),
        ("States.ArrayGetItem($.list, true)", "true is not an index"),
        ("States.ArrayGetItem($.name, 0)", "a string stands where an array must"),
        ("States.ArrayLength($.name)", "a string stands where an array must"),
        ("States.ArrayUnique($.json1)", "an object stands where an array must"),
        ("States.Base64Encode($.long)", "10001 characters are more than 10000"),
        ("States.Base64Encode(5)", "a number stands where a string must"),
        ("States.Base64Decode($.long)", "10001 characters are more than 10000"),
        ("States.Base64Decode('#')", "this is not Base64 of a text"),
        ("States.Base64Decode('/w==')", "this is not Base64 of a text"),
        ("States.Hash($.long, 'MD5')", "10001 characters are more than 10000"),
        ("States.Hash('a', 'SHA-2')", "is none of MD5, SHA-1"),
        ("States.Hash('a', 5)", "5 is none of MD5, SHA-1"),
        ("States.Hash($.json1, 'MD5')", "an object stands where a string must"),
        ("States.JsonMerge($.json1, $.json2, true)", "only shallow merging"),
        ("States.JsonMerge($.json1, $.list, false)", "only objects can be merged"),
        ("States.MathRandom(5, 5)", "there is no number from 5 on below 5"),
        ("States.MathRandom('a', 5)", "a string stands where a number must"),
        ("States.MathRandom(1, 5, 'seed')", "a string stands where a number must"),
        ("States.MathAdd(1, 'a')", "a string stands where a number must"),
        ("States.MathAdd(1, true)", "true stands where a number must"),
        ("States.MathAdd(2147483648, 1)", "2147483648 is not within 32 bits"),
        ("States.StringSplit(5, ',')", "a number stands where a string must"),
        ("States.StringSplit('a', $.null)", "null stands where a string must"),
    ],
)
@pytest.mark.spec("Errors: States.IntrinsicFailure")
def test_a_function_that_cannot_work_is_an_intrinsic_failure(text, fault):
    with pytest.raises(TaskFailure) as failed:
        call(text)

    assert failed.value.error == "States.IntrinsicFailure"
    assert failed.value.cause.startswith(f"The function '{text}' had the following error: ")
    assert fault in failed.value.cause


def test_a_function_whose_path_leads_nowhere_tells_so_as_the_service_does():
    with pytest.raises(TaskFailure) as failed:
        call("States.Array($.optional)", {"needed": 1})

    assert failed.value.error == "States.Runtime"
    assert failed.value.cause == (
        "The function 'States.Array($.optional)' had the following error: The JsonPath argument for the field "
        "'$.optional' could not be found in the input '{\"needed\":1}'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "States.Now()",
        "States.format('a')",
        "Format('a')",
        "States.UUID",
        "States.UUID(",
        "States.UUID() ",
        "States.UUID(1)",
        "States.Format()",
        "States.ArrayLength($.a, $.b)",
        "States.Hash('a')",
        "States.MathRandom(1, 2, 3, 4)",
        "States.Array('a)",
        'States.Array("a")',
        "States.Array(a)",
        "States.Array(1 2)",
        "States.Array(1,)",
        "States.Array(,)",
        "States.Array(01)",
        "States.Array(1e999)",
        "States.Array(True)",
        "States.Array($.a[)",
        r"States.Array('\n')",
        r"States.Array('\')",
    ],
)
def test_what_is_not_a_call_is_refused(text):
    with pytest.raises(PathError):
        parse(text)


def test_ten_functions_may_be_nested_and_no_more():
    parse("States.Array(" * 10 + ")" * 10)

    with pytest.raises(PathError, match="more than 10 functions are nested"):
        parse("States.Array(" * 11 + ")" * 11)


def test_the_longest_text_allowed_is_encoded_and_hashed():
    assert len(call("States.Base64Encode($.most)")) == 13_336
    assert len(call("States.Hash($.most, 'SHA-512')")) == 128


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512"])
def test_every_algorithm_hashes_the_text_as_utf_8(algorithm):
    expected = hashlib.new(algorithm.replace("-", "").lower(), "é".encode()).hexdigest()

    assert call(f"States.Hash('é', '{algorithm}')") == expected


def test_a_uuid_is_one_of_version_4_and_differs_from_the_next():
    luck = iter([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    first, second = (evaluate(parse("States.UUID()"), {}, {}, lambda: next(luck)) for _ in range(2))

    assert uuid.UUID(first).version == uuid.UUID(second).version == 4
    assert first != second


def test_a_seed_makes_a_random_number_that_luck_does_not_change():
    assert call("States.MathRandom(1, 1000, 7)", luck=0.1) == call("States.MathRandom(1, 1000, 7)", luck=0.9)


def test_every_function_of_the_language_is_there_and_has_an_example():
    names = "Format StringToJson JsonToString Array ArrayPartition ArrayContains ArrayRange ArrayGetItem ArrayLength "
    names += "ArrayUnique Base64Encode Base64Decode Hash JsonMerge MathRandom MathAdd StringSplit UUID"

    assert set(FUNCTIONS) == {f"States.{name}" for name in names.split()}
    assert {text.partition("(")[0] for text, _ in WORKS} | {"States.UUID"} == set(FUNCTIONS)


@given(JSON)
def test_a_value_survives_as_json_text(value):
    document = {"v": value}

    assert call("States.StringToJson(States.JsonToString($.v))", document) == value
    assert json.loads(call("States.JsonToString($.v)", document)) == value


@given(st.text(max_size=200))
def test_a_text_survives_base64(text):
    document = {"v": text}

    assert call("States.Base64Decode(States.Base64Encode($.v))", document) == text
    assert base64.b64decode(call("States.Base64Encode($.v)", document)).decode() == text


@given(st.lists(JSON, max_size=20), st.integers(1, 25))
def test_parts_of_an_array_are_full_but_for_the_last_and_make_the_array_again(items, size):
    parts = call(f"States.ArrayPartition($.v, {size})", {"v": items})

    assert [item for part in parts for item in part] == items
    assert len(parts) == math.ceil(len(items) / size)
    assert all(len(part) == size for part in parts[:-1])


@given(st.integers(-1000, 1000), st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_a_random_number_is_at_least_the_first_and_below_the_end(first, width, luck):
    number = call(f"States.MathRandom({first}, {first + width})", luck=luck)

    assert first <= number < first + width


@given(st.lists(JSON, max_size=10))
def test_unique_elements_are_each_in_the_array_and_unique_again(items):
    unique = call("States.ArrayUnique($.v)", {"v": items})

    assert call("States.ArrayUnique($.v)", {"v": unique}) == unique
    assert all(call("States.ArrayContains($.v, $.i)", {"v": unique, "i": item}) for item in items)
