"""One value has one text, the one that JavaScript writes."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timestep.errors import NotPortableError
from timestep.run_state.text import LARGEST_NUMBER, encode, portable

numbers = st.one_of(
    st.integers(-LARGEST_NUMBER, LARGEST_NUMBER),
    st.floats(-1e15, 1e15, allow_nan=False),
    st.floats(-1e-3, 1e-3, allow_nan=False),
)
texts = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts | st.from_regex(r"\d{1,11}"), inner),
    max_leaves=12,
)

# Reads one JSON text per line and writes what JavaScript makes of it.
JAVASCRIPT = r"""
const byUnit = ([a], [b]) => (a < b ? -1 : a > b ? 1 : 0);
const inOrder = (o) => Object.entries(o).sort(byUnit).map(([k, v]) => [k, sorted(v)]);
const sorted = (v) => Array.isArray(v) ? v.map(sorted)
  : v && typeof v === 'object' ? Object.fromEntries(inOrder(v)) : v;
const escape = (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0');
let rest = '';
process.stdin.on('data', (data) => {
  const lines = (rest + data).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    const text = JSON.stringify(sorted(JSON.parse(line)));
    process.stdout.write(text.replace(/[\u007f-\uffff]/g, escape) + '\n');
  }
});
"""


@pytest.fixture(scope="module")
def javascript():
    node = shutil.which("node") or str(Path(sys.executable).parent / "node")
    process = subprocess.Popen(
        [node, "-e", JAVASCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@given(value=values)
def test_the_text_is_the_one_that_javascript_writes(javascript, value):
    text = encode(portable(value))

    javascript.stdin.write(json.dumps(value) + "\n")
    javascript.stdin.flush()

    assert text == javascript.stdout.readline().rstrip("\n")


@given(value=values)
def test_the_text_reads_back_as_the_value(value):
    read = json.loads(encode(portable(value)))

    assert read == json.loads(json.dumps(value))
    assert encode(read) == encode(portable(value))
    assert encode(value).isascii()


def test_keys_are_in_the_order_of_javascript():
    value = {
        "b": 1,
        "10": 2,
        "9": 3,
        "01": 4,
        "4294967295": 5,
        "4294967294": 6,
        "é": 7,
        "\U0001f642": 8,
        "\uff5e": 9,
    }

    assert list(json.loads(encode(value))) == [
        "9",
        "10",
        "4294967294",
        "01",
        "4294967295",
        "b",
        "é",
        "\U0001f642",
        "\uff5e",
    ]


def test_a_kept_order_changes_only_as_javascript_would_change_it():
    assert encode({"b": {"z": 1, "2": 1, "1": 1}, "a": 0}, sort=False) == (
        '{"b":{"1":1,"2":1,"z":1},"a":0}'
    )


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b": math.nan}]}, r"a\[1\]\.b is nan"),
        ({"a": math.inf}, "a is inf"),
        ({"a": 2**53}, "a is 9007199254740992"),
        ({"a": -1e300}, "a is -1e"),
        ({"a": {1: 2}}, "a has the key 1"),
        ({"a": ...}, "a is ellipsis"),
        ({"a": {"b": {1, 2}}}, r"a\.b is set"),
    ],
    ids=str,
)
def test_what_both_languages_cannot_hold_is_refused_by_path(value, path):
    with pytest.raises(NotPortableError, match=path):
        portable(value)


def test_the_largest_whole_numbers_are_portable():
    assert encode(portable([LARGEST_NUMBER, -LARGEST_NUMBER, -0.0, 5.0])) == (
        "[9007199254740991,-9007199254740991,0,5]"
    )
