"""What answers requests: transformers, vLLM, on CPU, GPU or Ascend NPU, behind one small protocol."""
