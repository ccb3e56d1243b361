"""Files that hold many images with what they are of: one module a format, loaded when such a file is read.

Each has two functions: ``describe(path)`` returns a `hcskit.readers.toolkit.Container`, and ``read(path, page)`` one
image of it. Their libraries are extras of hcskit.
"""
