"""Networks of another project, as code, and made-up people that they tell apart by colour."""

from pathlib import Path

import numpy as np

from recognition.images import write_png

CODE = """
import torch
from torch import nn

class Colours(nn.Module):
    '''Tells people apart by red against green, if the scale is -1..1.'''

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        red, green, blue = images.flatten(2).mean(2).T
        wild = torch.sin(40 * blue), torch.cos(40 * blue)
        return torch.stack([red, green, 0.3 * wild[0], 0.3 * wild[1]], 1)

def make():
    return Colours()

class Folded(nn.Module):
    '''Convolutions without BatchNorm.'''

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convs = nn.Sequential(nn.Conv2d(3, 4, 5, 8), nn.ReLU(), nn.Conv2d(4, 6, 3, 4))
        self.linear = nn.Linear(6 * 9, 5)

    def forward(self, images):
        return self.linear(self.convs(images).flatten(1))
"""


def make_people(root: Path, people: int = 8) -> Path:
    """Write people of different reds and greens, each with images of every blue."""
    chance = np.random.default_rng(0)
    for person in range(people):
        (root / f"p{person}").mkdir()
        red, green = 255 * (0.5 + 0.45 * np.array([np.cos(person), np.sin(person)]))
        for number in range(2):
            image = np.zeros((112, 112, 3), np.uint8)
            image[:] = (red, green, chance.integers(0, 256))
            write_png(root / f"p{person}" / f"{number}.png", image)
    return root
