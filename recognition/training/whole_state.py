"""The state of a training as one process has it, from ranks that have a part of the class centres each."""

import contextlib
from typing import Any

from recognition.training.average import WeightAverage
from recognition.training.classifier import Classifier
from recognition.training.modules import Modules
from recognition.training.optimiser import Optimiser

#: Name of the class centres in the state of a head, and among the averages.
_CENTRES = "weight"
_AVERAGED = f"head.{_CENTRES}"


class WholeState:
    """Everything of a training that changes with its steps.

    Args:
        modules: The modules.
        classifier: How the ranks compute the loss; it knows which class centres this rank has.
        optimiser: The optimiser.
        decay: Decay of the average of the weights (see `WeightAverage`); 0 keeps none.
    """

    def __init__(
        self, modules: Modules, classifier: Classifier, optimiser: Optimiser, *, decay: float
    ) -> None:
        self.modules, self.classifier, self.optimiser = modules, classifier, optimiser
        averaged = {"backbone": modules.backbone, "head": modules.head}
        self.average = WeightAverage(averaged, decay) if decay else None

    def update_average(self, step: int) -> None:
        """Move the average of the weights, if there is one, after a step, whose number counts from 0."""
        if self.average is not None:
            self.average.update(step)

    def restart_average(self) -> None:
        """Begin the average of the weights anew, if there is one, with the weights as they are."""
        if self.average is not None:
            self.average.reset()

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the modules have the average of their weights, if there is one."""
        return contextlib.nullcontext() if self.average is None else self.average.applied()

    def collect(self) -> dict[str, Any]:
        """Return the states by name, whole on the main rank; every rank must call it."""
        head, collect = self.modules.head.state_dict(), self.classifier.collect
        state = {
            "backbone": self.modules.backbone.state_dict(),
            "head": {**head, _CENTRES: collect(head[_CENTRES])},
            "aux_losses": self.modules.aux_losses.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        if self.average is not None:
            tensors = self.average.tensors
            state["average"] = {**tensors, _AVERAGED: collect(tensors[_AVERAGED])}
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Resume from what `collect` returned on the main rank of any number of ranks.

        Raises:
            Exception: Whatever torch raises for a state that contradicts itself.
        """
        own = self.classifier.own
        self.modules.backbone.load_state_dict(state["backbone"])
        self.modules.head.load_state_dict({**state["head"], _CENTRES: state["head"][_CENTRES][own]})
        self.modules.aux_losses.load_state_dict(state["aux_losses"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            tensors = state["average"]
            self.average.load({**tensors, _AVERAGED: tensors[_AVERAGED][own]})
