"""ResNet18 that tells ants from bees."""
