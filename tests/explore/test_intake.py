"""Whatever a file does to the process that reads it, the server goes on and says in one sentence what is wrong."""

import signal
import subprocess
from types import SimpleNamespace

import pytest

from glassviz.explore import intake, reading
from glassviz.mixture import InvalidData

UNENDING = "x.gsd: reading it did not come to an end within"
READER = """
import sys
from pathlib import Path
import numpy as np
from glassviz.explore import reading

def _configurations(path, result):
    {does}

reading._configurations = _configurations
{before}
reading.main(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def told(phrase):
    """Progress that does not wait for others."""
    assert not phrase.startswith("Waiting")


def test_a_reading_that_takes_too_long_is_ended(monkeypatch):
    """However often, and with it the process."""
    started = []

    class Process(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(intake.subprocess, "Popen", Process)
    monkeypatch.setattr(intake, "SECONDS", 0.1)
    monkeypatch.setattr(intake, "TELL", 0.05)
    for _ in range(3):
        with pytest.raises(InvalidData, match=rf"{UNENDING} 0\.1 s and 6 GiB; expected a sound file"):
            intake.take(b"", "x.gsd", told)
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 3


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("does", "before", "sentence"),
    [
        ("np.empty(reading.MEMORY, np.uint8)", "", "x.gsd: reading it needs more than 6 GiB; expected a smaller file"),
        ("while True: pass", "reading.SECONDS = 1", UNENDING),
        ("while True: print(99 * 'x')", "", UNENDING),
        ("result.write_bytes(bytes(2000))", "reading.WRITTEN = 1000", r"cannot be read \(OSError\); expected a sound"),
        ("return {'kind': 'configurations'}", "", "x.gsd: reading it left no result; expected a sound file"),
    ],
    ids=["memory", "computes", "talks", "writes", "lies"],
)
def test_what_overwhelms_the_reader_ends_in_one_sentence(does, before, sentence, tmp_path, monkeypatch):
    (tmp_path / "overwhelmed.py").write_text(READER.format(does=does, before=before))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(intake, "reading", SimpleNamespace(__name__="overwhelmed", MEMORY=reading.MEMORY))
    with pytest.raises(InvalidData, match=sentence):
        intake.take(b"", "x.gsd", told)
