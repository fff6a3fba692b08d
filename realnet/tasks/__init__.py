"""The tasks: what is to be learned, of which examples (one file a family)."""

from realnet.tasks.modular import (
    POLYNOMIALS,
    TASKS,
    Table,
    data_order,
    discrete_log,
    is_prime,
    labels,
    symbols,
    table,
    table_size,
)

__all__ = [
    "POLYNOMIALS",
    "TASKS",
    "Table",
    "data_order",
    "discrete_log",
    "is_prime",
    "labels",
    "symbols",
    "table",
    "table_size",
]
