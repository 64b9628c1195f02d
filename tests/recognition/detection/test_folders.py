import contextlib
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recognition.cli import main as cli
from recognition.data.folders import read_folders
from recognition.detection.alignment import crop_at
from recognition.detection.folders import AlignmentReport, align_folders
from recognition.detection.search import find_face
from recognition.errors import InputError
from recognition.images import read_image, write_png

#: Photographs with a face. Worker processes take seconds to start, so all cases are aligned in one run.
GOOD = {
    "Eileen/1.jpg",
    "Eileen/2.png",
    "Eileen/turned.png",
    "Twice/same.jpg",
    "Twice/same.png",
    "Two/both.png",
}


@pytest.fixture(scope="module")
def source(astronaut, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("Eileen", "Nobody", "Twice", "Two"):
        (folder / name).mkdir()
    portrait = Image.fromarray(astronaut[:300, 60:400])
    exif = Image.Exif()
    exif[0x0112] = 6
    portrait.save(folder / "Eileen/1.jpg", quality=95)
    portrait.save(folder / "Eileen/2.png")
    portrait.rotate(90, expand=True).save(folder / "Eileen/turned.png", exif=exif)
    (folder / "Eileen/text.jpg").write_text("Not a photograph.\n")
    write_png(folder / "Nobody/blank.png", np.full((200, 200, 3), 180, dtype=np.uint8))
    data = (folder / "Eileen/1.jpg").read_bytes()
    (folder / "Nobody/cut.jpg").write_bytes(data[: len(data) // 2])
    # Two photographs whose crops would have the same name if only the stem counted.
    portrait.save(folder / "Twice/same.jpg", quality=95)
    Image.fromarray(astronaut[:300, 60:400][:, ::-1]).save(folder / "Twice/same.png")
    # The smaller face is the more central one.
    both = Image.new("RGB", (900, 300), "white")
    head = Image.fromarray(astronaut[:260, 90:370])
    both.paste(head.resize((224, 208)), (300, 40))
    both.paste(head, (600, 20))
    both.save(folder / "Two/both.png")
    return folder


@pytest.fixture(scope="module")
def aligned(source, tmp_path_factory) -> tuple[str, Path]:
    """The output of the command, and the folder of the crops."""
    destination = tmp_path_factory.mktemp("crops") / "new" / "folder"
    with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as left:
        cli.main(["align", str(source), str(destination), "--workers", "1"])
    assert left.value.code == 0
    return printed.getvalue(), destination


@pytest.fixture
def threads(monkeypatch):
    """Replace processes, which take seconds to start, by threads."""
    monkeypatch.setattr(
        "recognition.detection.folders.ProcessPoolExecutor",
        lambda workers, mp_context: ThreadPoolExecutor(workers),
    )


def test_the_command_prints_its_counts(aligned):
    printed, destination = aligned
    assert printed == (
        f"{len(GOOD)} aligned, 0 were already, 1 without a face, 2 unreadable "
        f"(listed in {destination}/align.json)\n"
    )


def test_photographs_that_were_left_out_are_listed(aligned):
    _, destination = aligned
    listed = json.loads((destination / "align.json").read_text())
    assert listed["without_face"] == ["Nobody/blank.png"]
    assert sorted(listed["unreadable"]) == ["Eileen/text.jpg", "Nobody/cut.jpg"]


def test_crops_are_those_of_the_most_central_face(aligned, source):
    _, destination = aligned
    for name in ("Eileen/1.jpg", "Eileen/2.png", "Eileen/turned.png", "Two/both.png"):
        photograph = read_image(source / name)
        expected = crop_at(photograph, find_face(photograph, name=name, pick="central"))
        assert np.array_equal(read_image((destination / name).with_suffix(".png")), expected)


def test_every_photograph_with_a_face_has_a_crop_of_its_own(aligned):
    _, destination = aligned
    crops = [path for paths in read_folders(destination).values() for path in paths]
    assert len(crops) == len(GOOD)


def test_a_folder_without_a_crop_is_not_made(aligned):
    _, destination = aligned
    assert "Nobody" not in read_folders(destination)


def test_a_second_run_keeps_the_crops_and_renews_old_ones(aligned, source, threads):
    _, destination = aligned
    crops = {path: path.stat().st_mtime_ns for path in destination.rglob("*.png")}
    renewed = source / "Eileen/2.png"
    later = (destination / "Eileen/2.png").stat().st_mtime + 10
    os.utime(renewed, (later, later))
    report = align_folders(source, destination, workers=1)
    assert report == AlignmentReport(
        aligned=1,
        cached=len(GOOD) - 1,
        without_face=("Nobody/blank.png",),
        unreadable=("Eileen/text.jpg", "Nobody/cut.jpg"),
    )
    changed = {path for path, time in crops.items() if path.stat().st_mtime_ns != time}
    assert changed == {destination / "Eileen/2.png"}


def test_nothing_to_align_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a folder of one folder per identity"):
        align_folders(tmp_path / "none", tmp_path / "crops")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="with images in it, found none"):
        align_folders(tmp_path / "empty", tmp_path / "crops")
    assert not (tmp_path / "crops").exists()


def test_a_destination_that_is_no_folder_is_refused(source, tmp_path):
    (tmp_path / "file").write_text("")
    for destination in (tmp_path / "file", tmp_path / "file" / "crops"):
        with pytest.raises(InputError, match="cannot be made"):
            align_folders(source, destination)


def test_an_unknown_detector_is_refused(source, tmp_path):
    with pytest.raises(InputError, match="detector: expected one of hog, cnn, got 'mtcnn'"):
        align_folders(source, tmp_path / "crops", detector="mtcnn")
    assert not (tmp_path / "crops").exists()


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(workers, source, tmp_path):
    with pytest.raises(InputError, match="workers"):
        align_folders(source, tmp_path / "crops", workers=workers)


def test_no_file_is_passed_over_in_silence(tmp_path, capsys):
    folder = tmp_path / "people" / "Ann"
    folder.mkdir(parents=True)
    blank = Image.new("RGB", (40, 40), "grey")
    for name, kind in (("a.jfif", "JPEG"), ("b.JPE", "JPEG"), ("c.pgm", "PPM"), ("d.hif", "JPEG")):
        blank.convert("L").save(folder / name, kind)
    # A camera's raw file begins like a TIFF, with a small preview.
    blank.save(folder / "e.dng", "TIFF")
    (folder / "f.jxl").write_bytes(b"\xff\x0a" + bytes(100))
    (folder / "g.txt").write_text("")
    (folder / ".hidden.txt").write_text("")
    blank.save(tmp_path / "people" / "nobody.png")
    crops = tmp_path / "people" / "crops"
    with pytest.raises(SystemExit) as left:
        cli.main(["align", str(tmp_path / "people"), str(crops), "--workers", "1"])
    assert left.value.code == 0
    assert capsys.readouterr().out == (
        f"0 aligned, 0 were already, 4 without a face, 2 unreadable (listed in {crops}/align.json)\n"
        "2 other files were not read (endings: .png, .txt); expected photographs in one folder per identity\n"
    )
    listed = json.loads((crops / "align.json").read_text())
    assert listed == {
        "without_face": ["Ann/a.jfif", "Ann/b.JPE", "Ann/c.pgm", "Ann/d.hif"],
        "unreadable": ["Ann/e.dng", "Ann/f.jxl"],
        "reasons": {
            "Ann/e.dng": "a camera's raw file is not read; export it as JPEG, PNG or TIFF first",
            "Ann/f.jxl": "JPEG XL is not read; convert it first, with 'djxl FILE.jxl FILE.png'",
        },
        "others": ["Ann/g.txt", "nobody.png"],
    }
