"""The networks: shapes and starting values of their weights, and a plain torch module for each."""
