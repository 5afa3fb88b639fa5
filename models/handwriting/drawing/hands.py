"""Characters written stroke by stroke by many hands, a batch at a time, on any device.

A hand moves, turns, bends and shrinks the strokes and the parts of a character, joins some strokes, rounds corners
and presses more or less. What comes out is points along the pen's way, each with the width of the pen.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.handwriting.drawing.bank import POINTS

DOTS = 448  # points along the pen's way, evenly
PARTS = 4  # that a character is cut into at most, in the order of writing
WAVES = 3  # that bend the paper as rubber
ROUNDS = 6  # of rounding the corners


@dataclass(frozen=True)
class Written:
    """Points (N, DOTS, 2) in the square from -1 to 1, and the pen's width at each, of its mean: (N, DOTS)."""

    points: Tensor
    widths: Tensor


def rand(like: Tensor, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Evenly from low to high, (N, *shape)."""
    return torch.rand(len(like), *shape, device=like.device) * (high - low) + low


def randn(like: Tensor, *shape: int) -> Tensor:
    """Normally, (N, *shape)."""
    return torch.randn(len(like), *shape, device=like.device)


def write(strokes: Tensor, counts: Tensor, freedom: float = 1.0) -> Written:
    """Characters by as many hands, of strokes (N, 36, 10, 2) of which the first ``counts`` (N,) are there.

    ``freedom`` from 0, as printed, to 1.
    """
    there = torch.arange(strokes.shape[1], device=strokes.device) < counts[:, None]
    looseness = freedom * rand(strokes, 1, low=0.1, high=1.35)
    haste = freedom * rand(strokes, 1, low=-0.35, high=1.15).clamp(min=0)
    moved = vary(shift_parts(strokes, there, looseness), looseness)
    moved = wave(lean(moved.flatten(1, 2), freedom), freedom * rand(strokes, 1, high=0.11))
    moved = moved.view(strokes.shape)
    there = drop(there, 0.015 * looseness)
    joined = join(moved, there, haste)
    nodes, drawn = moved.flatten(1, 2), edges(there, joined)
    nodes = round_corners(nodes, drawn, haste * rand(strokes, 1))
    return follow(frame(nodes, there.repeat_interleave(POINTS, 1)), drawn, press(there, looseness))


def shift_parts(strokes: Tensor, there: Tensor, looseness: Tensor) -> Tensor:
    """The character cut, in the order of writing, into parts, each of a size and place of its own."""
    number = torch.arange(strokes.shape[1], device=strokes.device)
    cuts = rand(strokes, PARTS - 1, 1) * 1.3 * there.sum(1)[:, None, None]  # some lie behind the last stroke
    part = (number >= cuts).sum(1)
    member = torch.nn.functional.one_hot(part, PARTS).to(strokes.dtype) * there[..., None]
    middle = torch.einsum("nsp,nsc->npc", member, strokes.mean(2)) / member.sum(1).clamp(min=1)[..., None]
    scale = torch.exp(0.17 * looseness[..., None] * randn(strokes, PARTS, 2))
    shift = 0.07 * looseness[..., None] * randn(strokes, PARTS, 2)
    offset = middle * (1 - scale) + shift
    return strokes * pick(scale, part) + pick(offset, part)


def pick(values: Tensor, part: Tensor) -> Tensor:
    """(N, PARTS, 2) of each stroke's part: (N, strokes, 1, 2)."""
    return values.gather(1, part[..., None].expand(-1, -1, 2))[:, :, None]


def vary(strokes: Tensor, looseness: Tensor) -> Tensor:
    """Each stroke turned, made longer or shorter, bowed, cut short at its end, and moved."""
    count = strokes.shape[1]
    middle = strokes.mean(2, keepdim=True)
    local = strokes - middle
    angle = 0.11 * looseness * randn(strokes, count)
    cos, sin = angle.cos()[..., None], angle.sin()[..., None]
    x, y = local.unbind(-1)
    scale = torch.exp(0.15 * looseness * randn(strokes, count))[..., None, None]
    turned = scale * torch.stack([cos * x - sin * y, sin * x + cos * y], -1)
    chord = strokes[:, :, -1] - strokes[:, :, 0]
    # A bow across the stroke, deepest in its middle, as long as its chord.
    arc = torch.linspace(0, torch.pi, POINTS, device=strokes.device).sin()[:, None]
    depth = (0.07 * looseness * randn(strokes, count))[..., None, None]
    bow = depth * arc * torch.stack([-chord[..., 1], chord[..., 0]], -1)[:, :, None]
    # A quick hand turns a bent stroke into a straighter one.
    ease = (0.3 * looseness * rand(strokes, 1))[..., None, None]
    along = torch.linspace(0, 1, POINTS, device=strokes.device)[:, None]
    straight = turned[:, :, :1] + along * (turned[:, :, -1:] - turned[:, :, :1])
    shift = 0.045 * looseness[..., None] * randn(strokes, count, 2)
    return middle + turned + ease * (straight - turned) + bow + shift[:, :, None]


def lean(points: Tensor, freedom: float) -> Tensor:
    """Slanted, turned and rising to the right, as the writer's every character is."""
    slant, rise = 0.13 * freedom * randn(points, 1), freedom * (0.09 * randn(points, 1) - 0.06)
    x, y = points.unbind(-1)
    return torch.stack([x + slant * y, y + rise * x], -1)


def wave(points: Tensor, strength: Tensor) -> Tensor:
    """Points (N, M, 2) in the square from -1 to 1, moved as by rubber; ``strength`` (N, 1) of a half side."""
    turns = 2.2 * randn(points, WAVES, 2)
    phase = rand(points, WAVES, high=2 * torch.pi)
    height = strength[..., None] * randn(points, WAVES, 2)
    return points + torch.sin(points @ turns.mT + phase[:, None]) @ height


def drop(there: Tensor, chance: Tensor) -> Tensor:
    """A stroke left out here and there; never the first."""
    kept = there & (rand(there, there.shape[1]) >= chance)
    kept[:, 0] = True
    return kept


def join(strokes: Tensor, there: Tensor, haste: Tensor) -> Tensor:
    """Which strokes run into the next, bool (N, 35): a hasty hand joins those that are near."""
    gap = (strokes[:, 1:, 0] - strokes[:, :-1, -1]).norm(dim=-1)
    near = haste * torch.exp(-1.5 * gap)
    return (rand(gap, gap.shape[1]) < near) & there[:, 1:] & there[:, :-1]


def edges(there: Tensor, joined: Tensor) -> Tensor:
    """Whether the pen draws from each of the strokes' points to the next one: bool (N, 36 * 10 - 1)."""
    inside = there[..., None].expand(-1, -1, POINTS - 1)
    between = torch.nn.functional.pad(joined, (0, 1))[..., None]
    return torch.cat([inside, between], -1).flatten(1)[:, :-1]


def round_corners(nodes: Tensor, drawn: Tensor, strength: Tensor) -> Tensor:
    """Every point drawn towards its neighbours; the ends of a line stay."""
    pull = (drawn[:, 1:] & drawn[:, :-1])[..., None] * (0.4 * strength)[..., None]
    for _ in range(ROUNDS):
        inner = nodes[:, 1:-1]
        middle = (nodes[:, 2:] + nodes[:, :-2]) / 2
        nodes = torch.cat([nodes[:, :1], inner + pull * (middle - inner), nodes[:, -1:]], 1)
    return nodes


def frame(nodes: Tensor, there: Tensor) -> Tensor:
    """The character's longer side from -1 to 1; its shorter one is at least 0.6 of that."""
    low = nodes.masked_fill(~there[..., None], torch.inf).amin(1, keepdim=True)
    high = nodes.masked_fill(~there[..., None], -torch.inf).amax(1, keepdim=True)
    span = (high - low).amax(-1, keepdim=True)
    span = torch.maximum(high - low, 0.6 * span) + 1e-3
    return (nodes - (low + high) / 2) * (2 / span)


def press(there: Tensor, looseness: Tensor) -> Tensor:
    """The pen's width at each of the strokes' points, of its mean: (N, 36 * 10)."""
    stroke = torch.exp(0.14 * looseness * randn(there, there.shape[1]))
    along = torch.linspace(-1, 1, POINTS, device=there.device)
    taper = 1 + (0.25 * looseness * randn(there, 1))[..., None] * along + 0.1 * (along.abs() - 0.5)
    return (stroke[..., None] * taper).flatten(1).clamp(0.4, 2.0)


def follow(nodes: Tensor, drawn: Tensor, widths: Tensor) -> Written:
    """Evenly many points along what the pen draws."""
    length = (nodes[:, 1:] - nodes[:, :-1]).norm(dim=-1) * drawn + 1e-6 * drawn
    reached = length.cumsum(1)
    step = (torch.arange(DOTS, device=nodes.device) + 0.5) / DOTS
    at = (reached[:, -1:] * step).contiguous()
    edge = torch.searchsorted(reached, at).clamp(max=length.shape[1] - 1)
    here = length.gather(1, edge)
    part = (1 - (reached.gather(1, edge) - at) / here.clamp(min=1e-6)).clamp(0, 1)
    both = torch.cat([nodes, widths[..., None]], -1)
    index = edge[..., None].expand(-1, -1, 3)
    found = torch.lerp(both.gather(1, index), both.gather(1, index + 1), part[..., None])
    return Written(found[..., :2], found[..., 2])
