"""From a trained model to a proven bundle: ONNX files, parity, a fresh process."""
