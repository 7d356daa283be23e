"""Sessions in the real FiftyOne App, by keys and mouse in a real browser, and what comes of them."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from bson import ObjectId
from pymongo import MongoClient

from curation.arms import accepted_pictures
from curation.journal import read_journal
from curation.ledger import RoundFolder
from curation.mongod import running
from curation.records import Batch, Review
from tests.e2e.browser import NEEDED, address_of, open_first, opened, photograph
from tests.e2e.conftest import CURATE, curate, draw, own_environment
from training.files import write_bytes

if TYPE_CHECKING:
    from playwright.sync_api import Page

NARROW = 0.12  # width of the corrected box
POOL, ASKED = 12, 6
pytestmark = NEEDED


def narrow_a_box(page: "Page", width: float) -> None:
    """Correct a box as people do who know the number: in the App's own form, which saves by itself."""
    page.get_by_text("Annotate", exact=True).click()
    page.locator("[data-cy=modal]").get_by_text("disc", exact=True).last.click()  # the others are in the story
    width_field = page.locator("[data-cy=modal]").get_by_text("width", exact=True)
    box_width = width_field.locator("xpath=following::input[1]")
    with page.expect_response(lambda response: response.request.method == "PATCH") as saved:
        box_width.fill(str(width))
        box_width.press("Enter")
    assert saved.value.status == 200
    page.get_by_text("Explore", exact=True).click()


def test_a_person_reviews_in_the_app_and_all_of_it_counts(workspace: Path, page: "Page", tmp_path: Path) -> None:
    batch = json.loads(curate("generate", "-C", workspace, "--json"))
    sitting = subprocess.Popen(
        [*CURATE, "review", "-C", workspace],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=own_environment(CURATE_REVIEWER="ann"),
    )
    try:
        seen = _decide_on_four(page, address_of(sitting), batch["made"], workspace, tmp_path)
        out, said = sitting.communicate(timeout=60)
    finally:
        sitting.kill()
        sitting.wait()
    assert sitting.returncode == 0, said
    assert f"4 of {batch['made']} pictures decided by people: 3 accepted, 1 rejected" in out
    assert "looks unreal 1" in out
    assert out.rstrip().endswith(f"next: curate review -C {workspace} --auto")

    journal = read_journal(workspace)
    told = {key: (each.accepted, each.reason, each.reviewer) for key, each in journal.said.items()}
    good, bad = (True, "", "ann"), (False, "looks unreal", "ann")
    assert told == {seen[0]: good, seen[1]: good, seen[2]: bad, seen[3]: good}
    assert list(journal.boxes) == [seen[3]]

    review = Review.model_validate_json(curate("review", "--auto", "-C", workspace, "--json"))
    folder = RoundFolder(workspace / "rounds" / "001", 1, lambda: 0.0)
    generated = folder.read("generate", Batch)
    assert generated is not None
    learned = {picture.request_id: picture for picture in accepted_pictures(folder, generated, review)}
    assert {seen[0], seen[1], seen[3]} <= learned.keys()
    assert seen[2] not in learned
    assert NARROW in [round(label.xyxy[2] - label.xyxy[0], 6) for label in learned[seen[3]].labels]
    assert _tags(workspace, seen) == ["accepted", "accepted", "rejected", "accepted"]
    photos_are_selected_labelled_and_taken_in(workspace, page, tmp_path)


