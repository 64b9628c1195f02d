"""Whether rows of class weights are several sub-centres of each class, one after another."""

import torch
import torch.nn.functional as F
from torch import Tensor

#: Most sub-centres of a class that are looked for; the paper of sub-centres has 3 and 10.
_MAX_COUNT = 10
#: Fewest classes that show it.
_MIN_CLASSES = 8
#: By how much neighbours of one class are more similar than those of two, in standard errors and in cosine.
#: Of 5,000 unrelated rows and nine counts, chance reaches four standard errors once in some thousand files.
_ERRORS, _DIFFERENCE = 6.0, 0.05


def likely_subcentres(rows: Tensor) -> int | None:
    """Return how many sub-centres of each class rows seem to list, class by class; None if they do not.

    Rows of one class are more similar than those of two. So where the rows are K of each class, the
    similarities of neighbours fall at every K-th of them.

    Args:
        rows: Shape (rows, dim), of any positive norm.
    """
    unit = F.normalize(rows.double())
    neighbours = (unit[:-1] * unit[1:]).sum(1)
    places = torch.arange(1, len(rows))
    best, found = _ERRORS, None
    for count in range(2, _MAX_COUNT + 1):
        if len(rows) % count or len(rows) // count < _MIN_CLASSES:
            continue
        between = places % count == 0
        one, two = neighbours[~between], neighbours[between]
        difference = float(one.mean() - two.mean())
        error = float((one.var() / len(one) + two.var() / len(two)).sqrt())
        if difference > _DIFFERENCE and difference > best * error:
            best, found = difference / max(error, 1e-12), count
    return found
