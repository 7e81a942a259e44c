"""The test harness, under the official SDK's path."""

from perdure.testing.configuration import TestConfiguration
from perdure.testing.harness import create_test_harness, test_harness
from perdure.testing.threaded import RestateTestHarness

__all__ = ["RestateTestHarness", "TestConfiguration", "create_test_harness", "test_harness"]
