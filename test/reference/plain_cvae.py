"""
The plain conditional VAE of the literature, as most write it in PyTorch: two MLPs, Bernoulli loss, standard normal prior.

`plain_cvae.py new FILE` writes its weights, freshly initialised; `plain_cvae.py run WEIGHTS INPUTS OUTPUTS` reads
weights, x and c, and writes mean, reconstruction and loss (with the posterior mean for z).
"""

import sys

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy

import safetensors

INPUT, CONDITION, HIDDEN, LATENT = 12, 4, 16, 3


class Cvae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = mlp(INPUT + CONDITION, 2 * LATENT)
        self.decoder = mlp(LATENT + CONDITION, INPUT)

    def forward(self, x, c):
        mean, log_var = self.encoder(torch.cat([x, c], 1)).chunk(2, 1)
        reconstruction = torch.sigmoid(self.decoder(torch.cat([mean, c], 1)))
        distortion = binary_cross_entropy(reconstruction, x, reduction="none").sum(1)
        return mean, log_var, reconstruction, distortion


def mlp(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, outputs),
    )


torch.manual_seed(1)
model = Cvae()
if sys.argv[1] == "new":
    safetensors.save(sys.argv[2], {name: value.numpy() for name, value in model.state_dict().items()})
else:
    weights, inputs = (safetensors.load(path)[0] for path in sys.argv[2:4])
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    with torch.no_grad():
        outputs = model(torch.from_numpy(inputs["x"]), torch.from_numpy(inputs["c"]))
    names = ["mean", "logVar", "reconstruction", "distortion"]
    safetensors.save(sys.argv[4], {name: value.numpy() for name, value in zip(names, outputs)})
