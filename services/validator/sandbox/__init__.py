"""The validator's side of its judges: `judge` is one of the processes, `pool` hands uploads to them."""
