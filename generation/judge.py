"""Ask a zero-shot detector what it sees in pictures: OWLv2 or OWL-ViT, which is told in words what to look for.

Minderer et al., "Scaling open-vocabulary object detection" (NeurIPS 2023) and "Simple open-vocabulary object detection
with vision transformers" (ECCV 2022). Other zero-shot detectors of transformers, such as Grounding DINO, read all
phrases as one text and name what they see by words of it, not by its phrases: they are refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from generation.fitting import Batches
from generation.gligen_weights import pick_device
from generation.grounding import Pixels
from generation.judge_files import JUDGE_ID, digest_of_folder, folder_of, weights_of
from generation.sighting import Sighting
from training.boxes import Floats
from training.errors import ModelError
from training.files import digest_of

MIN_SCORE = 0.01
"""Sightings below it are left out: far below any bound that a calibration finds."""
MAX_SIGHTINGS = 100  # of a class in a picture
"""The best so many of a picture are given; a place in the picture can be several classes."""
BATCH_COUNT = 8
Tensor = Any
"""`torch.Tensor`: torch is imported when it is needed."""


class ZeroShotJudge:
    """A loaded judge, in single precision. Not for several threads at once."""

    def __init__(self, model: Any, processor: Any, tokenizer: Any, *, name: str, device: str) -> None:
        self.model, self.processor, self.tokenizer = model, processor, tokenizer
        self.device = device
        self.batches = Batches(BATCH_COUNT, device)
        self._name = name

    @classmethod
    def load(cls, model: str = JUDGE_ID, *, device: str | None = None, allow_download: bool = False) -> Self:
        """Load a folder or a hub id; `device` is `cpu`, `cuda`, `cuda:1` or `1`, None for the best there is.

        A hub id that is not on this machine is fetched only with `allow_download`. Raises `ModelError` for what is not
        a whole OWLv2 or OWL-ViT.
        """
        place = pick_device(device)
        folder = folder_of(model, allow_download=allow_download)
        weights = weights_of(folder)
        network, processor, tokenizer = _loaded(folder, weights)
        digest = digest_of([digest_of_folder(folder), MIN_SCORE, MAX_SIGHTINGS])
        name = Path(model).name if Path(model).expanduser().is_dir() else model.partition("@")[0]
        return cls(network.to(place), processor, tokenizer, name=f"{name} {digest[:12]}", device=place)

    @property
    def name(self) -> str:
        """Give what it is: the last part of its folder or its hub id, and a digest of all that decides its answers."""
        return self._name

    @property
    def side_px(self) -> int:
        """Side of the square that it looks at."""
        return int(self.model.config.vision_config.image_size)

    def look(self, pictures: Sequence[Pixels], phrases: Sequence[str]) -> list[Sighting]:
        """Give what it sees in each picture (h, w, 3) in blue, green, red; one phrase a class, in their order.

        Pictures have any size and shape. Where memory does not suffice, the batch is halved for good. Raises
        `ModelError` for a phrase that its tokenizer would cut, and where memory does not suffice for one picture.
        """
        tokens = self._tokens(phrases)
        return self.batches.of(pictures, lambda batch: self._seen(batch, tokens))

    def _tokens(self, phrases: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Give the numbers and the mask of the phrases' tokens, (c, n) each."""
        limit = int(self.model.config.text_config.max_position_embeddings)
        for phrase in phrases:
            if (count := len(self.tokenizer(phrase, truncation=False, verbose=False).input_ids)) > limit:
                raise ModelError(
                    f"the judge reads {limit} tokens, and {phrase!r} has {count}",
                    hint="give the class a shorter judged_as in the vocabulary",
                )
        tokens = self.tokenizer(list(phrases), padding="max_length", max_length=limit, return_tensors="pt")
        return tokens.input_ids.to(self.device), tokens.attention_mask.to(self.device)

    def _seen(self, pictures: Sequence[Pixels], tokens: tuple[Tensor, Tensor]) -> list[Sighting]:
        import torch

        inputs, shapes = zip(*(self._prepared(picture) for picture in pictures), strict=True)
        with torch.no_grad():
            output = self.model(
                input_ids=tokens[0].repeat(len(pictures), 1),
                attention_mask=tokens[1].repeat(len(pictures), 1),
                pixel_values=torch.cat(inputs),
            )
        scores = output.logits.float().sigmoid().cpu().numpy().astype(np.float64)
        boxes = output.pred_boxes.float().cpu().numpy().astype(np.float64)
        pads = self.model.config.model_type == "owlv2"
        return [
            best_of(score, corners_of(box, shape, padded=pads))
            for score, box, shape in zip(scores, boxes, shapes, strict=True)
        ]

    def _prepared(self, picture: Pixels) -> tuple[Tensor, tuple[int, int]]:
        """Give a picture (1, 3, side, side) as the model takes it, and the height and width that it had before.

        A picture far larger than the model's is averaged to about twice its size first: the library's own filter takes
        time with the fourth power of the scale, and single pictures keep its memory small.
        """
        import torch

        pixels = torch.from_numpy(picture[:, :, ::-1].copy()).to(self.device).permute(2, 0, 1)
        if (factor := max(pixels.shape) // (2 * self.side_px)) > 1:
            pixels = torch.nn.functional.avg_pool2d(pixels.float(), factor, ceil_mode=True).round().byte()
        made = self.processor(pixels, input_data_format="channels_first", return_tensors="pt", device=self.device)
        return made.pixel_values, (int(pixels.shape[1]), int(pixels.shape[2]))


def corners_of(boxes: Floats, shape: tuple[int, int], *, padded: bool) -> Floats:
    """Turn a model's boxes (k, 4), centre and size, into corners as fractions of the picture, cut off at its border.

    `shape` is height and width. OWLv2 pads a picture at its right or bottom to a square, and its boxes are fractions of
    that; OWL-ViT squeezes it into one. A box in the padding has no area left.
    """
    height, width = shape
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    scale = max(height, width) / np.array([width, height, width, height]) if padded else 1.0
    return np.asarray(np.clip(corners * scale, 0, 1))


def best_of(scores: Floats, corners: Floats) -> Sighting:
    """Choose among scores (k, c) of boxes (k, 4) and classes: the best that are not below the floor, surest first."""
    has_area = ((corners[:, 2:] - corners[:, :2]) > 0).all(axis=1, keepdims=True)
    box, label = np.nonzero((scores >= MIN_SCORE) & has_area)
    order = np.lexsort((-scores[box, label], label))  # scores of two classes do not compare: each has its own places
    place = np.arange(len(order)) - np.searchsorted(label[order], label[order])
    kept = order[place < MAX_SIGHTINGS]
    kept = kept[np.argsort(-scores[box[kept], label[kept]], kind="stable")]
    box, label = box[kept], label[kept]
    return Sighting(label=label, xyxy=corners[box], score=scores[box, label])


def _loaded(folder: Path, weights: Path) -> tuple[Any, Any, Any]:
    """Load the model and what prepares its pictures and texts; raises `ModelError` where they are not of one model."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with _told_of(folder):
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        kind = "Owlv2" if config.model_type == "owlv2" else "OwlViT"
        model, info = getattr(transformers, f"{kind}ForObjectDetection").from_pretrained(
            folder,
            config=config,
            use_safetensors=weights.suffix == ".safetensors",
            weights_only=True,
            dtype="float32",
            local_files_only=True,
            output_loading_info=True,
        )
        processor = getattr(transformers, f"{kind}ImageProcessor").from_pretrained(folder, local_files_only=True)
        tokenizer = transformers.CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    if missing := sorted(info["missing_keys"]):  # the library would fill them with chance
        raise _mixed(folder, f"{weights.name} lacks {len(missing)} tensors, such as {missing[0]}")
    side = config.vision_config.image_size
    if (processor.size.height, processor.size.width) != (side, side):
        raise _mixed(folder, f"the model looks at pictures of {side} px, and they are made {processor.size.height} px")
    if len(tokenizer) > config.text_config.vocab_size:
        raise _mixed(folder, f"the model knows {config.text_config.vocab_size} tokens, and there are {len(tokenizer)}")
    return model.eval(), processor, tokenizer


@contextmanager
def _told_of(folder: Path) -> Iterator[None]:
    """Turn what the libraries raise about a folder's files into one sentence."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise _mixed(folder, (str(error).strip().splitlines() or [type(error).__name__])[0]) from error


def _mixed(folder: Path, reason: str) -> ModelError:
    return ModelError(
        f"{folder} cannot be used as a judge: {reason}",
        hint="fetch the folder again: its files are damaged or not of one model",
    )
