"""Errors without options, commands and names of code."""

import re

import pytest

from app.wording import PageError, for_page, report_words
from arcinvert import Attacker, InputError
from arcinvert.audit.overlap import AuditOverlap
from arcinvert.knowledge.public_photographs import Overlap
from arcinvert.subjects.names import find_name
from recognition.images import decode_image
from recognition.recogniser import Recogniser
from tests.conftest import TINY_NAMES


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "Seed: expected a whole number from 0 up, got -1",
            "Seed must be a whole number from 0 up, not -1.",
        ),
        (
            "a.json: expected the JSON of a finished audit, got something else",
            "a.json is not the audit.json of a finished audit.",
        ),
        (
            "a.json: expected a finished audit of arcinvert-audit-2, got 'arcinvert-audit-1'; audit again",
            "a.json: this page reads finished audits of the form arcinvert-audit-2, not 'arcinvert-audit-1'. "
            "Make the audit again.",
        ),
        (
            "Report: expected one audit.json, and at most one HTML file; choose them again",
            "Choose one audit.json, and no more than one HTML file beside it.",
        ),
        ("m₁: expected 0.5 to 4, got 0.4", "m₁ must be from 0.5 to 4, not 0.4."),
        ("Yaw: expected a number from -40 to 40, got 41", "Yaw must be a number from -40 to 40, not 41."),
        (
            "Steps: expected a number from 1 to 500, got nothing",
            "Steps is empty. Type a number from 1 to 500.",
        ),
        (
            "photo.jpg: expected a face, the detector found none; choose a clear frontal photograph",
            "No face was found in photo.jpg. Choose a clear frontal photograph.",
        ),
        (
            "photo.png: expected at most 50,000,000 pixels, got 10000x10000; shrink it first",
            "photo.png has more than 50,000,000 pixels. Choose a smaller photograph.",
        ),
        ("seed: expected 0 or more, got -1; give --seed", "Seed: expected 0 or more, got -1."),
        (
            "photo.jpg: expected at most 20 MB, got more; choose a smaller file",
            "photo.jpg is larger than 20 MB. Choose a smaller file.",
        ),
        ("memory: lower --samples or --steps", "Memory: lower samples or steps."),
        (
            "a.json: damaged; run 'arcinvert audit' again",
            "a.json: damaged.",
        ),
    ],
)
def test_messages(message: str, shown: str) -> None:
    assert for_page(InputError(message)) == shown


def test_a_sentence_of_the_page_stays_as_it_is() -> None:
    assert for_page(PageError("seed: --seed; numpy")) == "seed: --seed; numpy"


def refusal(attacker: Attacker, **wanted: object) -> str:
    with pytest.raises(InputError) as refused:
        attacker.generate(steps=1, **wanted)
    return for_page(refused.value)


def test_people_that_a_network_does_not_know(tiny_attacker: Attacker) -> None:
    assert refusal(tiny_attacker, class_id=99) == (
        "This network has nobody with the number 99. Its people have the numbers 0 to 4."
    )
    unknown = refusal(tiny_attacker, class_name="serena williams")
    assert unknown.startswith("This network does not know serena williams. ")
    near = refusal(tiny_attacker, class_name=TINY_NAMES[0][:-1] + "x")
    assert TINY_NAMES[0] in near


def test_names_are_suggested_as_people_write_them_and_only_if_they_are_alike() -> None:
    names = ["Dianne_Feinstein", "Jennifer_O'Neal", "Zydrunas_Ilgauskas"]

    def shown(wanted: str) -> str:
        with pytest.raises(InputError) as refused:
            find_name(wanted, names)
        return for_page(refused.value)

    assert shown("dianne feinsteinn") == (
        "This network does not know dianne feinsteinn. Names like it that it knows: Dianne Feinstein."
    )
    assert "Jennifer O'Neal." in shown("Jennifer O'Neall")
    assert shown("qq") == "This network does not know qq. Choose somebody from the list."
    assert shown("it's") == "This network does not know it's. Choose somebody from the list."


def test_overlap_in_words_of_the_page_and_without_names() -> None:
    one = Overlap(True, ("image 1",), ()).refused()
    assert for_page(one).startswith("This photograph is among the faces that the attacker knows already")
    with pytest.raises(InputError) as refused:
        AuditOverlap(Overlap(True, ("Ann Able/1.jpg",), ("Ann Able",)), ()).refuse()
    shown = for_page(refused.value)
    assert shown.startswith("Some of the people in the folder are among")
    assert "Ann" not in shown


def test_what_is_no_photograph() -> None:
    with pytest.raises(InputError) as refused:
        decode_image(b"no picture", name="notes.txt")
    shown = for_page(refused.value)
    assert shown.startswith("notes.txt: this is not a photograph that can be read. JPEG, PNG")
    assert "HEIC" in shown


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("No policy was set (--max-sar).", "No policy was set."),
        (
            "Only one independent judge was used; give a second one with --judges.",
            "Only one independent judge was used.",
        ),
        (
            "LPIPS is left out: the package lpips is not installed (pip install 'arcinvert[lpips]').",
            "LPIPS is left out: the package lpips is not installed.",
        ),
        ("7 of 8 (88 %; 95 % interval 60 to 99 %).", "7 of 8 (88 %; 95 % interval 60 to 99 %)."),
        ("Of one; of two; of three.", "Of one; of two; of three."),
    ],
)
def test_a_report_without_options_of_the_command_line(sentence: str, shown: str) -> None:
    assert report_words(sentence) == shown


def test_a_network_without_identities(tiny_attacker: Attacker) -> None:
    backbone = Recogniser(tiny_attacker.recogniser.backbone, name="bare")
    with pytest.raises(InputError) as refused:
        Attacker(backbone, device="cpu", knowledge="weights").generate(0, steps=1)
    shown = for_page(refused.value)
    assert shown.startswith("The network bare keeps no identities")
    assert "'From a photograph'" in shown
    assert not re.search("--|from-image", shown)
