"""Attacks a running Marina, and writes rows of what held and what did not.

``make attack`` makes every figure, in about half an hour, and writes ``docs/reliability.md`` from the rows. Each figure
runs alone too; without ``--save`` nothing is written but the table on the terminal:

    python -m benchmarks.attack mutations --place mms --structural 1000 --random 300 --seed 7
    python -m benchmarks.attack mutations --place torchserve --first 412 --structural 1   # that one input again
    python -m benchmarks.attack memory --task image --at-once 32
    python -m benchmarks.attack archives
    python -m benchmarks.attack kills --place replicas --workers 5 --java 1
    python -m benchmarks.attack slow --clients 200 --seconds 5
    python -m benchmarks.attack access
    python -m benchmarks.attack pages       # docs/reliability.md again, from the rows that there are

The archives are those in ``model_store/`` (``marina archive`` builds them), or of ``--store``. Everything stays on
loopback. An input that was answered otherwise than it may be is kept, with its seed and number in its name, in the
folder that ``--keep`` names.
"""
