"""What is done with a model of ``models/``: predict rows of a file, export a task, serve tasks over HTTP."""

EXPORTS = {
    "transformers": "cotrain.serving.plain:write",
    "onnx": "cotrain.serving.onnx:write",
}
"""Formats of an export: functions of (shared model, task, its folder, new folder)."""
