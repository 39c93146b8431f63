"""The same people and databases as the tests of approvals."""

from tests.opsconsole.approvals.conftest import founders, give, kinds_of_tests, need, team

__all__ = ["founders", "give", "kinds_of_tests", "need", "team"]
