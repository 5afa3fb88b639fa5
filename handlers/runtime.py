"""The one file that knows a runtime: ONNX Runtime, OpenVINO, TorchScript or Elastic Inference behind one callable.

A model is called with one array an input, the batch as first axis, and gives its first output as an array. ``names``
are its inputs', in order; none where the format does not keep them. ``steps`` are the multiples that the batch and the
length of texts are best filled up to.
"""

import ctypes
import importlib.util
import logging
import os
from typing import TYPE_CHECKING, Any, Dict, List, Type, Union

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)


class OnnxRuntimeModel:
    package = "onnxruntime"
    steps = (1, 1)

    def __init__(self, path: str, threads: int, device: str, precision: str) -> None:
        # Else it keeps a queue of events about this machine in the user's home, to be sent.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A plan a batch size would keep one more buffer for each size that was ever seen.
        options.enable_mem_pattern = False
        # Threads that spin while they wait take the cores from the other workers and from decoding.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.names = [node.name for node in self.session.get_inputs()]

    def __call__(self, *arrays: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        outputs: List[np.ndarray[Any, Any]] = self.session.run(None, dict(zip(self.names, arrays)))
        return outputs[0]


class OpenVinoModel:
    package = "openvino"
    # It prepares itself for every new shape, which takes as long as a batch does, and keeps what it prepared: with
    # texts as they come, 1.8 GB for a graph of 7 MB.
    steps = (2, 8)

    def __init__(self, path: str, threads: int, device: str, precision: str) -> None:
        import openvino

        core = openvino.Core()
        compiled = core.compile_model(
            path,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                # Without it, it computes in bf16 wherever the processor can: that is a variant of its own.
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" and has_bf16(core) else "f32",
                # Two pinned workers land on the same core.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self.request = compiled.create_infer_request()
        self.names = [node.any_name for node in compiled.inputs]

    def __call__(self, *arrays: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        outputs: Any = self.request.infer(list(arrays), share_inputs=True)
        # The request overwrites its buffer with the next answer.
        output: np.ndarray[Any, Any] = outputs[0].copy()
        return output


class TorchScriptModel:
    """TorchScript in the precision that it was traced in, on the CPU or on the GPU that the server assigns."""

    package = "torch"
    steps = (1, 1)

    def __init__(self, path: str, threads: int, device: str, precision: str) -> None:
        import torch

        torch.set_num_threads(threads)
        self.device = torch.device(device)
        self.module = torch.jit.load(path, map_location=self.device).eval()
        if self.device.type == "cuda":
            # Convolutions in half precision are made for this order; constants are folded, kernels chosen by shape.
            self.module = torch.jit.freeze(self.module.to(memory_format=torch.channels_last))
            torch.backends.cudnn.benchmark = True
        self.names: List[str] = []
        self.buffers: Dict[int, Any] = {}  # by input: memory that the GPU reads by itself

    def __call__(self, *arrays: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        import torch

        with torch.no_grad():
            tensors = [self.place(number, array) for number, array in enumerate(arrays)]
            output: np.ndarray[Any, Any] = self.module(*tensors).float().cpu().numpy()
        return output

    def place(self, number: int, array: "np.ndarray[Any, Any]") -> Any:
        """An input where the module is; a call waits for its answer, so the buffer is free again for the next."""
        import torch

        tensor = torch.from_numpy(array)
        if self.device.type == "cpu":
            return tensor
        buffer = self.buffers.get(number)
        if buffer is None or buffer.numel() < tensor.numel():
            buffer = self.buffers[number] = torch.empty(tensor.numel(), dtype=tensor.dtype, pin_memory=True)
        pinned = buffer[: tensor.numel()].view(tensor.shape).copy_(tensor)
        return pinned.to(self.device, non_blocking=True)


class ElasticInferenceModel(TorchScriptModel):
    """TorchScript on an accelerator of Amazon's Elastic Inference, with the torch 1.5.1 of its image."""

    package = "torcheia"

    def __init__(self, path: str, threads: int, device: str, precision: str) -> None:
        import torch
        import torcheia

        # As that image's own documentation has it: the profiling executor can't hand the graph over.
        torch._C._jit_set_profiling_executor(False)
        super().__init__(path, threads, device, precision)
        self.module = torcheia.jit.attach_eia(self.module, 0)


Model = Union[OnnxRuntimeModel, OpenVinoModel, TorchScriptModel]
RUNTIMES: Dict[str, Type[Model]] = {
    "onnxruntime": OnnxRuntimeModel,
    "openvino": OpenVinoModel,
    "torchscript": TorchScriptModel,
    "eia": ElasticInferenceModel,
}
# Both read the same file, so either can stand in where the other is not installed.
FALLBACKS = {"onnxruntime": "openvino", "openvino": "onnxruntime"}


def load_model(path: str, runtime: str, threads: int, device: str = "cpu", precision: str = "float32") -> Model:
    """The model in the file ``path``, loaded by the runtime of that name, or by its fallback if that is missing.

    ``device`` is a torch device name; only TorchScript uses another than "cpu". ``precision`` is "float32" or "bf16";
    only OpenVINO knows the second, on processors that have it.
    """
    chosen = RUNTIMES[runtime]
    fallback = RUNTIMES.get(FALLBACKS.get(runtime, ""))
    if fallback is not None and not is_installed(chosen) and is_installed(fallback):
        logger.warning("%s is not installed; %s runs the model", chosen.package, fallback.package)
        chosen = fallback
    model = chosen(path, threads, device, precision)
    return_freed_memory()
    return model


def return_freed_memory() -> None:
    """Gives back what loading used and freed: 110 of 215 MB for a ResNet18 in ONNX Runtime. glibc alone can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def has_bf16(core: Any) -> bool:
    """Whether this processor computes in bf16, as OpenVINO's ``Core`` knows; else it would emulate it, slowly."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def is_installed(runtime: Type[Model]) -> bool:
    return importlib.util.find_spec(runtime.package) is not None
