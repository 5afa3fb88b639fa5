"""Trains one member: ``python -m models.handwriting.train --member NAME --bank BANK``."""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import torch

from models.handwriting.drawing.bank import open_bank
from models.handwriting.model import HERE, MEMBERS
from models.handwriting.recipe import Recipe
from models.handwriting.training import HEADINGS, Row, Training


def parse_options() -> argparse.Namespace:
    """The command line."""
    recipe = Recipe(MEMBERS[0])
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--member", choices=MEMBERS, required=True)
    add("--bank", type=Path, required=True, help="the file that models.handwriting.drawing.bank wrote")
    add("--start", type=Path, help="weights to begin with: an ensemble's, a member's, or ImageNet's")
    add("--seconds", type=float, default=recipe.seconds, help="how long to learn (default: %(default)s)")
    add("--batch", type=int, default=recipe.batch, help="default: %(default)s; 64 on a CPU")
    add("--rate", type=float, default=recipe.rate, help="the highest learning rate (default: %(default)s)")
    add("--memory", type=float, default=recipe.memory, help="of the average of the weights (default: %(default)s)")
    add("--written", type=float, default=recipe.written, help="share written by stroke (default: %(default)s)")
    add("--seed", type=int, default=recipe.seed, help="default: %(default)s")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    add("--every", type=float, default=30.0, help="seconds between the table's rows (default: %(default)s)")
    add("--judged", type=int, default=4096, help="drawn pictures to judge by, a row (default: %(default)s)")
    add("--out", type=Path, default=HERE / "trained", help="where to write (default: %(default)s)")
    return parser.parse_args()


def train(training: Training, out: Path, start: str, every: float, judged: int) -> None:
    """Learns; now and then, and at the end, prints a row and writes the weights and how they were trained."""
    losses, due, begun = [], every, time.monotonic()
    member = training.recipe.member
    device = torch.cuda.get_device_name() if training.device == "cuda" else "CPU"

    def report(passed: float) -> None:
        loss = float(torch.stack(losses).mean()) if losses else float("nan")
        aside, written = training.judge(training.aside, judged), training.judge(training.hands, judged)
        row = Row(passed, training.seen, loss, *aside, written[0])
        print(f"{member:21} {row}", flush=True)
        training.save(out / f"{member}.safetensors")
        trained = {**asdict(training.recipe), "start": start, "device": device, "pictures": row.pictures}
        trained["last"] = asdict(row)
        (out / f"{member}.json").write_text(json.dumps(trained, indent=2) + "\n", encoding="utf-8")
        losses.clear()

    for passed, loss in training.run():
        losses.append(loss)
        if passed >= due:
            report(passed)
            due += every
    report(time.monotonic() - begun)


def main() -> None:
    """Trains, and shows the table."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True
    recipe = Recipe(
        options.member,
        seconds=options.seconds,
        batch=options.batch,
        rate=options.rate,
        memory=options.memory,
        written=options.written,
        seed=options.seed,
    )
    training = Training(recipe, open_bank(options.bank).to(options.device), options.device)
    if options.start:
        training.begin_with(options.start)
    print(f"{'':21} {HEADINGS}", flush=True)
    start = options.start.stem if options.start else "random weights"
    train(training, options.out, start, options.every, options.judged)


if __name__ == "__main__":
    main()
