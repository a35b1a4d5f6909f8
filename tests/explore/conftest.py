import pytest

from glassviz.explore.library import Library
from glassviz.mixture import InvalidData


@pytest.fixture(scope="session")
def library():
    """What ships with glassviz."""
    try:
        return Library()
    except InvalidData as error:
        pytest.skip(str(error))
