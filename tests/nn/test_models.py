"""Small models as people write them, trained with PyTorch and jitgrad from the same weights."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.nn.both import has_torch

# -- a language model of characters -------------------------------------------------------------

TEXT = "the cat sat on the mat and the dog sat on the log; the cat saw the dog. "
CHARACTERS = sorted(set(TEXT))


def char_gpt(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class CausalSelfAttention(nn.Module):
        def __init__(self, config: Any) -> None:
            super().__init__()
            assert config.n_embd % config.n_head == 0
            self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
            self.c_proj = nn.Linear(config.n_embd, config.n_embd)
            self.attn_dropout = nn.Dropout(config.dropout)
            mask = torch.tril(torch.ones(config.block_size, config.block_size))
            self.register_buffer("mask", mask.view(1, 1, config.block_size, config.block_size))
            self.n_head = config.n_head
            self.n_embd = config.n_embd

        def forward(self, x: Any) -> Any:
            B, T, C = x.size()
            q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
            k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
            q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
            v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
            att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            att = att.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
            att = self.attn_dropout(F.softmax(att, dim=-1))
            y = att @ v
            y = y.transpose(1, 2).contiguous().view(B, T, C)
            return self.c_proj(y)

    class MLP(nn.Module):
        def __init__(self, config: Any) -> None:
            super().__init__()
            self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
            self.gelu = nn.GELU()
            self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
            self.dropout = nn.Dropout(config.dropout)

        def forward(self, x: Any) -> Any:
            return self.dropout(self.c_proj(self.gelu(self.c_fc(x))))

    class Block(nn.Module):
        def __init__(self, config: Any) -> None:
            super().__init__()
            self.ln_1 = nn.LayerNorm(config.n_embd)
            self.attn = CausalSelfAttention(config)
            self.ln_2 = nn.LayerNorm(config.n_embd)
            self.mlp = MLP(config)

        def forward(self, x: Any) -> Any:
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class GPT(nn.Module):
        def __init__(self, config: Any) -> None:
            super().__init__()
            self.config = config
            self.transformer = nn.ModuleDict(
                {
                    "wte": nn.Embedding(config.vocab_size, config.n_embd),
                    "wpe": nn.Embedding(config.block_size, config.n_embd),
                    "drop": nn.Dropout(config.dropout),
                    "h": nn.ModuleList([Block(config) for _ in range(config.n_layer)]),
                    "ln_f": nn.LayerNorm(config.n_embd),
                }
            )
            self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
            self.transformer.wte.weight = self.lm_head.weight
            self.apply(self._init_weights)

        def _init_weights(self, module: Any) -> None:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0.0, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, mean=0.0, std=0.02)

        def forward(self, idx: Any, targets: Any = None) -> Any:
            _, t = idx.size()
            pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
            x = self.transformer.wte(idx) + self.transformer.wpe(pos)
            x = self.transformer.drop(x)
            for block in self.transformer.h:
                x = block(x)
            x = self.transformer.ln_f(x)
            if targets is None:
                return self.lm_head(x[:, [-1], :]), None
            logits = self.lm_head(x)
            loss = F.cross_entropy(
                logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1
            )
            return logits, loss

        @torch.no_grad()
        def generate(self, idx: Any, max_new_tokens: int) -> Any:
            for _ in range(max_new_tokens):
                logits, _ = self(idx[:, -self.config.block_size :])
                _, best = torch.topk(logits[:, -1, :], k=1, dim=-1)
                idx = torch.cat((idx, best), dim=1)
            return idx

    config = SimpleNamespace(
        vocab_size=len(CHARACTERS), block_size=12, n_layer=2, n_head=2, n_embd=16, dropout=0.0
    )
    return GPT(config)


def gpt_batch(torch: Any, step: int) -> tuple:
    codes = np.array([CHARACTERS.index(each) for each in TEXT])
    starts = np.random.default_rng(step).integers(0, len(codes) - 13, 6)
    rows = np.stack([codes[start : start + 13] for start in starts])
    return torch.tensor(rows[:, :-1]), torch.tensor(rows[:, 1:])


def gpt_loss(torch: Any, model: Any, x: Any, y: Any) -> Any:
    return model(x, y)[1]


# -- a variational autoencoder ------------------------------------------------------------------


def vae(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class VAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(20, 16)
            self.fc21 = nn.Linear(16, 3)
            self.fc22 = nn.Linear(16, 3)
            self.fc3 = nn.Linear(3, 16)
            self.fc4 = nn.Linear(16, 20)

        def encode(self, x: Any) -> Any:
            h1 = F.relu(self.fc1(x))
            return self.fc21(h1), self.fc22(h1)

        def reparameterize(self, mu: Any, logvar: Any, eps: Any) -> Any:
            std = torch.exp(0.5 * logvar)
            return mu + eps * std

        def decode(self, z: Any) -> Any:
            return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

        def forward(self, x: Any, eps: Any) -> Any:
            mu, logvar = self.encode(x.view(-1, 20))
            return self.decode(self.reparameterize(mu, logvar, eps)), mu, logvar

    return VAE()


def vae_batch(torch: Any, step: int) -> tuple:
    random = np.random.default_rng(step)
    x = (np.arange(20) % 5 < random.integers(1, 5, (8, 1))).astype("float32")
    return torch.tensor(x.reshape(8, 4, 5)), torch.tensor(random.normal(size=(8, 3)))


def vae_loss(torch: Any, model: Any, x: Any, eps: Any) -> Any:
    recon_x, mu, logvar = model(x, eps.to(x.dtype))
    bce = torch.nn.functional.binary_cross_entropy(recon_x, x.view(-1, 20), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return (bce + kld) / len(x)


# -- convolution on a graph ---------------------------------------------------------------------


def gcn(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class GCNConv(nn.Module):
        def __init__(self, in_channels: int, out_channels: int) -> None:
            super().__init__()
            self.lin = nn.Linear(in_channels, out_channels, bias=False)
            self.bias = nn.Parameter(torch.zeros(out_channels))

        def forward(self, x: Any, edge_index: Any) -> Any:
            loops = torch.arange(x.size(0)).unsqueeze(0).repeat(2, 1)
            row, col = torch.cat([edge_index, loops], dim=1)
            degree = torch.zeros(x.size(0)).scatter_add_(0, col, torch.ones(col.size(0)))
            norm = degree.pow(-0.5)[row] * degree.pow(-0.5)[col]
            messages = self.lin(x)[row] * norm.view(-1, 1)
            out = torch.zeros(x.size(0), messages.size(1)).index_add(0, col, messages)
            return out + self.bias

    class MaxPoolConv(nn.Module):
        def __init__(self, in_channels: int, out_channels: int) -> None:
            super().__init__()
            self.lin = nn.Linear(2 * in_channels, out_channels)

        def forward(self, x: Any, edge_index: Any) -> Any:
            row, col = edge_index
            index = col.view(-1, 1).expand(-1, x.size(1))
            best = torch.full_like(x, -10.0).scatter_reduce(0, index, x[row], reduce="amax")
            return self.lin(torch.cat([x, best], dim=-1))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = GCNConv(4, 8)
            self.conv2 = MaxPoolConv(8, 8)
            self.conv3 = GCNConv(8, 3)

        def forward(self, x: Any, edge_index: Any) -> Any:
            x = F.elu(self.conv1(x, edge_index))
            x = F.leaky_relu(self.conv2(x, edge_index), 0.1)
            return F.log_softmax(self.conv3(x, edge_index), dim=1)

    return Net()


def gcn_batch(torch: Any, step: int) -> tuple:
    random = np.random.default_rng(7)
    nodes = random.normal(size=(10, 4)).astype("float32")
    edges = random.integers(0, 10, (2, 25))
    labels, train = np.arange(10) % 3, np.arange(10) % 4 != 0
    return tuple(torch.tensor(each) for each in (nodes, edges, labels, train))


def gcn_loss(torch: Any, model: Any, x: Any, edges: Any, labels: Any, train: Any) -> Any:
    return torch.nn.functional.nll_loss(model(x, edges)[train], labels[train])


# -- tags for words -----------------------------------------------------------------------------


def tagger(torch: Any) -> Any:
    nn = torch.nn
    pack, pad = nn.utils.rnn.pack_padded_sequence, nn.utils.rnn.pad_packed_sequence

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(15, 6, padding_idx=0)
            self.lstm = nn.LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)
            self.fc = nn.Linear(10, 4)

        def forward(self, words: Any, lengths: Any) -> Any:
            packed = pack(self.embedding(words), lengths, batch_first=True, enforce_sorted=False)
            output, (_, _) = self.lstm(packed)
            output, _ = pad(output, batch_first=True, total_length=words.size(1))
            return self.fc(output)

    return Tagger()


def tagger_batch(torch: Any, step: int) -> tuple:
    random = np.random.default_rng(step)
    lengths = random.integers(1, 7, 5)
    words = random.integers(1, 15, (5, 6)) * (np.arange(6) < lengths[:, None])
    return torch.tensor(words), torch.tensor(lengths), torch.tensor(np.where(words, words % 4, -1))


def tagger_loss(torch: Any, model: Any, words: Any, lengths: Any, tags: Any) -> Any:
    logits = model(words, lengths)
    return torch.nn.functional.cross_entropy(
        logits.reshape(-1, 4), tags.reshape(-1), ignore_index=-1
    )


# -- actor and critic ---------------------------------------------------------------------------


def actor_critic(torch: Any) -> Any:
    nn = torch.nn

    class Policy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.affine1 = nn.Sequential(nn.Linear(2, 16), nn.Tanh())
            self.action_head = nn.Linear(16, 3)
            self.value_head = nn.Linear(16, 1)

        def forward(self, x: Any) -> Any:
            x = self.affine1(x)
            return torch.softmax(self.action_head(x), dim=-1), self.value_head(x)

    return Policy()


def episode_draws(torch: Any, step: int) -> tuple:
    return (torch.tensor(np.random.default_rng(step).random(8).astype("float32")),)


def episode_loss(torch: Any, model: Any, draws: Any) -> Any:
    """Walk towards 0 by -1, 0 or 1; what is still missing is the penalty."""
    position, saved, rewards = 3.0, [], []
    for step in range(len(draws)):
        state = torch.tensor([position, float(step)]) / 8
        probs, value = model(state)
        action = int((draws[step] > probs.cumsum(0)).sum().clamp(max=2))
        saved.append((probs.log()[action], value))
        position += action - 1
        rewards.append(-abs(position))
    returns: list[float] = []
    for reward in reversed(rewards):
        returns.insert(0, reward + 0.9 * (returns[0] if returns else 0.0))
    targets = torch.tensor(returns)
    targets = (targets - targets.mean()) / (targets.std() + 1e-6)
    policy_losses, value_losses = [], []
    for (log_prob, value), target in zip(saved, targets):
        advantage = target - value.item()
        policy_losses.append(-log_prob * advantage)
        value_losses.append(torch.nn.functional.smooth_l1_loss(value, target.view(1)))
    return torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()


# -- training -----------------------------------------------------------------------------------

MODELS = {
    "char_gpt": (char_gpt, gpt_batch, gpt_loss, 0.2),
    "vae": (vae, vae_batch, vae_loss, 0.01),
    "gcn": (gcn, gcn_batch, gcn_loss, 0.3),
    "tagger": (tagger, tagger_batch, tagger_loss, 1.0),
    "actor_critic": (actor_critic, episode_draws, episode_loss, 0.02),
}


def start(torch: Any, model: Any) -> None:
    """Give a model weights that depend on its parameters' order and shapes alone."""
    with torch.no_grad():
        for seed, (name, parameter) in enumerate(model.named_parameters()):
            values = np.random.default_rng(seed).normal(size=tuple(parameter.shape)) * 0.3
            if values.ndim == 1:
                values[:] = name.endswith("weight")  # of a normalisation; biases start at 0
            parameter.copy_(torch.tensor(values.astype("float32")))


