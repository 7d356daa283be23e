"""Finding the files of a pipeline; the hub is a small server of our own that speaks its protocol."""

import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from generation.gligen_files import choose, folder_of, tensor_names, weights_of
from tests.generation.tiny_pipeline import save
from training.errors import ModelError

COMMIT = "a" * 40


class Hub(BaseHTTPRequestHandler):
    """Serves one repository, `owner/name`, from a folder."""

    root: Path
    asked: list[str]

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = self.path.split("?")[0]
        self.asked.append(path)
        names = sorted(file.relative_to(self.root).as_posix() for file in self.root.rglob("*") if file.is_file())
        headers, data = {}, None
        if path.startswith("/api/models/owner/name/tree"):
            data = [{"type": "file", "path": n, "size": (self.root / n).stat().st_size, "oid": "0"} for n in names]
        elif path.startswith("/api/models/owner/name"):
            data = {"id": "owner/name", "sha": COMMIT, "siblings": [{"rfilename": n} for n in names]}
        elif (name := path.partition(f"/owner/name/resolve/{COMMIT}/")[2]) in names:
            data = (self.root / name).read_bytes()
            headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        body = data if isinstance(data, bytes) else json.dumps(data or {}).encode()
        self.send_response(404 if data is None else 200)
        for key, value in {**headers, "Content-Length": str(len(body)), "Content-Type": "application/json"}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    Hub.root, Hub.asked = save(tmp_path / "hub", old=True), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"  # made of the address when it is imported
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    yield Hub
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_hub_id_is_fetched_only_where_downloads_are_allowed_and_once(hub):
    with pytest.raises(ModelError, match="owner/name is not on this machine and downloads are not allowed"):
        folder_of("owner/name", allow_download=False)
    assert hub.asked == []
    (hub.root / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"in single precision, and not wanted")
    (hub.root / "unet" / "custom.py").write_text("raise SystemExit")
    folder = folder_of("owner/name", allow_download=True)
    fetched = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert "unet/diffusion_pytorch_model.fp16.bin" in fetched
    assert not fetched & {"unet/diffusion_pytorch_model.bin", "unet/custom.py"}
    assert set(weights_of(folder, half_first=True)) == {"unet", "vae", "text_encoder"}
    hub.asked.clear()
    assert folder_of("owner/name", allow_download=False) == folder_of("owner/name", allow_download=True) == folder
    assert hub.asked == []


def test_a_copy_that_lacks_files_is_completed(hub):
    folder = folder_of("owner/name", allow_download=True)
    (folder / "vae" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"lacks vae/config\.json"):
        weights_of(folder_of("owner/name", allow_download=False), half_first=True)
    assert weights_of(folder_of("owner/name", allow_download=True), half_first=True)


@pytest.mark.parametrize("model", ["owner/other", "owner/name@other"], ids=["no such id", "no such revision"])
def test_what_the_hub_does_not_have_is_said(hub, model):
    shutil.rmtree(hub.root)
    with pytest.raises(ModelError) as caught:
        weights_of(folder_of(model, allow_download=True), half_first=True)
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "model", ["nothing", "a/b/c", "./a", "/a/b", "-a/b--c", "a b/c"], ids=lambda model: f"'{model}'"
)
def test_a_name_that_is_neither_folder_nor_id_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError):
        folder_of(model, allow_download=False)


@pytest.mark.parametrize(
    ("names", "half_first", "chosen"),
    [
        (["unet/diffusion_pytorch_model.fp16.bin", "unet/diffusion_pytorch_model.safetensors"], True, 1),
        (["unet/diffusion_pytorch_model.fp16.bin", "unet/diffusion_pytorch_model.bin"], True, 0),
        (["unet/diffusion_pytorch_model.fp16.bin", "unet/diffusion_pytorch_model.bin"], False, 1),
        (["unet/model.safetensors"], True, None),
    ],
    ids=["safetensors before a pickle", "half precision for a GPU", "full precision for a CPU", "another name"],
)
def test_the_best_file_of_those_that_are_there_is_chosen(names, half_first, chosen):
    assert choose("unet", names.__contains__, half_first=half_first) == (None if chosen is None else names[chosen])


def test_a_file_without_named_tensors_is_refused(tmp_path):
    import torch

    torch.save([torch.ones(2)], tmp_path / "a.bin")
    with pytest.raises(ModelError, match="does not hold named tensors"):
        tensor_names(tmp_path / "a.bin")
