"""Door 2: pages for people. They call the same services as the JSON routes, and hold no rule of their own."""
