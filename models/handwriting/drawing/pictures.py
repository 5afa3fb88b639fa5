"""Endless batches of pictures of the 801 classes, drawn on the device that learns from them."""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from models.handwriting.drawing.bank import NONE, Bank
from models.handwriting.drawing.forms import ink_page, paper, rule, scan
from models.handwriting.drawing.hands import rand, randn, write
from models.handwriting.drawing.ink import CANVAS, Places, draw_printed, draw_written, neighbours, place

NOTHING = 0.03  # of the pictures show none of the characters
PEN = 1.3  # px, the radius of most pens in a picture 64 px high
BLANK, SCRIBBLE, PIECE = 0.2, 0.15, 0.15  # of those; the others are other characters


@dataclass(frozen=True)
class Able:
    """What a bank can draw in one way: forms, bool (forms,), and the classes whose first form is among them."""

    forms: Tensor
    classes: Tensor
    none: bool  # among the classes

    @classmethod
    def of(cls, bank: Bank, forms: Tensor) -> "Able":
        every = bank.classes.unique()
        classes = every[forms[torch.searchsorted(bank.classes, every)]]
        return cls(forms, classes, bool((classes == NONE).any()))


class Pictures:
    """Draws from a bank: ``written`` of the characters stroke by stroke, the others from a font's glyphs."""

    def __init__(self, bank: Bank, written: float = 0.6) -> None:
        self.bank, self.written = bank, written
        self.writable, self.printable = Able.of(bank, bank.counts > 0), Able.of(bank, bank.first.diff() > 0)

    @torch.no_grad()
    def draw(self, count: int, size: int, freedom: float = 1.0) -> tuple[Tensor, Tensor]:
        """Float32 (count, size, size, 3), RGB, 0 to 255, and their classes, int64 (count,).

        ``freedom`` is from 0, for characters as they are printed, large, and on white paper, to 1.
        """
        pixels, _, labels = self.draw_pages(count, freedom)
        if size != CANVAS:
            pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True).round()
        return pixels.permute(0, 2, 3, 1), labels

    @torch.no_grad()
    def draw_pages(self, count: int, freedom: float = 1.0) -> tuple[Tensor, Places, Tensor]:
        """Squares (count, 3, 64, 64) as serving pads them, where the pictures lie in them, and their classes."""
        split = round(count * self.written)
        written = self.choose_forms(split, self.writable, freedom)
        printed = self.choose_forms(count - split, self.printable, freedom)
        return self.draw_forms(written, printed, freedom)

    def draw_forms(self, written: Tensor, printed: Tensor, freedom: float) -> tuple[Tensor, Places, Tensor]:
        """Pictures of those forms, int64 (N,) each, in any order."""
        count = len(written) + len(printed)
        places = place(count, str(written.device), freedom)
        first, rest = slice(0, len(written)), slice(len(written), count)
        pieces = []
        if len(written):
            hands = write(self.bank.strokes[written], self.bank.counts[written], freedom)
            pieces.append(draw_written(hands, part(places, first), pens(written, freedom)))
        if len(printed):
            glyphs = self.bank.glyphs[self.bank.choose_glyphs(printed)]
            pieces.append(draw_printed(glyphs, part(places, rest), freedom))
        # Mixed, so that the characters beside one another come from both.
        order = torch.randperm(count, device=written.device)
        labels, places = self.bank.classes[torch.cat([written, printed])][order], part(places, order)
        ink = spoil(torch.cat(pieces)[order], labels == NONE)
        ink = neighbours(ink, places, freedom)
        page = scan(ink_page(rule(paper(ink, freedom), places, freedom), ink, freedom), freedom)
        return pad(page, places), places, labels

    def choose_forms(self, count: int, able: "Able", freedom: float) -> Tensor:
        """Forms to draw, int64 (count,), of those that the bank is able to."""
        labels = able.classes[torch.randint(max(1, len(able.classes)), (count,), device=able.classes.device)]
        if able.none:
            nothing = torch.rand(count, device=labels.device) < NOTHING * freedom
            labels = torch.where(nothing, NONE, labels)
        forms = self.bank.choose_forms(labels)
        # Another form of the class that can't be drawn is drawn as its first.
        return torch.where(able.forms[forms], forms, torch.searchsorted(self.bank.classes, labels))


def pens(like: Tensor, freedom: float) -> Tensor:
    """Radii of as many pens, in px of a picture's height of 64: (N,)."""
    return (PEN * torch.exp(freedom * 0.38 * randn(like))).clamp(0.7, 3.8)


def spoil(ink: Tensor, none: Tensor) -> Tensor:
    """Some of the pictures of none of the characters are blank, a scribble, or a piece of a character."""
    kind = rand(ink, 1, 1)
    other = ink.roll(1, 0)
    x = torch.arange(CANVAS, device=ink.device)
    cut = rand(ink, 1, 1, low=0.25, high=0.45) * CANVAS
    piece = other * (x < cut)
    scribble = torch.maximum(other, ink.flip(1)) * (ink.flip(2) + 0.2)
    spoiled = torch.where(kind < BLANK + SCRIBBLE + PIECE, piece, ink)
    spoiled = torch.where(kind < BLANK + SCRIBBLE, scribble, spoiled)
    spoiled = torch.where(kind < BLANK, torch.zeros_like(ink), spoiled)
    return torch.where(none[:, None, None], spoiled, ink)


def part(places: Places, chosen: slice | Tensor) -> Places:
    """Some of the places."""
    return Places(**{name: value[chosen] for name, value in vars(places).items()})


def pad(page: Tensor, places: Places) -> Tensor:
    """Black right of the picture, or below it, as serving pads it to a square."""
    axis = (torch.arange(CANVAS, device=page.device) + 0.5) / CANVAS * places.side[:, None]
    inside = (axis < places.width[:, None])[:, None] & (axis < 1)[:, :, None]
    return page * inside[:, None]


def cut_out(page: Tensor, places: Places, number: int) -> Image.Image:
    """The picture of that number, of a page (3, 64, 64), without the black that pads it."""
    scale = CANVAS / float(places.side[number])
    width, height = round(float(places.width[number]) * scale), round(scale)
    return Image.fromarray(page[:, :height, :width].permute(1, 2, 0).to(torch.uint8).numpy())
