"""The query meter: it counts every image that is shown to a black box, and keeps a budget."""

from collections.abc import Callable
from typing import Any

from recognition.errors import InputError

#: Images that are shown once, and serve the attacks on all people.
SHARED = ""


class BudgetSpentError(InputError):
    """More images would be shown than the budget allows.

    Args:
        wanted: How many images were to be shown.
        left: How many may still be shown.
    """

    #: Answers about the first images of the query, which were sent before others took what was left.
    answers: Any = ()

    def __init__(self, wanted: int, left: int) -> None:
        super().__init__(
            f"queries: expected room for {wanted} more images, got {left}; raise --queries, or try again "
            "where attempts failed"
        )


class QueryMeter:
    """Counts the images that are shown to a black box, by purpose and by attacked person.

    An image that is sent again after a failure counts again, and so does its mirror image: what is counted is
    what the other side sees, and could bill or limit.

    Args:
        budget: The largest number of images for each attacked person. Those that serve all people, such as
            public faces, count in full for each. None sets no limit.

    Raises:
        InputError: If the budget is below 1.
    """

    def __init__(self, budget: int | None = None) -> None:
        if budget is not None and budget < 1:
            raise InputError(f"queries: expected 1 or more, got {budget}; raise --queries")
        self.budget = budget
        self._shown: dict[str, int] = {}
        self._people: dict[str, int] = {}
        #: Images that had to be sent again; they are among those counted.
        self.retries = 0
        #: Images of each person that are kept for later: until it is lowered, they cannot be spent.
        self.reserved = 0
        #: Is called after images were counted, before they are sent.
        self.on_charge: Callable[[], None] = lambda: None

    @property
    def count(self) -> int:
        """The number of images shown so far, for all people."""
        return sum(self._shown.values())

    def spent(self, person: str = SHARED) -> int:
        """Return the number of images that were shown for a person, with those that serve all.

        Args:
            person: The person; `SHARED` is whoever has had the most.
        """
        shared = self._people.get(SHARED, 0)
        if person != SHARED:
            return shared + self._people.get(person, 0)
        return shared + max((one for name, one in self._people.items() if name != SHARED), default=0)

    def left(self, person: str = SHARED) -> int | None:
        """Return how many images may be shown now for a person, or for all; None without a budget."""
        return None if self.budget is None else max(0, self.budget - self.reserved - self.spent(person))

    def charge(self, images: int, purpose: str, *, person: str = SHARED, again: bool = False) -> None:
        """Count images before they are sent.

        Args:
            images: How many.
            purpose: What they are shown for, for the report.
            person: Whose attack they serve; `SHARED` is everybody's.
            again: Whether they were sent before, and failed.

        Raises:
            BudgetSpentError: If the budget has no room for all of them; none is counted then.
        """
        left = self.left(person)
        if left is not None and images > left:
            raise BudgetSpentError(images, left)
        self._shown[purpose] = self._shown.get(purpose, 0) + images
        self._people[person] = self._people.get(person, 0) + images
        self.retries += images if again else 0
        self.on_charge()

    def describe(self) -> dict[str, object]:
        """Return budget, number of images shown, their purposes and retries, as JSON."""
        return {
            "budget_for_each_person": self.budget,
            "most_for_one_person": self.spent(),
            "count": self.count,
            "by_purpose": dict(self._shown),
            "retries": self.retries,
        }
