"""The SDK: what users write services with, standing on the protocol alone."""
