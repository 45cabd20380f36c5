"""The networks: architecture, folding for inference, checkpoints and the gallery. Knows neither files of media nor
PyAV.
"""
