"""The query language: what is read from a query, what a wrong one is told, and queries made of parts."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import barq
from barq.query import LONGEST_QUERY, Name, Phrase, Query, Span, Word, parse, where
from barq.states import State
from barq.words import index_fields, words_of


def read(text: str) -> Query:
    """Without the text, which is not what a query means."""
    found = parse(text)
    return Query(**{name: getattr(found, name) for name in Query.__slots__ if name != "text"})


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query()),
        ("   ", Query()),
        ("state:failed", Query(states=(State.FAILED,))),
        ("STATE:Failed,cancelled", Query(states=(State.FAILED, State.CANCELLED))),
        ("id:7", Query(ids=(7,))),
        ("id:7,8,7", Query(ids=(7, 8))),
        ("type:email", Query(types=(Name("email"),))),
        ('type:"a,b",c*', Query(types=(Name("a,b"), Name("c", prefix=True)))),
        ('type:"a b"*', Query(types=(Name("a b", prefix=True),))),
        ("error:SMTPError", Query(words=(Word("error", b"smtperror", prefix=False),))),
        ("place:app.py:12", Query(words=(Word("place", b"app.py:12", prefix=False),))),
        ("customer:42", Query(words=(Word("customer", b"42", prefix=False),))),
        ("customer:4*", Query(words=(Word("customer", b"4", prefix=True),))),
        ("order.customer:42", Query(words=(Word("order.customer", b"42", prefix=False),))),
        ("Customer:42", Query(words=(Word("Customer", b"42", prefix=False),))),
        ("mailbox", Query(words=(Word("", b"mailbox", prefix=True),))),
        ('"mailbox"', Query(words=(Word("", b"mailbox", prefix=True),))),
        (
            '"mailbox full"',
            Query(
                words=(Word("", b"mailbox", prefix=False), Word("", b"full", prefix=True)),
                phrases=(Phrase("", (b"mailbox", b"full"), prefix=True),),
            ),
        ),
        (
            'title:"Invoice 7"',
            Query(
                words=(Word("title", b"invoice", prefix=False), Word("title", b"7", prefix=False)),
                phrases=(Phrase("title", (b"invoice", b"7"), prefix=False),),
            ),
        ),
        ("data:Ada", Query(data=("ada",))),
        ("priority:<0", Query(priority=Span(most=-1))),
        ("priority<=-5", Query(priority=Span(most=-5))),
        ("priority:high", Query(priority=Span(-10, -10))),
        ("priority:>low", Query(priority=Span(least=11))),
        ("priority>0 priority<5", Query(priority=Span(1, 4))),
        ("age>1h", Query(age=Span(least=3_600_001))),
        ("age:<1.5m", Query(age=Span(most=89_999))),
        ("ended<=2d", Query(ended=Span(most=2 * 86_400_000))),
    ],
)
def test_what_is_read(text: str, query: Query) -> None:
    assert read(text) == query


def test_everything_at_once() -> None:
    found = parse(
        'state:failed type:email error:SMTPError "mailbox full" title:invoice priority:<0 age>1h customer:42 id:7'
    )
    assert found.ids == (7,)
    assert found.states == (State.FAILED,)
    assert [word.field for word in found.words] == ["error", "", "", "title", "customer"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("state:faild", "state must be one of waiting, delayed, .* got 'faild'"),
        ("state:", "state: in the query needs a value"),
        ("state:failed,", "needs a value behind it and behind a comma"),
        ("state:failed state:waiting", "state: stands twice in the query; state:A,B finds either"),
        ("id:x", "id must be a whole number from 1, .* got 'x'"),
        ("id:0", "id must be"),
        ("id:99999999999999999", "id must be"),
        ("id:7*", r"id: takes no \*"),
        ("priority:urgent", "priority in a query must be low, normal, .* got 'urgent'"),
        ("priority:", "needs a value"),
        ("age:1h", "age in a query must be < or > and a number with ms, s, m, h, d or w: age<10m, age>1d; got '1h'"),
        ("age>1", "age in a query must be"),
        ("age>1y", "got '>1y'"),
        ("ended>yesterday", "ended in a query must be"),
        ("customer>5", "customer> compares, which only priority, age and ended do"),
        ('"open', 'the quote of "open is not closed'),
        ('"a"b', """a space must stand behind "a" in the query, not 'b'"""),
        ("...", "has no letter or digit to look for"),
        ('""', "needs a value"),
        ("x" * (LONGEST_QUERY + 1), f"at most {LONGEST_QUERY} characters"),
        ("a b c d e f g h i j k l m n o p q", "at most 16 words, got 17"),
    ],
)
def test_what_a_wrong_query_is_told(text: str, says: str) -> None:
    with pytest.raises(barq.InvalidValue, match=says):
        parse(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [("state:faild", 1), ("type:email  age>1y mailbox", 13), ('email "open', 7), ('ok "a"b', 4), ("état:1 id:x", 8)],
)
def test_it_is_told_in_one_line_where_the_mistake_stands(text: str, at: int) -> None:
    with pytest.raises(barq.InvalidValue, match=rf"\A[^\n]+ \(at character {at} of the query\)\Z"):
        parse(text)


@pytest.mark.parametrize("text", [None, 5, b"state:failed", ["a"]])
def test_a_query_is_text(text: Any) -> None:
    with pytest.raises(barq.InvalidType, match="a query must be text"):
        parse(text)


TEXTS = st.text(min_size=1, max_size=15).filter(lambda text: 1 <= len(words_of(text)) <= 3)


@settings(max_examples=50)
@given(
    texts=st.lists(TEXTS, max_size=2),
    state=st.none() | st.sampled_from(list(State)),
    type=st.none() | st.text(min_size=1, max_size=20),
    error=st.none() | TEXTS,
    customer=st.none() | TEXTS,
)
def test_a_query_of_parts_reads_back_as_its_parts(
    texts: list[str], state: State | None, type: str | None, error: str | None, customer: str | None
) -> None:
    found = parse(where(*texts, state=state, type=type, error=error, customer=customer))
    assert found.states == ((state,) if state is not None else ())
    assert found.types == ((Name(type),) if type is not None else ())
    asked = [(("error", error), False), (("customer", customer), False), *((("", text), True) for text in texts)]
    expected = [
        Word(field, word, prefix=prefix and at == len(words_of(text)) - 1)
        for (field, text), prefix in asked
        if text is not None
        for at, word in enumerate(words_of(text))
    ]
    assert list(found.words) == expected


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(barq.InvalidValue):
        assert isinstance(parse(text), Query)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ("customer", "index must be a tuple of names"),
        (5, "index must be a tuple"),
        (("a b",), "a name in index must be letters"),
        ((5,), "a name in index must be letters"),
        (("State",), "index can't have a field 'State'"),
        (("age",), "has its own age:"),
        (tuple("abcdefghi"), "at most 8 fields, got 9"),
    ],
)
def test_wrong_names_of_searchable_fields(index: Any, says: str) -> None:
    with pytest.raises((barq.InvalidValue, barq.InvalidType), match=says):
        index_fields(index)
