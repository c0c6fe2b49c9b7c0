"""Door 1: JSON. A route is a signature that says who may call it, one service call, and the answer."""
