"""Everything that uses PyAV and OpenCV: files, live sources and sinks, conversions, generated clips. No networks.

Import from the modules (`realtime.media.files.reader`, ...): nothing is loaded here, so that `--help` stays quick.
"""
