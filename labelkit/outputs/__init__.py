"""What findings are written as: one module an output format, each with ``write(validation, stream)``."""
