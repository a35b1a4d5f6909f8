"""Extended XYZ and LAMMPS dumps: what other programs write is read, everything else is refused in one sentence."""

import tracemalloc

import ase
import ase.io
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassviz import files, mixture
from glassviz.mixture import InvalidData
from glassviz.simulate.equilibration import random_start

SUFFIXES = (".extxyz", ".lammpstrj")


def dump(dataset, columns="id type x y z", bounds="pp pp pp", order=None, names="123"):
    """Configurations as LAMMPS writes them, with the box from −1."""
    length, text = dataset.attrs["box_length"], ""
    for index in range(dataset.sizes["configuration"]):
        sample = dataset.isel(configuration=index)
        text += f"ITEM: TIMESTEP\n{100 * index}\nITEM: NUMBER OF ATOMS\n{sample.sizes['particle']}\n"
        text += f"ITEM: BOX BOUNDS {bounds}\n-1.0 {length - 1!r}\n-1.0 {length - 1!r}\n-0.1 0.1\n"
        text += f"ITEM: ATOMS {columns}\n"
        rows = []
        places = zip(sample["position"].values, sample["species"].values, strict=True)
        for particle, ((x, y), species) in enumerate(places):
            values = {"id": particle + 1, "type": names[species], "element": names[species], "z": 0.0}
            values |= {"x": x - 1, "y": y - 1, "xu": x - 1 + 3 * length, "yu": y - 1 - length}
            values |= {"xs": x / length, "ys": y / length, "xsu": x / length - 2, "ysu": y / length + 1}
            rows.append(" ".join(str(values[name]) for name in columns.split()))
        text += "\n".join(rows if order is None else [rows[k] for k in order]) + "\n"
    return text


def refusal(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidData) as caught:
        files.read(path)
    sentence = str(caught.value)
    assert path.name in sentence
    assert "expected" in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def check_sentence(path, attempt):
    """Run what may be refused, but in no other way than with one sentence on the file."""
    try:
        attempt()
    except InvalidData as error:
        sentence = str(error)
    else:
        return
    assert path.name in sentence
    assert "\n" not in sentence


@settings(max_examples=20, deadline=None)
@given(samples=st.integers(1, 3), seed=st.integers(0, 2**32), known=st.booleans())
def test_extended_xyz_returns_to_eight_decimals(make_configurations, tmp_path_factory, samples, seed, known):
    dataset = make_configurations(samples=samples, seed=seed).drop_vars(["energy", "inherent_energy"])
    if not known:
        dataset = dataset.drop_vars("inherent_position").assign_attrs(temperature=np.nan)
    path = tmp_path_factory.mktemp("xyz") / "sample.extxyz"
    files.write(dataset, path)
    back = files.read(path)
    assert set(back.data_vars) == set(dataset.data_vars)
    length = dataset.attrs["box_length"]
    assert back.attrs["box_length"] == pytest.approx(length, abs=1e-8)
    np.testing.assert_equal(back.attrs["temperature"], dataset.attrs["temperature"])
    np.testing.assert_array_equal(back["species"], dataset["species"])
    for name in set(dataset.data_vars) - {"species"}:
        apart = (back[name].values - dataset[name].values + length / 2) % length - length / 2
        assert np.abs(apart).max() < 1.1e-8


def test_ase_reads_what_is_written(make_configurations, tmp_path):
    dataset = make_configurations(samples=2)
    files.write(dataset, tmp_path / "two.xyz")
    pictures = ase.io.read(tmp_path / "two.xyz", index=":", format="extxyz")
    assert len(pictures) == 2
    np.testing.assert_allclose(pictures[1].positions[:, :2], dataset["position"][1], atol=1e-8)
    assert pictures[0].info["temperature"] == 0.3


@pytest.mark.parametrize("names", ["123", "ABC"])
@pytest.mark.parametrize("properties", ["species:S:1:pos:R:3", "id:I:1:pos:R:2:species:S:1", "type:S:1:pos:R:3:v:R:2"])
def test_extended_xyz_of_other_programs(make_configurations, tmp_path, names, properties):
    dataset = make_configurations().isel(configuration=0)
    length = dataset.attrs["box_length"]
    rows = []
    for (x, y), species in zip(dataset["position"].values - length / 2, dataset["species"].values, strict=True):
        value = {"species": names[species], "type": names[species], "id": "7", "v": "0.5 nan"}
        value["pos"] = f"{x} {y}" + (" 0.25" if "pos:R:3" in properties else "")
        rows.append(" ".join(value[name] for name in properties.split(":")[::3]))
    head = f'43\nLattice="{length!r} 0 0 0 {length!r} 0 0 0 1" Properties={properties} pbc="T T F" note="µ"\n'
    (tmp_path / "other.xyz").write_text(head + "\n".join(rows) + "\n\n", encoding="utf-8")
    back = files.read(tmp_path / "other.xyz")
    np.testing.assert_array_equal(back["species"][0], dataset["species"])
    np.testing.assert_allclose(back["position"][0], mixture.wrap(dataset["position"] - length / 2, length), atol=1e-9)
    assert np.isnan(back.attrs["temperature"])


