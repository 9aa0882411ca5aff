"""Results of the rows of scale.py: a line with figures, and what the budget says of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """`value` is what the budget is held against: at most `budget`; None where there is none."""

    name: str
    figures: str
    value: float = 0.0
    budget: float | None = None
    unit: str = ""

    @property
    def missed(self) -> bool:
        return self.budget is not None and self.value > self.budget

    def line(self) -> str:
        if self.budget is None:
            return f"{self.name:<58} {self.figures}"
        verdict = "MISSED" if self.missed else "met"
        return f"{self.name:<58} {self.figures}   ({self.value:.2f}{self.unit}, budget <= {self.budget:g}{self.unit}: {verdict})"
