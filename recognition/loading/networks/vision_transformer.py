"""The vision transformers of arcface_torch (`vit_t`, `vit_s`, `vit_b`, `vit_l`).

Source: Dosovitskiy et al., arXiv:2010.11929. Layout and parameter names are those of deepinsight/insightface,
recognition/arcface_torch/backbones/vit.py: no class token, ReLU6, all patches in one last linear layer.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Attention heads of all networks of arcface_torch's get_model.
HEADS = 8
#: Epsilon of the BatchNorm layers behind the patches.
_EPSILON = 2e-5


class PatchNorm(nn.Module):
    """BatchNorm with one mean and variance for each patch."""

    def __init__(self, patches: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(patches)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.bn(tokens)


class Attention(nn.Module):
    """Self-attention of `HEADS` heads, (batch, patches, dim) to the same shape."""

    def __init__(self, dim: int, *, bias: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, patches, dim = tokens.shape
        split = self.qkv(tokens).reshape(batch, patches, 3, HEADS, dim // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(split[0], split[1], split[2])
        return self.proj(mixed.transpose(1, 2).reshape(batch, patches, dim))


class Perceptron(nn.Module):
    """Two linear layers with ReLU6 between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(F.relu6(self.fc1(tokens)))


class Block(nn.Module):
    """Attention and a perceptron, each behind a norm and with a shortcut."""

    def __init__(self, dim: int, hidden: int, patches: int, *, bias: bool, batch_norm: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = (PatchNorm(patches) if batch_norm else nn.LayerNorm(dim) for _ in range(2))
        self.attn = Attention(dim, bias=bias)
        self.mlp = Perceptron(dim, hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class PatchEmbedding(nn.Module):
    """The convolution that makes one token of each patch; rows and columns left over are not read."""

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Vision transformer for normalised images of 112x112 pixels.

    Args:
        dim: Numbers of a token.
        hidden: Numbers in the middle of a perceptron.
        depth: Number of blocks.
        patch: Side of a patch in pixels.
        patches: Number of patches.
        embedding_size: Dimensions of the output.
        bias: Whether queries, keys and values have a bias.
        batch_norm: Whether the norms are BatchNorm over the patches; otherwise they are LayerNorm.
    """

    def __init__(
        self,
        *,
        dim: int,
        hidden: int,
        depth: int,
        patch: int,
        patches: int,
        embedding_size: int,
        bias: bool,
        batch_norm: bool,
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(dim, patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, patches, dim))
        # Stands for masked patches in training, and is in every file.
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.blocks = nn.ModuleList(
            Block(dim, hidden, patches, bias=bias, batch_norm=batch_norm) for _ in range(depth)
        )
        self.norm: nn.Module = PatchNorm(patches) if batch_norm else nn.LayerNorm(dim)
        self.feature = nn.Sequential(
            nn.Linear(dim * patches, dim, bias=False),
            nn.BatchNorm1d(dim, eps=_EPSILON),
            nn.Linear(dim, embedding_size, bias=False),
            nn.BatchNorm1d(embedding_size, eps=_EPSILON),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings, (batch, embedding_size), of normalised images, (batch, 3, 112, 112)."""
        tokens = self.patch_embed(images) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        return self.feature(self.norm(tokens).flatten(1))
