TITLE = "weekly"
