"""What this app takes from packs: rules, the names under which health counts them, the cleanup, the expected shape."""
