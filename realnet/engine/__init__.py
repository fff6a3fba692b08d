"""How stacks of runs are stepped: weights, gradients, optimizers, on a CPU or a GPU."""
