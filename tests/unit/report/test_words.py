"""Templates: a note an item, whatever the values hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chmr_bench.report import words


def test_a_note_is_an_item_and_a_value_never_begins_another() -> None:
    found = words.notes("pretrained", pretrained={"a\n- b": ["x", "y"], "c": ["z"]})
    assert found == ("Pretrained on a - b: x, y.", "Pretrained on c: z.")
    assert words.notes("pretrained", pretrained={}) == ()


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(Exception, match="pretrained"):
        words.notes("pretrained")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("`a_b` is *all*", r"`a_b` is \*all\*"),
        ("see `x` (y_z).", r"see `x` (y\_z)."),
        ("a | b", r"a \| b"),
    ],
)
def test_words_of_a_note_are_shown_as_they_are(line: str, shown: str) -> None:
    assert words.environment().filters["note"](line) == shown


def test_no_template_is_left_over() -> None:
    folder = Path(words.__file__).parent
    sources = [*folder.rglob("*.py"), *folder.glob("templates/*")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    for path in folder.glob("templates/*"):
        name = re.sub(r"(_notes)?(\.md)?\.j2$", "", path.name)
        assert f'"{name}"' in text or f'"{path.name}"' in text, path.name
