"""Testing handlers against a real server, in the process of the test."""
