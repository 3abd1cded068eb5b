"""Public projects that are run as they are; the page about them is written from that."""
