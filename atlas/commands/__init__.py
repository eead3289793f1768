"""The commands of ``atlas``, one module for each subject."""
