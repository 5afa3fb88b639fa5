// Quantities as people read them.

const number = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits });

/** Rounded up, so that a file over its limit never reads as one that just fits. */
export function bytesInWords(bytes) {
  if (bytes >= 1e6) return `${number(Math.ceil(bytes / 1e5) / 10, 1)} MB`;
  if (bytes >= 1e3) return `${number(Math.ceil(bytes / 1e3), 0)} kB`;
  return bytes === 1 ? "1 byte" : `${bytes} bytes`;
}

export function millisecondsInWords(ms) {
  if (ms >= 10_000) return `${number(ms / 1000, 1)} s`;
  return `${number(ms, ms < 100 ? 1 : 0)} ms`;
}

/** 0.934 -> "93.4%". Never rounds up to certainty or down to impossibility. */
export function percentInWords(probability) {
  if (probability > 0.999 && probability < 1) return "> 99.9%";
  if (probability > 0 && probability < 0.001) return "< 0.1%";
  return `${number(probability * 100, 1)}%`;
}

/** 1, "name" -> "1 name"; 2000, "name" -> "2,000 names". */
export function countInWords(count, noun) {
  return `${number(count, 0)} ${noun}${count === 1 ? "" : "s"}`;
}

/** -0.8123 -> "−0.81", with the sign that is as wide as a digit. */
export function scoreInWords(score) {
  return number(score, 2).replace("-", "−").replace(/^−0$/, "0");
}

const ENGINES = { onnxruntime: "ONNX Runtime", openvino: "OpenVINO", torchscript: "torch" };

/** {variant, runtime} -> "int8 in OpenVINO"; "float32" where the engine is not said. */
export function variantInWords({ variant, runtime }) {
  return runtime ? `${variant} in ${ENGINES[runtime] ?? runtime}` : variant;
}

/** 0.8219 -> "0.822": a metric, to be read under another's. */
export function measureInWords(value) {
  return value.toFixed(3).replace("-", "−");
}

/** 2.94 -> "2.9 times" */
export function timesInWords(factor) {
  return `${factor.toLocaleString("en", { minimumSignificantDigits: 2, maximumSignificantDigits: 2 })} times`;
}

/** {max_bytes, max_pixels} -> "10 MB and 50 megapixels"; "" where there is no limit. */
export function limitsInWords(limits = {}) {
  const parts = [];
  if (limits.max_bytes) parts.push(bytesInWords(limits.max_bytes));
  if (limits.max_pixels) parts.push(`${number(limits.max_pixels / 1e6, 1)} megapixels`);
  return parts.join(" and ");
}
