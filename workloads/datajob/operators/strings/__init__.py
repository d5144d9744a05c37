"""Text columns for kernels: UTF-8 bytes, words and tokens, shared by all operators that read text."""
