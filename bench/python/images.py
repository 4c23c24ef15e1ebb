"""Image messages to verdicts, as an engineer would write it: images.py FOLDER. Pillow decodes and resizes, PyTorch scores a batch at once."""

import io
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from model import Cvae, read_safetensors

folder = Path(sys.argv[1])
settings = json.loads((folder / "model.json").read_text())
SIDE = settings["side"]
torch.set_num_threads(1)
torch.set_num_interop_threads(1)
model = Cvae(read_safetensors(folder / "weights.safetensors"), SIDE * SIDE, 1, settings["latent"], "bernoulli").eval()
images = [path.read_bytes() for path in sorted((folder / "images").iterdir())]


def pixels_of(message):
    image = Image.open(io.BytesIO(message))
    # A JPEG can be decoded at a fraction of its size, which is most of what there is to gain.
    image.draft("L", (SIDE, SIDE))
    image = image.convert("L")
    if image.size != (SIDE, SIDE):
        image = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image, np.float32).reshape(-1)


def score(messages):
    x = np.stack([pixels_of(message) for message in messages]) / 255
    with torch.inference_mode():
        tensor = torch.from_numpy(x)
        return model.score_image(tensor).numpy()


def take(batch, at):
    return [images[(at + i) % len(images)] for i in range(batch)]


print(json.dumps({"torch": torch.__version__, "python": sys.version.split()[0]}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    batch = request["batch"]
    if request["what"] == "outputs":
        answer = {"scores": score(take(batch, 0)).tolist()}
    else:
        done, began, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < request["seconds"]:
            flags = score(take(batch, done)) >= settings["threshold"]
            done += len(flags)
        answer = {
            "perSecond": done / (time.perf_counter() - began),
            "perCpuSecond": done / (time.process_time() - cpu),
        }
    print(json.dumps(answer), flush=True)
