"""The code inside every archive: preprocess, inference, postprocess.

It needs Python 3.6, numpy and Pillow; a runtime is imported only where it is used.
"""
