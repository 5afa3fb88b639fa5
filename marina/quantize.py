"""int8: a graph whose convolutions and products run on whole numbers, built from the ranges of its activations.

Static quantisation in QDQ form, which ONNX Runtime and OpenVINO both read: weights per output channel, int8 and
symmetric; activations per tensor, uint8. The ranges are measured once, on inputs, and shipped with the model, so
that the int8 graph is built without data, the same byte for byte anywhere.
"""

import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from marina.errors import MarinaError
from marina.graph_files import read_graph
from marina.graphs import load_graph, locate_graph
from marina.packing import Bytes

Ranges = dict[str, tuple[float, float]]  # tensor -> its lowest and highest value
Arrays = Mapping[str, np.ndarray]  # input -> a batch
# Between two convolutions these run on int8 too, or each would need a conversion before and behind it.
CONVOLUTION_TYPES = ["Conv", "MatMul", "Gemm", "Add", "Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool"]
# Of a transformer, the products with weights only: sums along its residual path have outliers that int8 can't hold.
PRODUCT_TYPES = ["MatMul", "Gemm"]
HALVED_FROM = 1024  # elements from which a weight that stays a float is stored as float16
LARGEST_HALF = 65504.0  # of float16


def fold(graph: Path) -> onnx.ModelProto:
    """The graph with float32 weights inside, constants folded and normalisations merged into the weights.

    Tensors keep the names that ``measure_ranges`` knows them by as long as onnxruntime's version stays the same.
    Raises MarinaError where the graph can't be loaded.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        try:
            onnxruntime.InferenceSession(str(locate_graph(graph)), options, providers=["CPUExecutionProvider"])
        except MarinaError:
            raise
        except Exception as error:  # its own exceptions have no common base
            raise MarinaError(f"{graph} can't be loaded by onnxruntime: {error}") from error
        return onnx.shape_inference.infer_shapes(onnx.load(path))


def types_to_quantize(model: onnx.ModelProto) -> list[str]:
    """The kinds of nodes that run on int8: a network of convolutions has more of them than a transformer."""
    return CONVOLUTION_TYPES if any(node.op_type == "Conv" for node in model.graph.node) else PRODUCT_TYPES


def products_of_activations(model: onnx.ModelProto) -> list[str]:
    """The products without weights, such as attention's: they gain nothing from int8 and lose most."""
    weights = {each.name for each in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type in PRODUCT_TYPES]
    return [node.name for node in products if not weights.intersection(node.input)]


def measure_ranges(graph: Path, batches: Iterable[Arrays], percentile: float) -> Ranges:
    """The range of every tensor that int8 needs one of, over batches of inputs.

    ``percentile`` of the values lie within a range, in percent; what lies beyond is clipped. A little less than 100
    gives the many a finer scale, at the cost of the few.
    """
    from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod, create_calibrator

    class OneBatch(CalibrationDataReader):  # type: ignore[misc]
        """Each batch alone: the calibrator keeps every activation of all the batches that it is handed at once."""

        def __init__(self, arrays: Arrays) -> None:
            self.left = [dict(arrays)]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self.left.pop() if self.left else None

    model = fold(graph)
    method = CalibrationMethod.MinMax if percentile >= 100 else CalibrationMethod.Percentile
    options = {} if percentile >= 100 else {"percentile": percentile}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        onnx.save(model, path)
        calibrator = create_calibrator(
            path,
            types_to_quantize(model),
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=method,
            extra_options=options,
        )
        with redirect_stdout(io.StringIO()):  # it prints a line a batch
            for arrays in batches:
                calibrator.collect_data(OneBatch(arrays))
            found = calibrator.compute_data().data
    return {name: (short(data.range_value[0]), short(data.range_value[1])) for name, data in sorted(found.items())}


def short(number: float | np.ndarray) -> float:
    """Six digits: more than an eight-bit scale can show, and no noise of one processor's sums."""
    return float(f"{float(np.asarray(number).reshape(-1)[0]):.6g}")


