"""TorchServe's own image_classifier, which fails on a model of fewer classes than the five that it answers."""

from ts.torch_handler import image_classifier


class TwoClasses(image_classifier.ImageClassifier):
    topk = 2