@pytest.mark.parametrize("columns", ["id type x y z", "type x y", "id type xu yu", "xs ys element", "id type xsu ysu"])
@pytest.mark.parametrize("name", ["run.lammpstrj", "run.dump", "dump.0", "positions.txt"])
def test_lammps_dump(make_configurations, tmp_path, columns, name):
    dataset = make_configurations(samples=2)
    order = np.random.default_rng(1).permutation(43) if "id" in columns else None
    (tmp_path / name).write_text(dump(dataset, columns, order=order, names="ABC" if "element" in columns else "123"))
    back = files.read(tmp_path / name)
    np.testing.assert_array_equal(back["species"], dataset["species"])
    length = dataset.attrs["box_length"]
    apart = (back["position"].values - dataset["position"].values + length / 2) % length - length / 2
    assert np.abs(apart).max() < 1e-9
    assert back.attrs["box_length"] == pytest.approx(length)


HEAD = 'Lattice="6 0 0 0 6 0 0 0 1" Properties=species:S:1:pos:R:3'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1000000\n" + HEAD + "\n", "1000000 particles; expected 1 to 90000"),
        ("9" * 400 + "\n", "does not say how many"),
        (f"2\n{HEAD}\n1 0 0 0\n", "ends after 1 particles; expected 2"),
        (f"2\n{HEAD}\n1 0 0 0\n2 0 0\n", "3 columns; expected 4"),
        (f"2\n{HEAD}\n1 0 0 0\n2 nan 0 0\n", "1 coordinates of frame 0 are not finite"),
        (f"2\n{HEAD}\n1 0 0 0\n2 left 0 0\n", "not numbers"),
        (f"2\n{HEAD}\n1 0 0 0\nFe 1 0 0\n", "unknown particle type Fe"),
        (f"2\n{HEAD}\n1 0 0 0\n2 1 0 4\n", "leave the plane"),
        (f"2\n{HEAD} pbc='F F F'\n1 0 0 0\n2 1 0 0\n", "not periodic"),
        ("2\nmade by hand\n1 0 0 0\n2 1 0 0\n", "no Lattice"),
        ("2\nLattice='6 0 0 0 7 0 0 0 1'\n1 0 0 0\n2 1 0 0\n", "6 by 7"),
        ("2\nLattice='6 1 0 0 6 0 0 0 1'\n1 0 0 0\n2 1 0 0\n", "tilted"),
        ("2\nLattice='nan 0 0 0 nan 0 0 0 1'\n1 0 0 0\n2 1 0 0\n", "expected"),
        ("2\nLattice='6 0'\n1 0 0 0\n2 1 0 0\n", "cannot be read"),
        (f"2\n{HEAD[:-1]}1000000000\n1 0 0 0\n2 1 0 0\n", "Properties that are not"),
        ("2\nLattice='6 0 0 0 6 0 0 0 1' Properties=mass:R:1\n1\n2\n", "no such columns"),
        (f"1\n{HEAD}\n1 0 0 0\n2\n{HEAD}\n1 0 0 0\n2 1 0 0\n", "another number of particles"),
        (f"1\n{HEAD}\n1 0 0 0\n1\n{HEAD.replace('6', '7')}\n1 0 0 0\n", "another box"),
        (f"1\n{HEAD} temperature=-1\n1 0 0 0\n", "the temperature is"),
        (f"1\n{HEAD} temperature 0.3\n1 0 0 0\n", "has the temperature True; expected a number"),
        (f"1\n{HEAD}:inherent_position:R:1\n1 0 0 0 0\n", "expected inherent_position:R:2"),
        (b"\x80\x04\x95pickled", "a Python pickle, which is never read"),
        (b"PK\x03\x04 zipped", "zip (npz)"),
        ("<!DOCTYPE html><html></html>", "a web page"),
        (f"1\n{'x' * 20_000}\n1 0 0 0\n", "longer than"),
    ],
)
def test_bad_extended_xyz(tmp_path, content, said):
    assert said in refusal(tmp_path / "bad.xyz", content)


def test_one_long_word_does_not_make_all_words_long(tmp_path):
    rows = [f"1 {k % 60 / 10} {k // 60 / 10} 0 {'x' * (9000 if k == 7 else 1)}" for k in range(3000)]
    (tmp_path / "long.xyz").write_text(f"3000\n{HEAD}:note:S:1\n" + "\n".join(rows))
    tracemalloc.start()
    with pytest.warns(mixture.MixtureWarning):
        assert files.read(tmp_path / "long.xyz").sizes["particle"] == 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


