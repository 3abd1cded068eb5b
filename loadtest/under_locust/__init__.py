"""The load under Locust: the schedule shared among its workers, and users beside it."""
