"""An annotation tool in memory, as FiftyOne sees one: what is uploaded waits in `TASKS` until people have edited it."""

from typing import Any

import fiftyone as fo
from fiftyone.utils.annotations import AnnotationAPI, AnnotationBackend, AnnotationBackendConfig, AnnotationResults

TASKS: dict[str, dict[str, dict[str, Any]]] = {}
"""Boxes by annotation key, sample and label id."""
CLASSES: dict[str, list[str]] = {}
"""What people may choose from, by annotation key."""


class FakeBackendConfig(AnnotationBackendConfig):
    """Takes what a tool's configuration takes: where it is."""

    def __init__(self, name: str, label_schema: Any, media_field: str = "filepath", **kwargs: Any) -> None:
        self.url = kwargs.pop("url", None)
        super().__init__(name, label_schema, media_field=media_field, **kwargs)


class FakeBackend(AnnotationBackend):
    """Serves boxes only, as CVAT and Label Studio do with these options."""

    supported_media_types = ("image",)
    supported_label_types = ("detection", "detections")
    supported_scalar_types = ()
    supported_attr_types = ("text",)
    supports_keyframes = False
    supports_video_sample_fields = False
    requires_label_schema = True

    def recommend_attr_tool(self, name: str, value: Any) -> dict[str, str]:
        return {"type": "text"}

    def requires_attr_values(self, attr_type: str) -> bool:
        return False

    def _connect_to_api(self) -> "FakeApi":
        return FakeApi()

    def upload_annotations(self, samples: Any, anno_key: str, launch_editor: bool = False) -> "FakeResults":
        ((field, info),) = self.config.label_schema.items()
        CLASSES[anno_key] = info["classes"]
        assert info["attributes"] == {}, "attributes of the program's own are not for people"
        TASKS[anno_key] = {
            sample.id: {box.id: box.copy() for box in sample[field].detections} for sample in samples.iter_samples()
        }
        ids = {sample_id: list(boxes) for sample_id, boxes in TASKS[anno_key].items()}
        return FakeResults(samples, self.config, anno_key, {field: ids}, backend=self)

    def download_annotations(self, results: "FakeResults") -> dict[str, Any]:
        (field,) = self.config.label_schema
        self.connect_to_api()
        boxes = {
            sample_id: {
                box_id: fo.Detection(id=box_id, label=box.label, bounding_box=box.bounding_box)
                for box_id, box in of_photo.items()
            }
            for sample_id, of_photo in TASKS[results.key].items()
        }
        return {field: {"detections": boxes}}


class FakeResults(AnnotationResults):
    """What went out under an annotation key."""

    def cleanup(self) -> None:
        del TASKS[self.key]

    @classmethod
    def _from_dict(cls, d: dict[str, Any], samples: Any, config: Any, anno_key: str) -> "FakeResults":
        return cls(samples, config, anno_key, d["id_map"])


class FakeApi(AnnotationAPI):
    """A connection that needs no password."""
