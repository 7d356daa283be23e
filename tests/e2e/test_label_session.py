"""Photos without labels, from a pool to the next round, labelled in the real FiftyOne App by keys in a real browser."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tests.e2e.browser import NEEDED, address_of, open_first, opened, photograph
from tests.e2e.conftest import CURATE, curate, draw, own_environment
from training.files import write_bytes

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = NEEDED
POOL, ASKED = 12, 6


def test_selected_photos_are_labelled_in_the_app_and_taken_in(workspace: Path, page: "Page", tmp_path: Path) -> None:
    pool, rng = tmp_path / "pool", np.random.default_rng(3)
    for number in range(POOL):
        write_bytes(pool / f"{number}.png", cv2.imencode(".png", draw(rng)[0])[1].tobytes())
    (pool / "half.png").write_bytes((pool / "0.png").read_bytes()[:500])
    curate("analyze", "-C", workspace)
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
