"""Classes that the stroke data lacks, put together from parts of characters that it has.

Each part is a character, its strokes from one to before another, and the box that they are squeezed into (left, top,
right, bottom, from -1 to 1; None leaves them where they are).
"""

RIGHT = (-0.12, -0.75, 0.82, 0.75)
LOWER = (-0.75, -0.12, 0.75, 0.8)
Part = tuple[str, int, int | None, tuple[float, ...] | None]
COMPOSED: dict[str, tuple[Part, ...]] = {
    "旻": (("景", 0, 4, None), ("文", 0, None, LOWER)),
    "暘": (("晴", 0, 4, None), ("楊", 4, None, None)),
    "煒": (("煌", 0, 4, None), ("偉", 2, None, RIGHT)),
    "燿": (("煌", 0, 4, None), ("耀", 6, None, RIGHT)),
    "琇": (("珍", 0, 4, None), ("秀", 0, None, RIGHT)),
    "璟": (("珍", 0, 4, None), ("景", 0, None, RIGHT)),
    "祐": (("神", 0, -5, None), ("右", 0, None, RIGHT)),
    "竑": (("端", 0, 5, None), ("雄", 0, 4, RIGHT)),
    "紘": (("紅", 0, 6, None), ("雄", 0, 4, RIGHT)),
    "鋐": (("鈞", 0, 8, None), ("宏", 0, None, RIGHT)),
}
