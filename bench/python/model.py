"""The models of the bench in PyTorch, from the weights that vaemon exports: a conditional VAE of dense layers, and what is read out of it."""

import json
import struct

import numpy as np
import torch
from torch import nn


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    kinds = {"F32": np.float32, "F64": np.float64, "I32": np.int32}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], kinds[entry["dtype"]]).reshape(entry["shape"])
    return tensors


class Mlp(nn.Module):
    def __init__(self, weights, name):
        super().__init__()
        layers = []
        count = sum(1 for key in weights if key.startswith(f"{name}/") and key.endswith("/kernel"))
        for i in range(count):
            kernel = torch.from_numpy(weights[f"{name}/{i}/kernel"].copy())
            linear = nn.Linear(*kernel.shape)
            linear.weight = nn.Parameter(kernel.T.contiguous())
            linear.bias = nn.Parameter(torch.from_numpy(weights[f"{name}/{i}/bias"].copy()))
            layers += [linear, nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.layers(x)


LOG_2PI = float(np.log(2 * np.pi))


class Cvae(nn.Module):
    """q(z|x,c), a learned p(z|c), and p(x|z,c): Gaussian with a variance per channel given c, or Bernoulli."""

    def __init__(self, weights, length, channels, latent, likelihood, low=1e-2, high=10.0):
        super().__init__()
        self.encoder = Mlp(weights, "encoder")
        self.prior = Mlp(weights, "prior")
        self.decoder = Mlp(weights, "decoder")
        self.gaussian = likelihood == "gaussian"
        if self.gaussian:
            self.variance = Mlp(weights, "likelihood/variance")
        self.length, self.channels, self.latent = length, channels, latent
        self.low, self.high = float(np.log(low)), float(np.log(high))

    def gaussian_from(self, output):
        mean, raw = output.split(self.latent, dim=1)
        return mean, torch.tanh(raw / 6) * 6

    def log_variance(self, c):
        return torch.sigmoid(self.variance(c)) * (self.high - self.low) + self.low

    def score(self, x, mask, c):
        """The scoring outputs: see src/scoring/outputs.ts."""
        batch = x.shape[0]
        z, _ = self.gaussian_from(self.encoder(torch.cat([x, c], 1)))
        p_mean, p_log_var = self.gaussian_from(self.prior(c))
        latent = (0.5 * ((z - p_mean) ** 2 * torch.exp(-p_log_var) + p_log_var + LOG_2PI)).sum(1)
        output = self.decoder(torch.cat([z, c], 1))
        if self.gaussian:
            expected = output
            precision = 0.5 * torch.exp(-self.log_variance(c))
            squared = ((x - output) ** 2).view(batch, self.length, self.channels)
            excess = squared * precision[:, None, :] * mask.view(batch, self.length, self.channels)
        else:
            expected = torch.sigmoid(output)
            p, q = x.clamp(1e-7, 1), (1 - x).clamp(1e-7, 1)
            entropy = x * torch.log(p) + (1 - x) * torch.log(q)
            beyond = nn.functional.softplus(output) - x * output + entropy
            excess = (torch.relu(beyond) * mask).view(batch, self.length, self.channels)
        parts = excess.sum(1) - excess[:, :-1].amax(1)
        seen = mask.view(batch, self.length, self.channels)
        difference = (x - expected).view(batch, self.length, self.channels)
        errors = (seen * difference).sum(1) / seen.sum(1).clamp(min=1)
        typical = expected.view(batch, self.length, self.channels)[:, -1]
        return parts.sum(1), latent, parts, errors, typical

    def score_image(self, x):
        """The reconstruction statistic of an image by a plain VAE: how much worse it is explained than by itself."""
        mean, _ = self.gaussian_from(self.encoder(x))
        output = self.decoder(mean)
        p, q = x.clamp(1e-7, 1), (1 - x).clamp(1e-7, 1)
        entropy = x * torch.log(p) + (1 - x) * torch.log(q)
        return torch.relu(nn.functional.softplus(output) - x * output + entropy).sum(1)

    def loss(self, x, mask, c):
        mean, log_var = self.gaussian_from(self.encoder(torch.cat([x, c], 1)))
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        output = self.decoder(torch.cat([z, c], 1))
        if self.gaussian:
            log_variance = self.log_variance(c)[:, None, :]
            shape = (x.shape[0], self.length, self.channels)
            squared = (x.view(shape) - output.view(shape)) ** 2
            nll = 0.5 * (squared * torch.exp(-log_variance) + log_variance + LOG_2PI)
            distortion = (nll * mask.view(shape)).sum((1, 2))
        else:
            distortion = ((nn.functional.softplus(output) - x * output) * mask).sum(1)
        p_mean, p_log_var = self.gaussian_from(self.prior(c))
        log_ratio = log_var - p_log_var
        rate = 0.5 * (torch.exp(log_ratio) + (mean - p_mean) ** 2 * torch.exp(-p_log_var) - log_ratio - 1)
        return (distortion + rate.sum(1)).mean()
