"""Damaged bytes: a file loads exactly as it was written or is refused, and nothing but `InvalidData` comes out."""

import h5py
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from glassviz import files
from glassviz.files import integrity, netcdf
from glassviz.mixture import InvalidData


@pytest.fixture(scope="module")
def intact(make_configurations, tmp_path_factory):
    """The bytes of a sound file of each format, and what it holds."""
    folder = tmp_path_factory.mktemp("intact")
    found = {}
    for suffix in (".nc", ".gsd", ".npz"):
        samples, variables = (1, ["energy", "inherent_energy"]) if suffix == ".npz" else (2, [])
        files.write(make_configurations(samples=samples).drop_vars(variables), folder / f"sample{suffix}")
        found[suffix] = (folder / f"sample{suffix}").read_bytes(), files.read(folder / f"sample{suffix}")
    return folder, found


def same_or_refused(intact, suffix, damage):
    folder, found = intact
    content, expected = found[suffix]
    path = folder / f"sample{suffix}"
    path.write_bytes(damage(bytearray(content)))
    try:
        loaded = files.read(path)
    except InvalidData as refusal:
        sentence = str(refusal)
    else:
        xr.testing.assert_identical(loaded, expected)
        return
    assert path.name in sentence
    assert "\n" not in sentence


SUFFIX = pytest.mark.parametrize("suffix", [".nc", ".gsd", ".npz"])
PLACE = st.floats(0, 1, exclude_max=True)


@SUFFIX
@settings(max_examples=150, deadline=None)
@given(place=PLACE, value=st.integers(0, 255))
def test_one_wrong_byte(intact, suffix, place, value):
    def damage(content):
        content[int(place * len(content))] = value
        return content

    same_or_refused(intact, suffix, damage)


@SUFFIX
@settings(max_examples=100, deadline=None)
@given(place=PLACE, block=st.binary(min_size=1, max_size=600))
def test_one_block_overwritten(intact, suffix, place, block):
    def damage(content):
        start = int(place * len(content))
        content[start : start + len(block)] = block[: len(content) - start]
        return content

    same_or_refused(intact, suffix, damage)


@SUFFIX
@settings(max_examples=100, deadline=None)
@given(place=PLACE)
def test_cut_anywhere(intact, suffix, place):
    same_or_refused(intact, suffix, lambda content: content[: int(place * len(content))])


@SUFFIX
@pytest.mark.parametrize("lost", range(1, 200, 7))
def test_cut_near_the_end(intact, suffix, lost):
    same_or_refused(intact, suffix, lambda content: content[:-lost])


@SUFFIX
@settings(max_examples=50, deadline=None)
@given(place=PLACE, block=st.binary(min_size=1, max_size=40))
def test_bytes_put_in_between(intact, suffix, place, block):
    def damage(content):
        start = int(place * len(content))
        return content[:start] + block + content[start:]

    same_or_refused(intact, suffix, damage)


@pytest.mark.parametrize("suffix", [".nc", ".gsd"])
def test_damage_is_named_as_such(tmp_path, make_configurations, suffix):
    path = tmp_path / f"sample{suffix}"
    files.write(make_configurations(), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidData, match="does not match its checksum; expected an undamaged file"):
        files.read(path)


def test_a_file_changed_by_another_program_is_still_read(tmp_path, make_configurations):
    dataset = make_configurations()
    files.write(dataset, tmp_path / "sample.nc")
    with h5py.File(tmp_path / "sample.nc", "r+") as file:
        file.attrs["comment"] = "looked at and found good"
    expected = dataset.assign_attrs(comment="looked at and found good")
    xr.testing.assert_identical(files.read(tmp_path / "sample.nc"), expected)


def test_seal_is_found_by_either_end(tmp_path):
    path = tmp_path / "sealed"
    path.write_bytes(b"content" * 100)
    integrity.check_seal(path)  # without a seal there is nothing to check
    integrity.seal(path)
    integrity.check_seal(path)
    sealed = path.read_bytes()
    for place in range(0, len(sealed), 5):
        damaged = bytearray(sealed)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(InvalidData, match="checksum"):
            integrity.check_seal(path)


def test_sealed_netcdf_is_ordinary_netcdf(tmp_path, make_configurations):
    dataset = make_configurations()
    netcdf.save(dataset, tmp_path / "sample.nc")
    with xr.open_dataset(tmp_path / "sample.nc", engine="h5netcdf") as plain:
        xr.testing.assert_equal(plain.load(), dataset)
