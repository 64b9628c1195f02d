"""The names that options take in several packages. This module does not import torch."""

from typing import Literal

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
#: Training can also use float16, because it scales the loss so that small gradients do not vanish.
TrainingPrecision = Literal["auto", "float32", "bfloat16", "float16"]
#: What changes training images at random: `full`, less of it, or the ArcFace papers' horizontal flip alone.
Augmentation = Literal["full", "mild", "flip"]
#: What happens in a training where a face cannot be read: it goes on without the face, or ends.
OnUnreadable = Literal["skip", "stop"]
#: Detector of faces: by histograms of oriented gradients (HOG), or also the convolutional network (CNN).
Detector = Literal["hog", "cnn"]
