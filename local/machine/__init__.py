"""The parts that keep the processes of one machine alive: plan, table, supervisor, status."""
