"""What commands print is text and nothing else, whoever chose the names in it."""

from opsconsole.management.reporting import for_terminal


def test_names_of_strangers_move_no_terminal() -> None:
    assert for_terminal("table \x1b[2J\r\x9b31m\x00\u202e\nü\té") == "table \\x1b[2J\\r\\x9b31m\\x00\\u202e\nü\té"
