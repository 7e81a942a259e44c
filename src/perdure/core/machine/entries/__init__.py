"""What each command does when it is appended: one module a family."""