def trained(torch: Any, name: str, steps: int, compiled: bool = False) -> tuple[Any, list[float]]:
    """Train a model; return it and its losses; with `compiled`, the step in place of the model."""
    make, batch, loss_of, lr = MODELS[name]
    model = make(torch)
    start(torch, model)

    def train(*inputs: Any) -> Any:
        loss = loss_of(torch, model, *inputs)
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= lr * parameter.grad
                parameter.grad.zero_()
        return loss

    step = torch.compile(train) if compiled else train
    losses = [step(*batch(torch, number)).item() for number in range(steps)]
    return (step if compiled else model), losses


STEPS = 12


@pytest.mark.skipif(not has_torch(), reason="torch is not installed")
@pytest.mark.parametrize("name", MODELS)
def test_losses_agree(name: str) -> None:
    import torch

    ours, losses = trained(jitgrad, name, STEPS)
    theirs, expected = trained(torch, name, STEPS)
    np.testing.assert_allclose(losses, expected, rtol=2e-4)
    for (key, mine), (other_key, other) in zip(
        ours.state_dict().items(), theirs.state_dict().items(), strict=True
    ):
        assert key == other_key
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["char_gpt", "vae", "gcn", "tagger"])
def test_losses_fall(name: str) -> None:
    _, losses = trained(jitgrad, name, 150)
    assert sum(losses[-8:]) < 0.7 * sum(losses[:8])


@pytest.mark.parametrize("name", MODELS)
def test_compiled(name: str) -> None:
    _, expected = trained(jitgrad, name, STEPS)
    step, losses = trained(jitgrad, name, STEPS, compiled=True)
    np.testing.assert_allclose(losses, expected, rtol=2e-4)
    if name in ("char_gpt", "vae"):
        assert not step.explain().exits


def test_tied_weights_and_generation() -> None:
    model, _ = trained(jitgrad, "char_gpt", 3)
    assert model.transformer.wte.weight is model.lm_head.weight
    names = [name for name, _ in model.named_parameters()]
    assert "transformer.wte.weight" in names and "lm_head.weight" not in names
    assert {"transformer.wte.weight", "lm_head.weight"} <= set(model.state_dict())
    made = model.generate(jitgrad.tensor([[0, 1]]), 14)
    assert made.shape == (1, 16) and not made.requires_grad
    if has_torch():
        import torch

        theirs, _ = trained(torch, "char_gpt", 3)
        assert made.tolist() == theirs.generate(torch.tensor([[0, 1]]), 14).tolist()
