"""The one place where HDF5 files are written and opened."""
