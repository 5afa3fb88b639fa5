"""On the path of the peer's workers alone: lets them import torchvision beside another build of torch."""

from models.operators import import_torchvision

import_torchvision()
