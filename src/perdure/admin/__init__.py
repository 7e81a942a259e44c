"""The door for operators: what is deployed, and what becomes of invocations."""
