from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcare_ops.orchestrator.jsonpath import PathError, parse
from healthcare_ops.orchestrator.paths import get, has, put

pytestmark = pytest.mark.spec("Paths")

STORE = {
    "store": {
        "book": [
            {"category": "reference", "title": "Sayings", "price": 8.95},
            {"category": "fiction", "title": "Sword", "price": 12.99},
            {"category": "fiction", "title": "Moby", "isbn": "0-553", "price": 8.99},
            {"category": "fiction", "title": "Rings", "isbn": "0-395", "price": 22.99},
        ],
        "bicycle": {"color": "red", "price": 19.95},
    },
    "limit": 10,
    "empty": [],
    "numbers": [1, 2, 3, 4],
    "nested": [[1, 2], [3]],
    "text": "t",
}
TITLES = ["Sayings", "Sword", "Moby", "Rings"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.store.book[*].title", TITLES),
        ("$.store.book[*]['title']", TITLES),
        ("$..title", TITLES),
        ("$..book[2].title", ["Moby"]),
        ("$..book[0,1].title", ["Sayings", "Sword"]),
        ("$..price", [8.95, 12.99, 8.99, 22.99, 19.95]),
        ("$.store.bicycle.*", ["red", 19.95]),
        ("$.store.bicycle[*]", ["red", 19.95]),
        ("$.numbers[1:3]", [2, 3]),
        ("$.numbers[:2]", [1, 2]),
        ("$.numbers[2:]", [3, 4]),
        ("$.numbers[-2:]", [3, 4]),
        ("$.numbers[:-1]", [1, 2, 3]),
        ("$.numbers[-1]", 4),
        ("$.numbers[0,3]", [1, 4]),
        ("$.numbers[ 0 , 3 ]", [1, 4]),
        ("$.nested[*][0]", [1, 3]),
        ("$.nested[*][1]", [2]),
        ("$.numbers[0:1]", [1]),
        ("$.store.bicycle['color','price']", {"color": "red", "price": 19.95}),
        ("$.store.bicycle['color','weight']", {"color": "red"}),
        ('$["store"]["bicycle"]["color"]', "red"),
        # filters
        ("$.store.book[?(@.isbn)].title", ["Moby", "Rings"]),
        ("$.store.book[?(!@.isbn)].title", ["Sayings", "Sword"]),
        ("$.store.book[?(@.price < 10)].title", ["Sayings", "Moby"]),
        ("$.store.book[?(@.price <= $.limit)].title", ["Sayings", "Moby"]),
        ("$.store.book[?(@.price > 10 && @.isbn)].title", ["Rings"]),
        ("$.store.book[?(@.price > 20 || @.category == 'reference')].title", ["Sayings", "Rings"]),
        ("$.store.book[?((@.price > 20 || @.price < 8.96) && @.category != 'fiction')].title", ["Sayings"]),
        ("$.store.book[?(@.title in ['Moby', \"Sword\"])].price", [12.99, 8.99]),
        ("$.store.book[?(@.title nin ['Moby', 'Sword'])].price", [8.95, 22.99]),
        ("$.numbers[?(@ >= 3)]", [3, 4]),
        ("$.numbers[?(@ == '3')]", []),
        ("$..[?(@.color == 'red')].price", [19.95]),
        ("$.store.book[?(@.nothing == null)]", []),
        # nothing is found, and an indefinite path says so with an empty array
        ("$.empty[*]", []),
        ("$.empty[*].a", []),
        ("$.empty[0:5]", []),
        ("$.numbers[7:9]", []),
        ("$.numbers[7,9]", []),
        ("$.numbers[*].a", []),
        ("$.store.book[*].nothing", []),
        ("$..nothing", []),
        ("$.store.book[?(@.price > 100)]", []),
        ("$.text[*]", []),
    ],
)
def test_a_path_selects_as_jsonpath_does(path, value):
    assert get(path, STORE, {}) == value


@pytest.mark.parametrize(
    "path",
    [
        "$.nothing",
        "$.nothing[*]",
        "$.nothing[0:1]",
        "$.nothing..a",
        "$.store.nothing.title",
        "$.numbers[4]",
        "$.numbers[-5]",
        "$.numbers.a",
        "$.text[0]",
        "$.text[0:1]",
        "$.text[?(@.a)]",
        "$.text['a','b']",
    ],
)
def test_a_way_that_is_definite_must_exist(path):
    assert not has(path, STORE, {})
    with pytest.raises(PathError, match="leads nowhere"):
        get(path, STORE, {})


@pytest.mark.parametrize(
    ("path", "is_definite"),
    [
        ("$", True),
        ("$.a.b[0]['c']", True),
        ("$.a[-1]", True),
        ("$['a','b']", True),
        ("$['a','b'].c", False),
        ("$.a[*]", False),
        ("$.*", False),
        ("$..a", False),
        ("$.a[0,1]", False),
        ("$.a[0:1]", False),
        ("$.a[?(@.b)]", False),
    ],
)
def test_a_path_is_definite_if_it_can_lead_to_one_node_at_most(path, is_definite):
    assert parse(path).is_definite is is_definite


@pytest.mark.spec("Reference Paths")
@pytest.mark.parametrize(
    "path", ["$..a", "$.*", "$.a[*]", "$.a[0:2]", "$.a[0,1]", "$['a','b']", "$.a[?(@.b)]", "$.a[-1]"]
)
def test_a_reference_path_leads_to_one_place(path):
    assert parse(path).reference is None


@pytest.mark.parametrize(
    "path",
    [
        "$.",
        "$1",
        "$.a.",
        "$.a b",
        "$.a[",
        "$.a[]",
        "$.a[b]",
        "$.a[1.5]",
        "$.a[0",
        "$.a['b]",
        "$.a[?(@.b]",
        "$.a[?@.b]",
        "$.a[?(@.b ==)]",
        "$.a[?(@.b == c)]",
        "$.a[?(@.b == 01)]",
        "$.a[?(@.b == 1e999)]",
        "$.a[?(@.b =~ /x/)]",
        "$.a[?(@.b size 2)]",
        "$.a.length()",
        "$.a.min()",
        "$.a\\",
        "$$$",
        "$a-b",
    ],
)
def test_what_is_not_a_path_or_not_supported_is_refused(path):
    with pytest.raises(PathError):
        parse(path)


def test_an_indefinite_path_is_present_if_it_finds_anything():
    assert has("$.store.book[?(@.price > 20)]", STORE, {})
    assert not has("$.store.book[?(@.price > 200)]", STORE, {})


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="'\\"), min_size=1, max_size=6)


@given(st.lists(NAMES, min_size=1, max_size=5), st.integers())
def test_what_is_put_at_a_path_is_found_there(names, value):
    path = "$" + "".join(f"['{name}']" for name in names)

    assert get(path, put(path, {}, value), {}) == value


@given(st.dictionaries(NAMES, st.integers(), max_size=5), NAMES, st.integers())
def test_what_stands_elsewhere_is_kept_when_something_is_put(document, name, value):
    changed = put(f"$['{name}']", document, value)

    assert changed == document | {name: value}
