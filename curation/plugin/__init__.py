"""The plugin `@curate/review` of the FiftyOne App: decide about pictures with a key, and see their story.

A session copies this folder's `fiftyone.yml`, this file and `keys.js` into the workspace's own folder of plugins; the
rest is imported from the package. Nothing here is imported by the program but `decisions`.
"""

from typing import Any


def register(p: Any) -> None:
    """Register all operators and the panel with FiftyOne."""
    from curation.plugin.operators import OPERATORS
    from curation.plugin.panel import CuratePanel

    for each in (*OPERATORS, CuratePanel):
        p.register(each)