def _decide_on_four(page: "Page", url: str, made: int, workspace: Path, tmp_path: Path) -> list[str]:
    """Accept two, reject one, accept a fourth and take that back, correct a box of it, accept it, end the session."""
    page.goto(url)
    page.get_by_text(f"0 of {made} decided").wait_for()
    page.locator("canvas").first.wait_for()
    photograph(page, "session", tmp_path)
    seen = [open_first(page)]
    page.get_by_text("the champion sees").last.wait_for()
    for key in "aa4":
        page.keyboard.press(key)
        seen.append(opened(page, seen[-1]))
    page.locator("[data-cy=modal]").get_by_text(f"3 of {made} decided").wait_for()
    photograph(page, "picture", tmp_path)
    assert "3 of" in curate("review", "--collect", "-C", workspace), "another terminal joins the session's database"
    page.keyboard.press("a")
    after = opened(page, seen[3])
    page.keyboard.press("u")
    assert opened(page, after) == seen[3], "undo opens the picture that it was about"
    narrow_a_box(page, NARROW)  # just after an operator wrote on the sample: the App has to know of that
    page.keyboard.press("a")
    opened(page, seen[3])
    page.locator("[data-cy=modal]").get_by_text(f"4 of {made} decided").wait_for()
    page.locator("[data-cy=modal]").get_by_text("End the session").click()
    return seen


def photos_are_selected_labelled_and_taken_in(workspace: Path, page: "Page", tmp_path: Path) -> None:
    """Go on in the same workspace: from a pool of unlabelled photos to an import."""
    pool, rng = tmp_path / "pool", np.random.default_rng(3)
    for number in range(POOL):
        write_bytes(pool / f"{number}.png", cv2.imencode(".png", draw(rng)[0])[1].tobytes())
    (pool / "half.png").write_bytes((pool / "0.png").read_bytes()[:500])
    selection = json.loads(
        curate("select", "--pool", pool, "--n", ASKED, "--to", "fiftyone", "-C", workspace, "--json")
    )
    assert sum(selection["shares"].values()) == ASKED
    assert [item["file"] for item in selection["refused"]] == ["half.png"]

    sitting = subprocess.Popen(
        [*CURATE, "review", "--what", "photos", "-C", workspace],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=own_environment(CURATE_REVIEWER="ann"),
    )
    try:
        labelled = _label_two(page, address_of(sitting), tmp_path)
        out, said = sitting.communicate(timeout=60)
    finally:
        sitting.kill()
        sitting.wait()
    assert sitting.returncode == 0, said
    assert "2 selected photos labelled" in out

    brought = json.loads(curate("add", "--labelled", "--by", "ann", "-C", workspace, "--json"))
    assert sum(brought["photos"].values()) == 2
    assert (brought["returned"]["photos"], brought["returned"]["by"]) == (2, "ann")
    again = curate("add", "--labelled", "-C", workspace, expect=2)
    assert "no selected photo carries the tag labelled" in again
    picked = [json.loads(line) for line in (workspace / "selections" / "001.picks.jsonl").read_text().splitlines()]
    assert labelled == [pick["photo_id"] for pick in picked[:2]], "in the order of the picks"


def _label_two(page: "Page", url: str, tmp_path: Path) -> list[str]:
    page.goto(url)
    page.get_by_text(f"0 of {ASKED} photos labelled").wait_for()
    page.locator("canvas").first.wait_for()
    photograph(page, "selection", tmp_path)
    seen = [open_first(page)]
    for _ in range(2):
        page.keyboard.press("l")
        seen.append(opened(page, seen[-1]))
    photograph(page, "photo", tmp_path)
    page.locator("[data-cy=modal]").get_by_text(f"2 of {ASKED} photos labelled").wait_for()
    page.locator("[data-cy=modal]").get_by_text("End the session").click()
    return seen[:2]


def _tags(workspace: Path, request_ids: list[str]) -> list[str]:
    """Give the tag that FiftyOne shows on each picture."""
    name = json.loads((workspace / "data" / "imports" / "001.json").read_text())["dataset"]
    with running(workspace / "db") as uri, MongoClient[dict[str, Any]](uri) as client:
        dataset = client["fiftyone"]["datasets"].find_one({"name": name})
        assert dataset is not None
        samples = client["fiftyone"][dataset["sample_collection_name"]]
        found = [samples.find_one({"_id": ObjectId(request_id)}) or {} for request_id in request_ids]
    return [next(tag for tag in sample["tags"] if tag != "synthetic") for sample in found]
