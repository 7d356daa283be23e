"""What people said about findings, added up to what they want done about each.

* what was said later counts, and each of confirmation, action and number of pictures stands for itself
* to dismiss a finding takes back what was said before; so does `as tested`, which says nothing instead
* to confirm a dismissed finding, or to give it an action or a number, takes the dismissal back

No test is changed by it: an open finding stays open, and its action says who confirmed it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from curation.records import ActionName, FindingEdit


@dataclass(frozen=True)
class Wish:
    """What people want done about a finding in the end; each with the name of who said so last."""

    confirmed_by: str = ""
    dismissed_by: str = ""
    reason: str = ""
    """Why it was dismissed, empty where nobody said."""
    action: ActionName | None = None
    action_by: str = ""
    pictures: int | None = None
    pictures_by: str = ""

    @property
    def dismissal(self) -> str:
        """Give `dismissed by ann: not our cameras`, empty where nobody dismissed it."""
        if not self.dismissed_by:
            return ""
        return f"dismissed by {self.dismissed_by}" + (f": {self.reason}" if self.reason else "")

    @property
    def choice(self) -> tuple[ActionName | None, str]:
        """Give the action that was chosen and by whom; a number of pictures alone is a choice, too, and 0 is none."""
        if self.pictures is not None and self.action in (None, "generate"):
            return ("generate" if self.pictures else "nothing"), self.pictures_by
        return self.action, self.action_by


NO_WISH = Wish()


def wishes_of(edits: Iterable[FindingEdit]) -> dict[str, Wish]:
    """Add up what people said, in the order in which they did, to their wishes by finding id."""
    wishes: dict[str, Wish] = {}
    for edit in edits:
        wish = _after(wishes.get(edit.finding_id, NO_WISH), edit)
        wishes[edit.finding_id] = wish
    return {finding_id: wish for finding_id, wish in wishes.items() if wish != NO_WISH}


def _after(wish: Wish, edit: FindingEdit) -> Wish:
    if edit.says == "dismissed":
        return Wish(dismissed_by=edit.reviewer, reason=edit.reason)
    if edit.says == "as tested":
        wish = NO_WISH
    if edit.says == "confirmed":
        wish = replace(wish, confirmed_by=edit.reviewer, dismissed_by="", reason="")
    if edit.action is not None:
        wish = replace(wish, action=edit.action, action_by=edit.reviewer, dismissed_by="", reason="")
    if edit.pictures is not None:
        wish = replace(wish, pictures=edit.pictures, pictures_by=edit.reviewer, dismissed_by="", reason="")
    return wish
