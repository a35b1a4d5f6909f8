"""What the browser sends of a user's files, in any order."""

import pytest

from glassviz.explore.views.bring import LARGEST, Bring


@pytest.fixture
def arrived(monkeypatch):
    """A dialog, and the files (name, content) that it has taken."""
    taken = []
    monkeypatch.setattr(Bring, "_take", lambda self, event: event.new and taken.append((self.file.filename, event.new)))
    return Bring(state=None), taken


def part(name, chunk, total, data=b"ab"):
    return {
        "status": "upload_event",
        "name": name,
        "chunk": chunk,
        "total_chunks": total,
        "mime_type": "",
        "data": data,
    }


START, END = {"status": "initializing"}, {"status": "finished"}


@pytest.mark.parametrize(
    "order",
    [
        [START, START, part("a", 1, 1), part("b", 1, 1), END, END],
        [START, part("a", 1, 2), START, part("b", 1, 1), part("a", 2, 2, b"cd"), END, START, part("c", 1, 1), END, END],
    ],
)
def test_of_files_that_come_together_the_last_counts(arrived, order):
    bring, taken = arrived
    for message in order:
        bring._hear(message)
    last = [m["name"] for m in order if m["status"] == "upload_event" and m["chunk"] == m["total_chunks"]][-1]
    assert [name for name, _ in taken] == [last]


def test_a_file_in_parts_is_put_together(arrived):
    bring, taken = arrived
    for message in (START, part("a", 2, 2, b"cd"), part("a", 1, 2), END):
        bring._hear(message)
    assert taken == [("a", b"abcd")]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([START, END], "empty"),
        ([{"status": "error", "error": "too large"}], "too long"),
        ([START, part("a", 1, 2, bytes(LARGEST)), part("a", 2, 2), END], "too long"),
    ],
)
def test_what_is_no_file_is_refused_and_the_next_one_taken(arrived, messages, said):
    bring, taken = arrived
    for message in messages:
        bring._hear(message)
    assert said in bring.told.object
    assert taken == []
    for message in (START, part("b", 1, 1), END):
        bring._hear(message)
    assert taken == [("b", b"ab")]
