"""ResNet18 behind the servers that people choose from: the same model file and the same decode code in each."""
