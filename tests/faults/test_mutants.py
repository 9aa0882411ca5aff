"""The planted bugs: that each can still be planted. That each is found is shown by `make mutants`."""

import pytest

from tests.faults.mutants import MUTANTS, Edit, Mutant, copy


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_its_text_stands_in_the_source_once(mutant: Mutant) -> None:
    with copy(mutant.edits) as folder:
        for edit in mutant.edits:
            assert edit.new in (folder / "barq" / edit.file).read_text()


def test_a_text_that_is_not_there_once_is_an_error() -> None:
    for text in ("no such text", "local "):
        edit = Edit("protocol/lua/steps/settling.lua", text, "")
        with pytest.raises(AssertionError, match="times, not once"), copy([edit]):
            pass
