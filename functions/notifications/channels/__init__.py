"""The ways to reach people: e-mail, webhooks and text messages, behind one protocol."""
