"""Exports TransNet to ONNX, and checks that both paint the same picture.

Import from the modules (`export.onnx_export`): nothing is loaded here, so that `restyle --help` stays quick.
"""
