"""The service protocol: identifiers, messages, manifest. One implementation for server and SDK."""
