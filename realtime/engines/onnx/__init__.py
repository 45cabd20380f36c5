"""The ONNX Runtime and OpenVINO engines."""
