"""The detector's world: labelled photos, boxes, matching, metrics, fitting and the registry of models."""
