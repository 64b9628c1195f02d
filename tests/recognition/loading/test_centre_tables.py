"""Class centres in archives of numpy and in tables of text, as other tools write them."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from recognition.errors import InputError, InputWarning
from recognition.loading import ModelChoice, load
from recognition.loading.centre_texts import read_text_centres
from tests.recognition.loading.files import save, state_of, tiny_body

CENTRES = np.random.default_rng(3).normal(size=(11, 8)).astype(np.float32)
NAMES = [f"Ann {letter}_Able" for letter in "ABCDEFGHIJK"]
ORDER = [3, 1, 0, 2, 10, 9, 8, 7, 6, 5, 4]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("model") / "backbone.pth", state_of(tiny_body(inner_norm=False)))


def read(model, path, **options):
    return load(ModelChoice(model, preset="insightface", centres=path, **options))


def lines(rows, separator=",", names=None):
    text = [separator.join(map(repr, map(float, row))) for row in rows]
    return (
        text if names is None else [f"{name}{separator}{row}" for name, row in zip(names, text, strict=True)]
    )


HEADER = ",".join(f"v{number}" for number in range(8))
#: What a table has; all have the same centres.
TEXTS = {
    "savetxt": "\n".join(["# 11 classes", *lines(CENTRES, " ")]),
    "comma": "\n".join(lines(CENTRES)),
    "windows": "\ufeff" + "\r\n".join([HEADER, *lines(CENTRES)]) + "\r\n\r\n",
    "semicolon": "\n".join(lines(CENTRES, ";")),
    "tab": "\n".join(lines(CENTRES, "\t")),
    "spaces": "\n".join(f"  {row}  " for row in lines(CENTRES, "   ")),
    "pandas without index": "\n".join([",".join(map(str, range(8))), *lines(CENTRES)]),
    "pandas": "\n".join([",0,1,2,3,4,5,6,7", *lines(CENTRES, names=range(11))]),
    "pandas, shuffled": "\n".join([f"label,{HEADER}", *lines(CENTRES[ORDER], names=ORDER)]),
    "counted from 1": "\n".join([",".join(map(str, range(1, 9))), *lines(CENTRES)]),
    "across": "\n".join(lines(CENTRES.T)),
    "quoted": "\n".join(",".join(f'"{float(one)!r}"' for one in row) for row in CENTRES),
}


@pytest.mark.parametrize("ending", [".csv", ".txt", ".TSV"])
@pytest.mark.parametrize("form", TEXTS)
def test_tables_of_text_are_read(form, ending, tmp_path, model):
    path = tmp_path / f"centres{ending}"
    path.write_text(TEXTS[form], encoding="utf-8", newline="")
    recogniser = read(model, path)
    torch.testing.assert_close(recogniser.centres, F.normalize(torch.from_numpy(CENTRES)))
    assert recogniser.class_names is None


def test_the_first_column_of_a_table_names_the_classes(tmp_path, model):
    path = tmp_path / "centres.csv"
    path.write_text("\n".join([f"name,{HEADER}", *lines(CENTRES, names=NAMES)]))
    recogniser = read(model, path)
    torch.testing.assert_close(recogniser.centres, F.normalize(torch.from_numpy(CENTRES)))
    assert recogniser.class_names == tuple(NAMES)
    with pytest.raises(InputError, match=r"expected rows without names with --subcentres, got names"):
        read(model, path, subcentres=3)


def test_rows_of_a_table_may_be_subcentres(tmp_path, model):
    path = tmp_path / "centres.csv"
    rows = np.stack([CENTRES, CENTRES / 2], 1).reshape(22, 8)
    path.write_text("\n".join(lines(rows)))
    recogniser = read(model, path, subcentres=2)
    torch.testing.assert_close(recogniser.centres, F.normalize(torch.from_numpy(CENTRES)))
    assert len(read(model, path, classes=11).centres) == 11


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got no row of numbers"),
        (f"{HEADER}\n", "got no row of numbers"),
        ("\n".join([*lines(CENTRES), "1,2,3"]), "expected 8 cells in line 12, as in the first one, got 3"),
        ("\n".join([*lines(CENTRES), "1,2,3,4,5,6,7,"]), "expected numbers in line 12, got ''"),
        ("\n".join([*lines(CENTRES), "1,2,3,4,5,6,7,1_0"]), "expected numbers in line 12, got '1_0'"),
        ("\n".join(lines(CENTRES, ";")).replace(".", ","), "with decimal points"),
        ("\n".join([*lines(CENTRES), "1,2,3,4,5,6,7,nan"]), "finite, non-zero.*the first is class 11"),
        ("\n".join([*lines(CENTRES), "1,2,3,4,5,6,7,1e60"]), "finite, non-zero.*the first is class 11"),
        ("\n".join(lines(CENTRES[:, :5])), r"\(classes, 8\) or \(8, classes\), got \(11, 5\)"),
        ("\n".join(f"{row},7" for row in lines(CENTRES)), "class of line 1 in its first cell"),
        ("\n".join(lines(CENTRES, names=["Ann"] * 11)), "one row for each class, got several of 'Ann'"),
        ("\n".join(["1,x,3,4,5,6,7,8", *lines(CENTRES)]), "expected numbers in line 1, got 'x'"),
        ("a\0b,c\n1,2\n", "expected "),
    ],
)
def test_other_tables_of_text_are_refused(text, message, tmp_path, model):
    path = tmp_path / "centres.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read(model, path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_refused(encoding, tmp_path):
    path = tmp_path / "centres.csv"
    path.write_text(
        "\n".join(lines(CENTRES, names=["Zo\xeb" + str(number) for number in range(11)])), encoding
    )
    with pytest.raises(InputError, match=r"in UTF-8"):
        read_text_centres(path, 8)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("arrays", "names"),
    [
        ({"arr_0": CENTRES}, None),
        ({"centres": CENTRES.astype(np.float16).astype(">f8")}, None),
        ({"kernel": CENTRES.T.copy()}, None),
        ({"weight": np.asfortranarray(CENTRES), "scale": np.float32(64), "epoch": np.array(3)}, None),
        ({"centers": CENTRES, "spread": np.ones((11, 8))}, None),
        ({"centers": CENTRES, "names": np.array(NAMES)}, NAMES),
        ({"centers": CENTRES, "names": np.array([name.encode() for name in NAMES])}, NAMES),
        ({"centers": CENTRES, "person_ids": np.arange(100, 111)}, [str(one) for one in range(100, 111)]),
        ({"centers": CENTRES[ORDER], "labels": np.array(ORDER)}, None),
        ({"centers": CENTRES, "counts": np.arange(11)}, None),
    ],
)
def test_archives_are_read(arrays, names, compressed, tmp_path, model):
    (np.savez_compressed if compressed else np.savez)(tmp_path / "centres.npz", **arrays)
    recogniser = read(model, tmp_path / "centres.npz")
    expected = F.normalize(torch.from_numpy(CENTRES))
    torch.testing.assert_close(recogniser.centres, expected, atol=1e-3, rtol=0)
    assert recogniser.class_names == (None if names is None else tuple(names))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"a": CENTRES, "b": CENTRES},
            r"expected one array of .*'a' \(11, 8\) and 'b' \(11, 8\); save it alone",
        ),
        ({"a": CENTRES[:, :5]}, r"\(classes, 8\) or \(8, classes\), got 'a' float32 \(11, 5\)"),
        ({"a": np.array(["x"])}, r"got 'a' <U1 \(1,\)"),
        ({"a": np.array([{}], object)}, "got no array, and pickled objects, which are never read, in 'a'"),
        ({"a": np.full((3, 8), np.nan)}, "finite, non-zero centres.*class 0"),
        ({"centres": CENTRES, "labels": np.zeros(11, int)}, "one row for each class, got several of '0'"),
    ],
)
def test_other_archives_are_refused(arrays, message, tmp_path, model):
    np.savez(tmp_path / "centres.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read(model, tmp_path / "centres.npz")


class Bomb:
    """Ends the test if it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_no_pickle_of_an_archive_is_loaded(tmp_path, model):
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": (1,)}
    np.lib.format.write_array_header_1_0(file, header)
    with zipfile.ZipFile(tmp_path / "centres.npz", "w") as archive:
        archive.writestr("names.npy", file.getvalue() + pickle.dumps([Bomb()]))
        file = io.BytesIO()
        np.save(file, CENTRES)
        archive.writestr("centres.npy", file.getvalue())
    assert len(read(model, tmp_path / "centres.npz").centres) == 11