def quantize(graph: Path, ranges: Ranges) -> bytes:
    """The int8 graph, whole in one file. Raises MarinaError where a tensor's range is missing."""
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    model = fold(graph)
    known = ranges | fold_normalisation(model)
    tensors = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in known.items()
    }
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, tensors),
        nodes_to_quantize=[],
        nodes_to_exclude=products_of_activations(model),
        op_types_to_quantize=types_to_quantize(model),
        # What a product gives stays a float: rounded once more, two classes could no longer be told apart.
        extra_options={"OpTypesToExcludeOutputQuantization": PRODUCT_TYPES},
    )
    try:
        quantizer.quantize_model()
    except ValueError as error:
        raise MarinaError(f"{graph}: its ranges do not fit it; measure them again: {error}") from error
    return bytes(halve(quantizer.model.model).SerializeToString(deterministic=True))


def fold_normalisation(model: onnx.ModelProto) -> Ranges:
    """Moves a picture's normalisation, ``pixels * scale + shift`` a channel, into its first convolution; changes it.

    What is left is a difference from one grey, whole numbers as the pixels are: so int8 holds them exactly. Gives their
    range; nothing where the graph does not begin like that. At the picture's edge the network then sees that grey
    where it saw the mean colour, which for ImageNet's is up to 13 levels beside it.
    """
    weights = {each.name: each for each in model.graph.initializer}
    chain = follow(model, model.graph.input[0].name, ["Cast", "Mul", "Add", "Transpose", "Conv"])
    if not chain:
        return {}
    _, scaled, shifted, moved, convolution = chain
    constants = [next((name for name in node.input if name in weights), "") for node in (scaled, shifted, convolution)]
    if not all(constants):
        return {}
    scale, shift, kernel = (numpy_helper.to_array(weights[name]).astype(np.float64) for name in constants)
    if scale.shape != shift.shape or scale.shape != (kernel.shape[1],) or list(moved.attribute[0].ints) != [0, 3, 1, 2]:
        return {}
    grey = round(float(np.mean(-shift / scale)))
    bias = (kernel * (shift + grey * scale)[:, None, None]).sum((1, 2, 3))
    if len(convolution.input) > 2:
        bias += numpy_helper.to_array(weights[convolution.input[2]])
    renewed = {
        "normalised_weights": kernel * scale[:, None, None],
        "normalised_bias": bias,
        "grey": np.array(grey),
    }
    for name, values in renewed.items():
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    convolution.input[:] = [convolution.input[0], "normalised_weights", "normalised_bias"]
    shifted.CopyFrom(helper.make_node("Sub", [scaled.input[0], "grey"], [shifted.output[0]]))
    model.graph.node.remove(scaled)
    return {moved.output[0]: (-float(grey), 255.0 - grey)}


def follow(model: onnx.ModelProto, tensor: str, kinds: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes of those kinds that one after another make something of a tensor, and they alone; [] for any other."""
    chain: list[onnx.NodeProto] = []
    for kind in kinds:
        users = [node for node in model.graph.node if tensor in node.input]
        if len(users) != 1 or users[0].op_type != kind:
            return []
        chain += users
        tensor = users[0].output[0]
    return chain


def embed(graph: Path) -> bytes:
    """The graph with its own weights inside, as they are stored. Raises MarinaError."""
    try:
        return bytes(load_graph(graph).SerializeToString(deterministic=True))
    except ValueError as error:
        raise MarinaError(
            f"{graph} has more than the 2 GB of ONNX with its weights: keep them in safetensors"
        ) from error


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its large float32 weights as float16, which a Cast widens when the graph is loaded."""
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight) if weight.data_type == TensorProto.FLOAT else np.zeros(0, np.float32)
        if values.size < HALVED_FROM or float(np.abs(values).max()) > LARGEST_HALF:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def external_files(name: str, graph: bytes) -> set[str]:
    """The files that a graph keeps its weights in. Raises MarinaError."""
    return {location for location, _, _ in read_graph(name, Bytes(graph)).locations}