BOX = "ITEM: BOX BOUNDS pp pp pp\n0 6\n0 6\n-1 1\n"


def test_a_general_box_that_is_not_tilted_is_square(tmp_path):
    path = tmp_path / "general.dump"
    path.write_text(snapshot(box="ITEM: BOX BOUNDS xy xz yz pp pp pp\n0 6 0\n0 6 0\n0 1 0\n"))
    with pytest.warns(mixture.MixtureWarning):
        assert files.read(path).attrs["box_length"] == 6


def snapshot(box=BOX, count="2", columns="id type x y", rows="1 1 0 0\n2 2 1 1\n"):
    return f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{count}\n{box}ITEM: ATOMS {columns}\n{rows}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (snapshot(count="1000000"), "1000000 particles; expected 1 to 90000"),
        (snapshot(count="many"), "does not say how many"),
        (snapshot(count="3"), "ends after 2 particles"),
        (snapshot(rows="1 1 0 0\n2 2 nan 1\n"), "not finite"),
        (snapshot(rows="1 1 0 0\n2 4 1 1\n"), "unknown particle type 4"),
        (snapshot(rows="1 1 0 0\n2 2 1\n"), "3 columns; expected 4"),
        (snapshot(columns="id type vx vy"), "no positions"),
        (snapshot(columns="id mol x y"), "no types"),
        (snapshot(box=BOX.replace("pp pp pp", "ff ff pp")), "expected pp pp"),
        (snapshot(box=BOX.replace("pp pp pp", "xy xz yz pp pp pp")), "2 columns; expected 3"),
        (snapshot(box="ITEM: BOX BOUNDS xy xz yz pp pp pp\n0 6 0.5\n0 6 0\n0 1 0\n"), "tilted"),
        (snapshot(box=BOX.replace("0 6", "0 5", 1)), "5 by 6"),
        (snapshot(box=""), "before their number and box"),
        (snapshot(columns="id type x y z", rows="1 1 0 0 0\n2 2 1 1 3\n"), "leave the plane"),
        ("ITEM: TIMESTEP\n0\n", "no frame"),
        ("ITEM: SURPRISE\n0\n", "expected the headings"),
        ("atoms\n", "not beginning with ITEM"),
    ],
)
def test_bad_lammps_dump(tmp_path, content, said):
    assert said in refusal(tmp_path / "bad.dump", content)


@pytest.fixture(scope="module")
def intact(make_configurations, tmp_path_factory):
    """A sound file of each text format."""
    folder = tmp_path_factory.mktemp("text")
    dataset = make_configurations(samples=2)
    files.write(dataset, folder / "sample.extxyz")
    return folder, {".extxyz": (folder / "sample.extxyz").read_bytes(), ".lammpstrj": dump(dataset).encode()}


@pytest.mark.filterwarnings("ignore::glassviz.mixture.MixtureWarning")
@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=120, deadline=None)
@given(place=st.floats(0, 1), length=st.integers(0, 40), block=st.binary(max_size=40))
def test_damaged_text_loads_as_a_configuration_or_is_refused(intact, suffix, place, length, block):
    folder, contents = intact
    content = contents[suffix]
    start = int(place * len(content))
    path = folder / f"damaged{suffix}"
    path.write_bytes(content[:start] + block + content[start + length :])
    check_sentence(path, lambda: mixture.check(files.read(path)))


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=60, deadline=None)
@given(head=st.sampled_from([b"", b"3\n", b"ITEM: TIMESTEP\n", b"ITEM: NUMBER OF ATOMS\n3\n"]), content=st.binary())
def test_garbage_is_refused(intact, suffix, head, content):
    path = intact[0] / f"garbage{suffix}"
    path.write_bytes(head + content)
    with pytest.raises(InvalidData, match="garbage"):
        files.read(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=30, deadline=None)
@given(place=st.floats(0, 0.97))
def test_a_file_cut_short_loads_less_or_is_refused(intact, suffix, place):
    folder, contents = intact
    path = folder / f"cut{suffix}"
    path.write_bytes(contents[suffix][: int(place * len(contents[suffix]))])
    check_sentence(path, lambda: files.read(path).sizes["configuration"] == 1 or pytest.fail("half a frame"))


def test_frames_of_two_temperatures_are_refused(tmp_path):
    path = tmp_path / "two.extxyz"
    files.write(random_start(200, 1).assign_attrs(temperature=0.4), path)
    text = path.read_text()
    path.write_text(text + text.replace("temperature=0.4", "temperature=0.3"))
    with pytest.raises(InvalidData, match=r"temperatures 0\.4 and 0\.3; expected one"):
        files.read(path)
