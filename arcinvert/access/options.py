"""Options of an attack on a black box; this module does not import torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recognition.bundled import BUNDLED
from recognition.config import check, option
from recognition.errors import InputError

Access = Literal["weights", "embeddings", "scores", "decisions"]

#: The default budgets of queries for each attacked person.
QUERIES: dict[str, int] = {"embeddings": 1000, "scores": 100, "decisions": 5000}
#: The fewest queries from which anything can be learned of a black box.
FEWEST_QUERIES = 20
#: The default similarity that a local network accepts in decisions: about a false match rate of 1e-3 of a
#: strong ArcFace network.
THRESHOLD = 0.3
#: The most candidates of each image that are shown to the black box, and the queries of the budget for each:
#: they take a hundredth of it, and small budgets are left to the estimate.
MOST_CANDIDATES, QUERIES_FOR_A_CANDIDATE = 5, 100
_GROUP = "black box"


@dataclass(frozen=True)
class AccessOptions:
    """What the attacker may ask of the attacked recogniser, and what the attacker has in its place.

    Raises:
        InputError: If a value is of another type or out of its range, or the options do not go together.
    """

    access: Access = option(
        "weights",
        help="what the attacker has of the attacked recogniser: its weights, or answers only, which are "
        "embeddings, scores against the enrolled person, or decisions (yes or no)",
        group=_GROUP,
    )
    queries: int | None = option(
        help="the most images that are shown to the black box for each attacked person; images that serve "
        "all people count for each (default: 1000 for embeddings, 100 for scores, 5000 for decisions)",
        group=_GROUP,
        minimum=FEWEST_QUERIES,
    )
    black_box: str | None = option(
        help="what answers, in place of --model: an address (http:// or https://) or package.module:function",
        group=_GROUP,
        metavar="TARGET",
    )
    surrogate: str = option(
        BUNDLED,
        help="the attacker's own network, whose gradients take the place of the black box's: anything that "
        "--model takes, with @PRESET behind it if its file does not say its preprocessing",
        group=_GROUP,
        metavar="MODEL",
    )
    public_faces: Path | None = option(
        help="the folder of photographs of other people that are shown to the black box; synthetic faces are "
        "shown by default",
        group=_GROUP,
        metavar="DIR",
    )
    faces: int = option(
        2048,
        help="the number of such faces that the attacker has; those beyond the queries are seen by the "
        "surrogate alone",
        group=_GROUP,
        minimum=FEWEST_QUERIES,
    )
    refine: int = option(
        0,
        help="how many of the queries refine each image by an evolution strategy (CMA-ES)",
        group=_GROUP,
        minimum=0,
    )
    threshold: float = option(
        THRESHOLD,
        help="the least similarity that --model accepts as a black box that decides; the attack does not use "
        "it",
        group=_GROUP,
        minimum=-1,
        maximum=1,
    )
    decimals: int | None = option(
        help="the decimals that scores have, which the likelihood of the attack takes into account; --model "
        "as a black box rounds to them",
        group=_GROUP,
        minimum=1,
        maximum=10,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.access == "weights":
            given = [
                name
                for name in ("queries", "black_box", "public_faces", "decimals")
                if getattr(self, name) is not None
            ]
            if given or self.refine or self.surrogate != BUNDLED:
                name = given[0] if given else "refine" if self.refine else "surrogate"
                raise InputError(
                    f"{name}: expected it with --access embeddings, scores or decisions, got it with weights"
                )
            return
        if self.refine and self.access == "decisions":
            raise InputError("refine: expected embeddings or scores, got decisions, which have no direction")

    @property
    def query_budget(self) -> int:
        """The most images that are shown for each attacked person."""
        return self.queries if self.queries is not None else QUERIES[self.access]

    @property
    def candidates(self) -> int:
        """The candidates of each image that are shown, its end included; 1 is no choice, and not shown.

        Decisions rank none.
        """
        if self.access == "decisions":
            return 1
        return max(1, min(MOST_CANDIDATES, self.query_budget // QUERIES_FOR_A_CANDIDATE))

    def for_image(self, candidates: int) -> int:
        """Return how many are kept for each image: candidates, refinement, and the answer on the result.

        Args:
            candidates: The candidates of the image that are shown; 1 is no choice, and not shown.
        """
        chosen = candidates if candidates > 1 else 0
        # The answer on a candidate that is not refined is known.
        return chosen + self.refine + int(bool(self.refine) or not chosen)

    def for_estimate(self, samples: int, candidates: int | None = None) -> int:
        """Return how many of them are shown before the inversion.

        The others choose among candidates, refine the images, and ask for the person's template and for an
        answer on each image.

        Args:
            samples: The images of each person.
            candidates: As in `for_image`; None for as many as the budget allows.

        Raises:
            InputError: If none are left.
        """
        kept = samples * self.for_image(self.candidates if candidates is None else candidates)
        left = self.query_budget - kept - (self.access == "embeddings")
        if left < 1:
            raise InputError(
                f"queries: expected more than {kept} for {samples} images of a person, got "
                f"{self.query_budget}; raise --queries, or lower --refine or --samples"
            )
        return left
