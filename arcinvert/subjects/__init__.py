"""Subjects: the identities to attack, from classes, photographs, crops or templates."""

from arcinvert.subjects.classes import (
    class_centres,
    class_label,
    class_subjects,
    training_notes,
    training_photographs,
)
from arcinvert.subjects.names import plain_name
from arcinvert.subjects.photographs import crop_subjects, face_subject, photograph_subjects, template_of
from arcinvert.subjects.references import class_list_digest, shipped_references
from arcinvert.subjects.subject import Subject
from arcinvert.subjects.templates import TemplateSubjects

__all__ = [
    "Subject",
    "TemplateSubjects",
    "class_centres",
    "class_label",
    "class_list_digest",
    "class_subjects",
    "crop_subjects",
    "face_subject",
    "photograph_subjects",
    "plain_name",
    "shipped_references",
    "template_of",
    "training_notes",
    "training_photographs",
]
