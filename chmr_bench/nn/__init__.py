"""PyTorch parts that at least two models use. Imported only where a model is built."""
