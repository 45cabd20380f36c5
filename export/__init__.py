"""TransNet as ONNX, and the check that both give the same picture.

Import from the modules (`export.onnx_export`): nothing is loaded here, so that `restyle --help` stays quick.
"""