def test_pickled_names_of_an_archive_are_reported(tmp_path, model):
    np.savez(tmp_path / "centres.npz", centres=CENTRES, names=np.array(NAMES, object))
    with pytest.warns(InputWarning, match=r"'names' has pickled objects, which are never read.*astype\(str"):
        assert read(model, tmp_path / "centres.npz").class_names is None


def test_names_of_no_unicode_are_refused(tmp_path, model):
    # A character beyond Unicode's last one, on which Python itself ends with an internal error.
    names = np.full(11, 0x110000, np.uint32).view("U1")
    np.savez(tmp_path / "centres.npz", centres=CENTRES, names=names)
    with pytest.raises(InputError, match="expected names as texts, got damaged ones"):
        read(model, tmp_path / "centres.npz")


def test_an_archive_that_holds_far_more_than_it_has_is_refused(tmp_path, model):
    with zipfile.ZipFile(tmp_path / "centres.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(300 << 20))
    most = (256 << 20) + 8 * (tmp_path / "centres.npz").stat().st_size
    message = f"at most {most:,} bytes of centres in a file of this size, got 314,572,800"
    with pytest.raises(InputError, match=message):
        read(model, tmp_path / "centres.npz")


@pytest.mark.parametrize("ending", [".mat", ".h5", ".parquet", ".xlsx", ".pkl", ""])
def test_files_of_other_kinds_are_refused_with_what_is_read(ending, tmp_path, model):
    path = tmp_path / f"centres{ending}"
    path.write_bytes(b"something else")
    with pytest.raises(
        InputError, match=r"torch file, \.npy, .*\.npz, \.csv, .*got the ending '.*numpy\.save"
    ):
        read(model, path)


def test_a_torch_file_may_have_any_ending(tmp_path, model):
    path = save(tmp_path / "head.model", {"weight": torch.from_numpy(CENTRES)})
    assert len(read(model, path).centres) == 11


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (CENTRES.astype(np.complex64), "expected class centres of real numbers, got complex ones"),
        (CENTRES.astype(str), r"a \.npy file of centres .*save their numbers alone: numpy\.save"),
        (np.zeros(3, [("a", "i4")]), r"a \.npy file of centres .*save their numbers alone: numpy\.save"),
    ],
)
def test_other_numbers_are_refused(array, message, tmp_path, model):
    np.save(tmp_path / "centres.npy", array)
    with pytest.raises(InputError, match=message):
        read(model, tmp_path / "centres.npy")


@pytest.mark.parametrize("name", ["embeddings", "arr", "W_c"])
def test_the_only_matrix_of_a_file_is_taken_whatever_its_name(name, tmp_path, model):
    source = save(tmp_path / "head.pth", {name: torch.from_numpy(CENTRES), "epoch": 3})
    torch.testing.assert_close(read(model, source).centres, F.normalize(torch.from_numpy(CENTRES)))


def test_several_matrices_are_named(tmp_path, model):
    rows = torch.from_numpy(CENTRES)
    source = save(tmp_path / "head.pth", {"a.weight": rows, "b.weight": rows[:5]})
    message = r"head\.pth: expected one matrix .*got 'a.weight' \(11, 8\) and 'b.weight' \(5, 8\); save one"
    with pytest.raises(InputError, match=message):
        read(model, source)


def test_names_with_spaces_before_lists(tmp_path):
    path = tmp_path / "centres.tsv"
    rows = [f"{name}\t{row.tolist()}" for name, row in zip(NAMES, CENTRES, strict=True)]
    path.write_text("\n".join(rows))
    centres, names = read_text_centres(path, 8)
    assert names == NAMES
    torch.testing.assert_close(centres, torch.from_numpy(CENTRES))
