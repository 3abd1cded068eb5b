RULES = "strict"
