"""In the place of Amazon's package, which their image alone has: what of it can be told without an accelerator."""

from torcheia import jit

__all__ = ["jit"]
