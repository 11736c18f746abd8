"""What a torture tried and what it found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """``tried`` is one line for people; each finding is a broken promise; how long it took."""

    tried: str = ""
    found: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def expect(self, holds: object, finding: str) -> None:
        """Note the finding unless the promise holds."""
        if not holds:
            self.found.append(finding)

    def lines(self) -> list[str]:
        """The outcome for printing; long lists of findings are cut."""
        shown = [f"  FOUND {one}" for one in self.found[:20]]
        if len(self.found) > len(shown):
            shown.append(f"  and {len(self.found) - len(shown)} more")
        return [f"  tried {self.tried}", *(shown or ["  found nothing wrong"])]
