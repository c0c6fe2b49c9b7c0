"""A strict relying party of OpenID Connect: values in, values out. It fetches nothing and stores nothing."""
