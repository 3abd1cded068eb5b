RULES = "common"
