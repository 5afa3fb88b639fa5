"""Settings and measurements that nothing was served for."""

from hypothesis import strategies as st

from marina.tune.rows import OPEN, Measurement
from marina.tune.settings import BATCH_SIZES, Setting

PLAIN = Setting("float32", "onnxruntime", 1, 1, 1, 1)
SETTINGS = st.builds(
    Setting,
    st.sampled_from(["float32", "bf16", "int8"]),
    st.sampled_from(["onnxruntime", "openvino"]),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(BATCH_SIZES),
    st.sampled_from([1, 5, 20]),
)


def measured(setting: Setting, **values: object) -> Measurement:
    numbers = {"load": 1.0, "seconds": 4.0, "requests": 400, "requests_per_s": 100.0, "p99_ms": 10.0}
    fields = {"kind": OPEN, "turn": 1, "archive": "x", **vars(setting), **numbers, **values}
    return Measurement(**fields)  # type: ignore[arg-type]
