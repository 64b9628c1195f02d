"""Sub-center ArcFace: each class has several centres, of which the nearest one counts."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.heads.fixed_margin import ArcFaceHead

#: Factor by which votes decay at each step. A vote's weight halves in about 700 steps, so that the
#: assignments of an untrained network do not count at the end.
VOTE_DECAY = 0.999


class SubCentreArcFaceHead(ArcFaceHead):
    """ArcFace with several centres per class and max pooling over their cosines.

    Mislabelled images tend to lie near the non-dominant centres of their class, which is how
    `recognition.training.cleaning` finds them.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        scale: Radius of the hypersphere.
        margin: Additive angular margin, radians, in [0, pi/2].
        subcentres: Number of centres per class, the paper's K.

    Raises:
        InputError: If an option is out of range.

    Source: Deng et al., Sub-center ArcFace, ECCV 2020, section 3.2.
    """

    one_centre_per_class = False
    votes: Tensor

    def __init__(
        self,
        embedding_size: int,
        classes: int,
        *,
        scale: float = 64.0,
        margin: float = 0.5,
        subcentres: int = 3,
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale, margin=margin)
        if not 1 <= subcentres <= 100:
            raise InputError(f"subcentres: expected 1 to 100 centres per class, got {subcentres}")
        self.weight = nn.Parameter(torch.empty(classes, subcentres, embedding_size))
        nn.init.normal_(self.weight, std=0.01)
        self.register_buffer("votes", torch.zeros(classes, subcentres))

    @property
    def subcentres(self) -> Tensor:
        """All centres at unit norm, shape (classes, subcentres, embedding_size)."""
        return F.normalize(self.weight, dim=2)

    @property
    def centres(self) -> Tensor:
        """The dominant centre of each class, shape (classes, embedding_size).

        It is the centre that most of the class's images were nearest to in recent steps.
        """
        return self.subcentres[torch.arange(self.classes, device=self.votes.device), self.votes.argmax(1)]

    def extra_tensors(self) -> dict[str, Tensor]:
        return {"subcentres": self.subcentres.detach()}

    def cosines(self, embeddings: Tensor) -> Tensor:
        return self._all_cosines(embeddings).amax(2)

    def _all_cosines(self, embeddings: Tensor) -> Tensor:
        return F.linear(F.normalize(embeddings), self.subcentres.flatten(0, 1)).unflatten(
            1, self.weight.shape[:2]
        )

    def logits(self, embeddings: Tensor, labels: Tensor, margin_fraction: float) -> Tensor:
        if self.training:
            self._vote(embeddings, labels)
        return super().logits(embeddings, labels, margin_fraction)

    @torch.no_grad()
    def _vote(self, embeddings: Tensor, labels: Tensor) -> None:
        own = torch.einsum("bd,bkd->bk", embeddings, self.subcentres[labels])
        self.votes.mul_(VOTE_DECAY)
        ones = torch.ones(len(labels), dtype=self.votes.dtype, device=self.votes.device)
        self.votes.index_put_((labels, own.argmax(1)), ones, accumulate=True)
