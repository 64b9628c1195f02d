"""The names that options take in several packages. This module does not import torch."""

from typing import Literal

#: What the name of a device looks like, and how error messages say it: `auto`, a kind of device, or one of
#: several cards.
DEVICE_FORM = (r"auto|cpu(:0)?|mps(:0)?|cuda(:\d{1,3})?", "auto, cpu, mps, cuda or, of several cards, cuda:N")
Precision = Literal["auto", "float32", "bfloat16"]
#: Training can also use float16, because it scales the loss so that small gradients do not vanish.
TrainingPrecision = Literal["auto", "float32", "bfloat16", "float16"]
#: What changes training images at random: `full`, less of it, or the ArcFace papers' horizontal flip alone.
Augmentation = Literal["full", "mild", "flip"]
#: What happens in a training where a face cannot be read: it goes on without the face, or ends.
OnUnreadable = Literal["skip", "stop"]
#: Detector of faces: by histograms of oriented gradients (HOG), or also the convolutional network (CNN).
Detector = Literal["hog", "cnn"]
